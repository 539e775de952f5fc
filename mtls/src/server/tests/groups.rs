//! Which key exchanges a handshake may use: the hybrid first, and where it is required nothing else.

use rustls::NamedGroup;
use rustls::crypto::SupportedKxGroup;
use rustls::crypto::aws_lc_rs::kx_group;
use tokio_rustls::LazyConfigAcceptor;

use super::*;
use crate::KeyExchange;

fn strict(party: &Party) -> Server {
    let credentials = party.credentials().with_key_exchange(KeyExchange::RequirePq);
    Server::new(credentials, Accept::TrustDomain(domain("demo.local")), ClientSvid::Required, ALPN)
}

/// A foreign client with an svid that knows these groups.
fn with_groups(root: &TestCa, kx_groups: Vec<&'static dyn SupportedKxGroup>) -> rustls::ClientConfig {
    let (key, chain) = root.key_and_chain(&leaf_params(WEB));
    let mut provider = (*provider::provider()).clone();
    provider.kx_groups = kx_groups;
    let any = crate::probe::AnyCertificate(provider::SIGNATURE_ALGORITHMS);
    rustls::ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(provider::VERSIONS)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(any))
        .with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certified(&key, chain))))
}

async fn group(server: &Server, config: rustls::ClientConfig) -> Result<String, HandshakeError> {
    let (near, far) = duplex(64 * 1024);
    let connector = TlsConnector::from(Arc::new(config));
    let (accepted, _stream) = tokio::join!(server.accept(near, LIMIT), connector.connect(any_name(), far));
    accepted.map(|session| session.facts.group)
}

#[tokio::test]
async fn a_client_without_the_hybrid_group_is_met_with_a_classical_one_and_it_is_said() {
    let root = TestCa::root();
    let payments = payments(&root);
    let server = server(&payments, ClientSvid::Required);
    for (groups, want) in [
        (vec![kx_group::X25519MLKEM768, kx_group::X25519], "X25519MLKEM768"),
        // Our order counts, not the client's: it is asked for a share of the hybrid (HelloRetryRequest).
        (vec![kx_group::X25519, kx_group::X25519MLKEM768], "X25519MLKEM768"),
        (vec![kx_group::SECP256R1, kx_group::SECP384R1, kx_group::X25519MLKEM768], "X25519MLKEM768"),
        (vec![kx_group::X25519], "X25519"),
        (vec![kx_group::SECP256R1], "secp256r1"),
    ] {
        assert_eq!(group(&server, with_groups(&root, groups)).await.unwrap(), want);
    }
    let refused = group(&server, with_groups(&root, vec![kx_group::SECP384R1])).await.unwrap_err();
    assert_eq!(refused.reason(), "tls_error");
}

#[tokio::test]
async fn where_the_hybrid_group_is_required_a_client_without_it_gets_no_session() {
    let root = TestCa::root();
    let payments = payments(&root);
    let server = strict(&payments);
    // Even one that would rather not: it is asked for a share of the other (HelloRetryRequest).
    let both = vec![kx_group::X25519, kx_group::X25519MLKEM768];
    assert_eq!(group(&server, with_groups(&root, both)).await.unwrap(), "X25519MLKEM768");
    let refused = group(&server, with_groups(&root, vec![kx_group::X25519])).await.unwrap_err();
    assert!(refused.to_string().contains("NoKxGroupsInCommon"), "{refused}");
}

#[tokio::test]
async fn where_the_hybrid_group_is_required_a_client_of_ours_offers_nothing_else() {
    let root = TestCa::root();
    let web = web(&root);
    let credentials = web.credentials().with_key_exchange(KeyExchange::RequirePq);
    let client = Client::new(credentials, ClientIdentity::Svid, ALPN);
    let (near, far) = duplex(64 * 1024);
    let reading = async {
        let start = LazyConfigAcceptor::new(Acceptor::default(), far).await.unwrap();
        start.client_hello().named_groups().map(<[NamedGroup]>::to_vec)
    };
    let (connected, groups) = tokio::join!(client.connect(near, only_payments(), LIMIT), reading);
    assert_eq!(groups, Some(vec![NamedGroup::X25519MLKEM768]));
    assert!(connected.is_err());
    // And with one of ours it meets.
    let payments = payments(&root);
    let (accepted, connected) = meet(&strict(&payments), &client, only_payments()).await;
    assert_eq!(connected.unwrap().facts.group, "X25519MLKEM768");
    accepted.unwrap();
}
