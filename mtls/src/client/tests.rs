//! Handshakes as the opening side sees them.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{HandshakeKind, NamedGroup, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor};

use super::*;
use crate::testing::{LIMIT, Party, TestCa, certified, domain, identity, leaf_params, meet, raw_server};
use crate::{ClientSvid, Server, WorkloadKey};

const WEB: &str = "spiffe://demo.local/ns/shop/sa/web";
const ORDERS: &str = "spiffe://demo.local/ns/shop/sa/orders";
const PAYMENTS: &str = "spiffe://demo.local/ns/shop/sa/payments";
const ALPN: &[&[u8]] = &[b"h2"];

type Connected = Result<Session<ClientStream<DuplexStream>>, HandshakeError>;

fn web(root: &TestCa) -> Party {
    Party::new(Some(root.issuing().svid(WEB)), [root.bundle("demo.local")])
}

fn client(party: &Party, identity: ClientIdentity) -> Client {
    Client::new(party.credentials(), identity, ALPN)
}

fn only_payments() -> Accept {
    Accept::only(identity(PAYMENTS))
}

/// A server of the raw kind holding a genuine svid for `uri`.
fn genuine(root: &TestCa, uri: &str) -> ServerConfig {
    let (key, chain) = root.issuing().key_and_chain(&leaf_params(uri));
    raw_server(certified(&key, chain))
}

/// One handshake of our client, expecting `payments`, with a raw server; and the bytes that the server's
/// application could read, or why there were none.
async fn call(client: &Client, config: ServerConfig) -> (Connected, std::io::Result<Vec<u8>>) {
    let (near, far) = duplex(64 * 1024);
    let calling = async {
        let mut session = client.connect(near, only_payments(), LIMIT).await?;
        session.stream.write_all(b"secret").await.map_err(HandshakeError::ConnectionLost)?;
        session.stream.shutdown().await.map_err(HandshakeError::ConnectionLost)?;
        Ok(session)
    };
    let serving = async {
        let mut stream = TlsAcceptor::from(Arc::new(config)).accept(far).await?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.map(|_| bytes)
    };
    tokio::join!(calling, serving)
}

fn refused(connected: Connected) -> (&'static str, String) {
    let error = connected.expect_err("the handshake should have failed");
    (error.reason(), error.to_string())
}

// L10: the server's application never gets a byte, nor the handshake an end.
#[tokio::test]
async fn a_genuine_svid_in_anothers_place_is_refused_before_any_application_byte() {
    let root = TestCa::root();
    let web = web(&root);
    let (connected, served) = call(&client(&web, ClientIdentity::SvidIfAny), genuine(&root, ORDERS)).await;
    let want = format!("the peer is {ORDERS}, expected {PAYMENTS}");
    assert_eq!(refused(connected), ("unexpected_identity", want));
    assert!(served.unwrap_err().to_string().contains("AccessDenied"));
    // The same call reaches the one it was meant for: the fixture itself is sound.
    let (connected, served) = call(&client(&web, ClientIdentity::SvidIfAny), genuine(&root, PAYMENTS)).await;
    connected.unwrap();
    assert_eq!(served.unwrap(), b"secret");
}

#[tokio::test]
async fn a_refused_server_has_not_seen_our_svid() {
    let root = TestCa::root();
    let orders = Party::new(Some(root.svid(ORDERS)), [root.bundle("demo.local")]);
    let accept = Accept::TrustDomain(domain("demo.local"));
    let server = Server::new(orders.credentials(), accept, ClientSvid::Optional, ALPN);
    let (accepted, connected) =
        meet(&server, &client(&web(&root), ClientIdentity::Svid), only_payments()).await;
    assert_eq!(refused(connected).0, "unexpected_identity");
    // An alert, not our certificate, is what the server got: with an svid read it would be a session or a refusal.
    let error = accepted.unwrap_err();
    assert_eq!(error.reason(), "tls_error");
    assert!(error.to_string().contains("AccessDenied"), "{error}");
}

#[tokio::test]
async fn a_server_of_an_unknown_authority_is_refused() {
    let (root, other) = (TestCa::root(), TestCa::root());
    let client = client(&web(&root), ClientIdentity::SvidIfAny);
    let (connected, served) = call(&client, genuine(&other, PAYMENTS)).await;
    assert_eq!(refused(connected).0, "unknown_authority");
    assert!(served.unwrap_err().to_string().contains("UnknownCA"));
}

// A6.
#[tokio::test]
async fn a_server_that_presents_a_certificate_without_its_key_is_refused() {
    let root = TestCa::root();
    let (_, chain) = root.key_and_chain(&leaf_params(PAYMENTS));
    let thief = raw_server(certified(&WorkloadKey::generate().unwrap(), chain));
    let (connected, served) = call(&client(&web(&root), ClientIdentity::SvidIfAny), thief).await;
    let (reason, message) = refused(connected);
    assert_eq!(reason, "tls_error");
    assert!(message.contains("BadSignature"), "{message}");
    assert!(served.is_err());
}

