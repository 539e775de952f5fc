//! Envoy's side of a stream, over a real socket.

use std::time::Duration;

use kith_identity::Bundle;
use kith_proto::envoy::config::core::v3::data_source::Specifier;
use kith_proto::envoy::config::core::v3::{DataSource, Node};
use kith_proto::envoy::extensions::transport_sockets::tls::v3::secret::Type;
use kith_proto::envoy::extensions::transport_sockets::tls::v3::{Secret, SpiffeCertValidatorConfig};
use kith_proto::envoy::service::secret::v3::secret_discovery_service_client::SecretDiscoveryServiceClient;
use kith_proto::google::rpc;
use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use super::secrets::SECRET_TYPE;
use super::*;
use crate::test_mesh::Authority;
use crate::workload_api::complaints::INTERVAL;
use crate::workload_api::pem;
use crate::workload_api::tests::{Served, der_of, end, next};

/// One stream, as Envoy opens it: without the Workload API's header.
struct Envoy {
    requests: mpsc::Sender<DiscoveryRequest>,
    answers: Streaming<DiscoveryResponse>,
}

impl Envoy {
    async fn connect(served: &Served, names: &[&str]) -> Self {
        let (requests, waiting) = mpsc::channel(8);
        requests.send(question(names)).await.unwrap();
        let mut client = SecretDiscoveryServiceClient::new(served.channel().await);
        let answers = client.stream_secrets(ReceiverStream::new(waiting)).await.unwrap().into_inner();
        Self { requests, answers }
    }

    async fn next(&mut self) -> DiscoveryResponse {
        next(&mut self.answers).await.unwrap()
    }

    /// Accepts an answer, and asks for these names from now on.
    async fn accept(&self, answer: &DiscoveryResponse, names: &[&str]) {
        let (version_info, response_nonce) = (answer.version_info.clone(), answer.nonce.clone());
        self.requests
            .send(DiscoveryRequest { version_info, response_nonce, ..question(names) })
            .await
            .unwrap();
    }

    async fn reject(&self, answer: &DiscoveryResponse, names: &[&str]) {
        self.requests.send(rejection(answer, names)).await.unwrap();
    }
}

fn rejection(answer: &DiscoveryResponse, names: &[&str]) -> DiscoveryRequest {
    let error = rpc::Status { code: 13, message: "no such thing".repeat(1_000) };
    DiscoveryRequest { response_nonce: answer.nonce.clone(), error_detail: Some(error), ..question(names) }
}

fn question(names: &[&str]) -> DiscoveryRequest {
    DiscoveryRequest {
        node: Some(Node { id: "envoy".to_owned() }),
        resource_names: names.iter().map(ToString::to_string).collect(),
        type_url: SECRET_TYPE.to_owned(),
        ..DiscoveryRequest::default()
    }
}

fn secrets(answer: &DiscoveryResponse) -> Vec<Secret> {
    assert_eq!(answer.type_url, SECRET_TYPE);
    let secret = |resource: &prost_types::Any| {
        assert_eq!(resource.type_url, SECRET_TYPE);
        Secret::decode(resource.value.as_slice()).unwrap()
    };
    answer.resources.iter().map(secret).collect()
}

fn bytes(source: Option<DataSource>) -> Vec<u8> {
    let Some(Specifier::InlineBytes(bytes)) = source.unwrap().specifier else { panic!("not in the message") };
    bytes
}

/// The chain and the key of a certificate.
fn certificate(secret: Secret) -> (Vec<u8>, Vec<u8>) {
    let Some(Type::TlsCertificate(found)) = secret.r#type else { panic!("{secret:?}") };
    (bytes(found.certificate_chain), bytes(found.private_key))
}

/// The trust domains of a validation, each with its bundle.
fn validated(secret: Secret) -> Vec<(String, Vec<u8>)> {
    let Some(Type::ValidationContext(context)) = secret.r#type else { panic!("{secret:?}") };
    let custom = context.custom_validator_config.unwrap();
    assert_eq!(custom.name, "envoy.tls.cert_validator.spiffe");
    let config = custom.typed_config.unwrap();
    assert!(
        config.type_url.ends_with("/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig")
    );
    let config = SpiffeCertValidatorConfig::decode(config.value.as_slice()).unwrap();
    config.trust_domains.into_iter().map(|domain| (domain.name, bytes(domain.trust_bundle))).collect()
}

