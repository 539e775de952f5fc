//! Whose chain is remembered after a handshake: of those alone who proved to have its key, and whom this side accepts.

use super::*;
use crate::testing::raw_server;
use crate::{Credentials, Role};

/// Whether these credentials remember a chain. To look at one makes them remember nothing.
fn is_remembered(credentials: &Credentials, chain: &[Vec<u8>], role: Role) -> bool {
    let look = || credentials.verify_chain(chain, &Accept::TrustDomain(domain("demo.local")), role).unwrap();
    Arc::ptr_eq(&look(), &look())
}

fn chain_of(party: &Party) -> Vec<Vec<u8>> {
    let svid = party.svid.borrow();
    svid.as_ref().unwrap().chain().map(<[u8]>::to_vec).collect()
}

#[tokio::test]
async fn each_end_remembers_the_other_when_the_handshake_is_over() {
    let root = TestCa::root();
    let (payments, web) = (payments(&root), web(&root));
    let (inside, outside) = (payments.credentials(), web.credentials());
    let server = Server::new(inside.clone(), Accept::only(identity(WEB)), ClientSvid::Required, ALPN);
    let client = Client::new(outside.clone(), ClientIdentity::Svid, ALPN);
    assert!(!is_remembered(&inside, &chain_of(&web), Role::Client));
    let (accepted, connected) = meet(&server, &client, only_payments()).await;
    accepted.unwrap();
    connected.unwrap();
    assert!(is_remembered(&inside, &chain_of(&web), Role::Client));
    assert!(is_remembered(&outside, &chain_of(&payments), Role::Server));
}

// Certificates are public: who only shows one has no business in the memory.
#[tokio::test]
async fn a_chain_without_its_key_is_not_remembered() {
    let root = TestCa::root();
    let (payments, web) = (payments(&root), web(&root));
    let (inside, outside) = (payments.credentials(), web.credentials());
    let thief = |chain| certified(&WorkloadKey::generate().unwrap(), chain);

    let server = Server::new(inside.clone(), Accept::only(identity(WEB)), ClientSvid::Required, ALPN);
    let (accepted, _) = attempt(&server, raw_client(Some(thief(chain_of(&web))))).await;
    assert_eq!(refused(accepted).0, "tls_error");
    assert!(!is_remembered(&inside, &chain_of(&web), Role::Client));

    let client = Client::new(outside.clone(), ClientIdentity::SvidIfAny, &[]);
    let (near, far) = duplex(64 * 1024);
    let serving = tokio_rustls::TlsAcceptor::from(Arc::new(raw_server(thief(chain_of(&payments)))));
    let (_, connected) = tokio::join!(serving.accept(near), client.connect(far, only_payments(), LIMIT));
    assert_eq!(connected.unwrap_err().reason(), "tls_error");
    assert!(!is_remembered(&outside, &chain_of(&payments), Role::Server));
}

#[tokio::test]
async fn who_is_not_expected_is_not_remembered() {
    let root = TestCa::root();
    let (payments, web) = (payments(&root), web(&root));
    let inside = payments.credentials();
    let server = Server::new(inside.clone(), only_payments(), ClientSvid::Required, ALPN);
    let client = client(&web, ClientIdentity::Svid);
    let (accepted, _) = meet(&server, &client, only_payments()).await;
    assert_eq!(accepted.unwrap_err().reason(), "unexpected_identity");
    assert!(!is_remembered(&inside, &chain_of(&web), Role::Client));
}