#[tokio::test]
async fn a_server_that_does_not_ask_for_our_svid_gets_a_session_only_where_none_is_required() {
    let root = TestCa::root();
    let web = web(&root);
    let (connected, served) = call(&client(&web, ClientIdentity::Svid), genuine(&root, PAYMENTS)).await;
    assert_eq!(refused(connected).1, "TLS failed: the server did not ask for our svid");
    assert!(!served.is_ok_and(|bytes| bytes == b"secret"));
    let (connected, _) = call(&client(&web, ClientIdentity::SvidIfAny), genuine(&root, PAYMENTS)).await;
    assert!(connected.unwrap().own.is_none(), "an svid that nobody saw bounds no session");
}

#[tokio::test]
async fn without_a_valid_svid_a_client_that_must_show_one_does_not_begin() {
    let root = TestCa::root();
    let web = web(&root);
    let client = client(&web, ClientIdentity::Svid);
    web.set_clock(3601);
    let (near, _far) = duplex(1024);
    assert_eq!(refused(client.connect(near, only_payments(), LIMIT).await).0, "svid_expired");
    web.svid.send_replace(None);
    let (near, _far) = duplex(1024);
    assert_eq!(refused(client.connect(near, only_payments(), LIMIT).await).0, "no_own_svid");
}

// T10: after an expiry the way back to the control plane is open.
#[tokio::test]
async fn a_client_whose_svid_has_ended_still_comes_as_nobody_where_it_may() {
    let root = TestCa::root();
    let web = Party::new(
        Some(root.svid_with(WEB, |params| crate::testing::valid(params, -60, 600))),
        [root.bundle("demo.local")],
    );
    web.set_clock(601);
    let control_plane = Party::new(Some(root.svid(PAYMENTS)), [root.bundle("demo.local")]);
    control_plane.set_clock(601);
    let accept = Accept::TrustDomain(domain("demo.local"));
    let server = Server::new(control_plane.credentials(), accept, ClientSvid::Optional, ALPN);
    let (accepted, connected) =
        meet(&server, &client(&web, ClientIdentity::SvidIfAny), only_payments()).await;
    assert_eq!(accepted.unwrap().peer, None);
    assert!(connected.unwrap().own.is_none());
}

#[tokio::test]
async fn the_hello_offers_the_hybrid_group_first_and_names_no_host() {
    let root = TestCa::root();
    let (near, far) = duplex(64 * 1024);
    let web = web(&root);
    let client = client(&web, ClientIdentity::Svid);
    let reading = async {
        let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), far).await.unwrap();
        let hello = start.client_hello();
        (hello.server_name().map(str::to_owned), hello.named_groups().map(<[NamedGroup]>::to_vec))
    };
    let (connected, (name, groups)) = tokio::join!(client.connect(near, only_payments(), LIMIT), reading);
    assert_eq!(name, None);
    let want = vec![NamedGroup::X25519MLKEM768, NamedGroup::X25519, NamedGroup::secp256r1];
    assert_eq!(groups, Some(want));
    assert_eq!(refused(connected).0, "connection_lost");
}

#[tokio::test]
async fn a_foreign_server_without_the_hybrid_group_is_met_with_a_classical_one() {
    let root = TestCa::root();
    let (key, chain) = root.issuing().key_and_chain(&leaf_params(PAYMENTS));
    let mut old = (*provider::provider()).clone();
    old.kx_groups = vec![rustls::crypto::aws_lc_rs::kx_group::SECP256R1];
    let config = ServerConfig::builder_with_provider(Arc::new(old))
        .with_protocol_versions(provider::VERSIONS)
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certified(&key, chain))));
    let (connected, _) = call(&client(&web(&root), ClientIdentity::SvidIfAny), config).await;
    assert_eq!(connected.unwrap().facts.group, "secp256r1");
}

// L5, L6: the raw server sends tickets and would resume.
#[tokio::test]
async fn a_ticket_is_never_used() {
    let root = TestCa::root();
    let mut config = genuine(&root, PAYMENTS);
    config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().unwrap();
    config.send_tls13_tickets = 2;
    let web = web(&root);
    let client = client(&web, ClientIdentity::SvidIfAny);
    for round in 1..=2 {
        let session = call(&client, config.clone()).await.0.unwrap();
        assert_eq!(
            session.stream.get_ref().1.handshake_kind(),
            Some(HandshakeKind::Full),
            "handshake {round}"
        );
    }
}

// L8.
#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_given_up_at_the_limit() {
    let root = TestCa::root();
    let (near, _far) = duplex(64 * 1024);
    let began = tokio::time::Instant::now();
    let client = client(&web(&root), ClientIdentity::Svid);
    let (reason, message) = refused(client.connect(near, only_payments(), LIMIT).await);
    assert_eq!((reason, began.elapsed()), ("handshake_timeout", LIMIT));
    assert_eq!(message, "the handshake was not finished within 10s");
}

#[test]
fn the_unused_name_is_a_name() {
    assert!(ServerName::try_from(UNUSED_NAME).is_ok());
}