fn pem_of(authority: &Authority) -> Vec<u8> {
    pem::certificates([der_of(authority).as_slice()])
}

/// Adds a bundle of another trust domain.
fn federate(served: &Served) -> Authority {
    let authority = Authority::new();
    let domain = kith_identity::TrustDomain::parse("partner.example").unwrap();
    let foreign = Bundle::parse(domain, &[der_of(&authority)]).unwrap();
    let known = served.bundles.borrow().clone();
    served.bundles.send_replace(std::sync::Arc::new(known.iter().cloned().chain([foreign]).collect()));
    authority
}

#[tokio::test]
async fn the_svid_is_called_default_or_by_its_identity() {
    let served = Served::ready();
    let own = served.svid.borrow().clone().unwrap();
    for name in ["default", served.identity.as_str()] {
        let answer = Envoy::connect(&served, &[name]).await.next().await;
        let secret = secrets(&answer).remove(0);
        assert_eq!((answer.resources.len(), secret.name.as_str()), (1, name));
        let (chain, key) = certificate(secret);
        assert_eq!(chain, pem::certificates(own.chain()));
        assert_eq!(key, pem::private_key(&own.key_pkcs8()));
    }
}

#[tokio::test]
async fn peers_are_validated_by_the_bundle_of_their_own_domain() {
    let served = Served::ready();
    let foreign = federate(&served);
    let own = ("demo.local".to_owned(), pem_of(&served.authority));
    let partner = ("partner.example".to_owned(), pem_of(&foreign));
    for (name, expected) in [
        ("ROOTCA", vec![own.clone()]),
        ("spiffe://demo.local", vec![own.clone()]),
        ("spiffe://partner.example", vec![partner.clone()]),
        ("ALL", vec![own.clone(), partner.clone()]),
    ] {
        let answer = Envoy::connect(&served, &[name]).await.next().await;
        let secret = secrets(&answer).remove(0);
        assert_eq!((answer.resources.len(), secret.name.as_str()), (1, name));
        assert_eq!(validated(secret), expected, "{name}");
    }
}

#[tokio::test]
async fn who_names_nothing_gets_all_there_is() {
    let served = Served::ready();
    let answer = Envoy::connect(&served, &[]).await.next().await;
    let names: Vec<String> = secrets(&answer).into_iter().map(|secret| secret.name).collect();
    assert_eq!(names, ["default", "ROOTCA", "ALL"]);
}

// W14.
#[tokio::test]
async fn a_secret_of_somebody_else_is_denied_and_nothing_comes_with_it() {
    let served = Served::ready();
    for name in [
        "spiffe://demo.local/ns/shop/sa/other",
        "spiffe://other.example",
        "DEFAULT",
        "default ",
        "../default",
    ] {
        for names in [&[name][..], &["default", name]] {
            let mut envoy = Envoy::connect(&served, names).await;
            let denied = next(&mut envoy.answers).await.unwrap_err();
            assert_eq!(denied.code(), Code::PermissionDenied, "{names:?}");
            let mut client = SecretDiscoveryServiceClient::new(served.channel().await);
            let denied = client.fetch_secrets(question(names)).await.unwrap_err();
            assert_eq!(denied.code(), Code::PermissionDenied, "{names:?}");
        }
    }
}

#[tokio::test]
async fn a_rotation_is_pushed_to_those_who_have_the_svid_and_a_bundle_to_all() {
    let served = Served::ready();
    let (mut svid, mut root) =
        (Envoy::connect(&served, &["default"]).await, Envoy::connect(&served, &["ROOTCA"]).await);
    let (mut last, first_root) = (svid.next().await, root.next().await);
    root.accept(&first_root, &["ROOTCA"]).await;
    for _ in 0..10 {
        svid.accept(&last, &["default"]).await;
        let own = served.rotate();
        let answer = svid.next().await;
        assert_eq!(certificate(secrets(&answer).remove(0)).0, pem::certificates(own.chain()));
        assert!(answer.nonce != last.nonce && answer.version_info != last.version_info);
        last = answer;
    }
    let next_root = Authority::new();
    served.trust([&served.authority, &next_root]);
    // Nothing came in between: its content had not changed.
    let answer = root.next().await;
    let expected = [pem_of(&served.authority), pem_of(&next_root)].concat();
    assert_eq!(validated(secrets(&answer).remove(0)), [("demo.local".to_owned(), expected)]);
    assert_eq!(answer.version_info, "2");
}

#[tokio::test]
async fn an_answer_that_was_rejected_is_not_sent_again_until_there_is_another() {
    let served = Served::ready();
    let mut envoy = Envoy::connect(&served, &["default"]).await;
    let first = envoy.next().await;
    for _ in 0..5 {
        envoy.reject(&first, &["default"]).await;
    }
    let own = served.rotate();
    let second = envoy.next().await;
    assert_eq!(certificate(secrets(&second).remove(0)).0, pem::certificates(own.chain()));
    assert_eq!((first.version_info.as_str(), second.version_info.as_str()), ("1", "2"));
}

// D7.
#[tokio::test(start_paused = true)]
async fn what_envoy_rejects_over_and_over_is_told_of_once_for_all_streams() {
    let (served, rejections) = (Served::ready(), Complaints::default());
    for _ in 0..2 {
        let mut subscription = Subscription::new(rejections.clone());
        subscription.take(&question(&["default"])).unwrap();
        let answer = subscription.due(&served.source).unwrap().unwrap();
        for _ in 0..100 {
            subscription.take(&rejection(&answer, &["default"])).unwrap();
        }
    }
    tokio::time::advance(INTERVAL).await;
    assert_eq!(rejections.due(), Some(199), "one was told of");
}

#[tokio::test]
async fn other_names_are_answered_at_once_and_a_late_answer_to_an_earlier_message_is_passed_over() {
    let served = Served::ready();
    let mut envoy = Envoy::connect(&served, &["default"]).await;
    let first = envoy.next().await;
    envoy.accept(&first, &["default", "ROOTCA"]).await;
    let second = envoy.next().await;
    assert_eq!(secrets(&second).len(), 2);
    // Of the first, and so of names that are not asked for any more.
    envoy.accept(&first, &["ALL"]).await;
    envoy.accept(&second, &["ROOTCA", "default", "ROOTCA"]).await;
    envoy.accept(&second, &["ROOTCA"]).await;
    let third = envoy.next().await;
    let names: Vec<String> = secrets(&third).into_iter().map(|secret| secret.name).collect();
    assert_eq!((names.as_slice(), third.nonce.as_str()), (&["ROOTCA".to_owned()][..], "3"));
}

#[tokio::test]
async fn once_is_answered_once() {
    let served = Served::ready();
    let mut client = SecretDiscoveryServiceClient::new(served.channel().await);
    let answer = client.fetch_secrets(question(&["default", "ALL"])).await.unwrap().into_inner();
    assert_eq!(secrets(&answer).len(), 2);
}

#[tokio::test]
async fn what_is_no_secret_is_not_here() {
    let served = Served::ready();
    let mut client = SecretDiscoveryServiceClient::new(served.channel().await);
    let type_url = "type.googleapis.com/envoy.config.cluster.v3.Cluster".to_owned();
    let refused = client.fetch_secrets(DiscoveryRequest { type_url, ..question(&[]) }).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let many: Vec<String> = (0..65).map(|number| format!("secret-{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(client.fetch_secrets(question(&many)).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn an_svid_that_is_not_there_yet_or_not_any_more_ends_the_stream_and_bundles_go_on() {
    let served = Served::start();
    assert_eq!(end(&mut Envoy::connect(&served, &["default"]).await.answers).await, Code::Unavailable);
    served.trust([&served.authority]);
    let mut root = Envoy::connect(&served, &["ROOTCA"]).await;
    root.next().await;
    served.rotate();
    let mut svid = Envoy::connect(&served, &["default"]).await;
    svid.next().await;
    served.hand.advance(Duration::from_secs(2 * 3600));
    assert_eq!(end(&mut svid.answers).await, Code::Unavailable);
    served.trust([&served.authority, &Authority::new()]);
    root.next().await;
}

// W13.
#[tokio::test]
async fn a_workload_that_is_cut_off_gets_no_secrets() {
    let served = Served::ready();
    let mut envoy = Envoy::connect(&served, &["ROOTCA"]).await;
    envoy.next().await;
    served.quarantine(&[&served.identity], false, Vec::new());
    assert_eq!(end(&mut envoy.answers).await, Code::PermissionDenied);
}
