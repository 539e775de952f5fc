//! Handshakes as an ordinary HTTPS client makes them, with rustls' own verifier of names.

use rcgen::{KeyPair, SanType};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio_rustls::TlsConnector;

use super::*;
use crate::testing::{LIMIT, TestCa, at, leaf_params};

const NAME: &str = "kith-control-plane.kith.svc";

/// A certificate for `name`, with its key.
fn identity(root: &TestCa, name: &str) -> WebIdentity {
    let key = KeyPair::generate().unwrap();
    let mut params = leaf_params("spiffe://demo.local/unused");
    params.subject_alt_names = vec![SanType::DnsName(name.try_into().unwrap())];
    WebIdentity::new(&root.certify(&key, &params)[0], &key.serialize_der()).unwrap()
}

fn server(identity: WebIdentity) -> (watch::Sender<Arc<WebIdentity>>, WebServer) {
    let (newest, identity) = watch::channel(Arc::new(identity));
    (newest, WebServer::new(identity, Now::new(|| at(0)), &[b"h2", b"http/1.1"]))
}

/// What the client reads and what the server accepted.
async fn meet(
    server: &WebServer,
    root: &TestCa,
    config: impl FnOnce(&mut ClientConfig),
) -> (Result<Vec<u8>, String>, Result<TlsFacts, HandshakeError>) {
    let mut roots = RootCertStore::empty();
    roots.add(root.der().to_vec().into()).unwrap();
    let mut client = ClientConfig::builder_with_details(provider::provider(), Arc::new(Now::new(|| at(0))))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config(&mut client);
    let (near, far) = duplex(64 * 1024);
    let asking = async {
        let name = ServerName::try_from(NAME).unwrap();
        let connected = TlsConnector::from(Arc::new(client)).connect(name, far).await;
        let mut stream = connected.map_err(|error| error.to_string())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.map_err(|error| error.to_string())?;
        Ok(answer)
    };
    let answering = async {
        let (mut stream, facts) = server.accept(near, LIMIT).await?;
        stream.write_all(b"hello").await.unwrap();
        stream.shutdown().await.unwrap();
        Ok(facts)
    };
    tokio::join!(asking, answering)
}

#[tokio::test]
async fn a_client_that_trusts_the_authority_and_asks_for_the_name_is_answered() {
    let root = TestCa::root();
    let (_newest, server) = server(identity(&root, NAME));
    let (read, facts) =
        meet(&server, &root, |config| config.alpn_protocols = vec![b"http/1.1".to_vec()]).await;
    assert_eq!(read.unwrap(), b"hello");
    let facts = facts.unwrap();
    assert_eq!((facts.version, facts.alpn.as_deref()), ("1.3", Some("http/1.1")));
}

#[tokio::test]
async fn a_certificate_that_was_replaced_is_shown_at_the_next_handshake() {
    let (old, new) = (TestCa::root(), TestCa::root());
    let (newest, server) = server(identity(&old, NAME));
    assert!(meet(&server, &new, |_| ()).await.0.is_err());
    newest.send_replace(Arc::new(identity(&new, NAME)));
    assert_eq!(meet(&server, &new, |_| ()).await.0.unwrap(), b"hello");
    assert!(meet(&server, &old, |_| ()).await.0.is_err());
}

#[tokio::test]
async fn another_name_is_refused_by_the_client() {
    let root = TestCa::root();
    let (_newest, server) = server(identity(&root, "kith-control-plane.other.svc"));
    let (read, _) = meet(&server, &root, |_| ()).await;
    assert!(read.unwrap_err().contains("not valid for name"));
}

#[tokio::test]
async fn what_is_not_tls_is_named() {
    let root = TestCa::root();
    let (_newest, server) = server(identity(&root, NAME));
    let (near, mut far) = duplex(1024);
    far.write_all(b"POST /inject HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(server.accept(near, LIMIT).await.unwrap_err().reason(), "not_tls");
}

// L8
#[tokio::test(start_paused = true)]
async fn a_client_that_stays_silent_is_dropped() {
    let root = TestCa::root();
    let (_newest, server) = server(identity(&root, NAME));
    let (near, _far) = duplex(1024);
    assert_eq!(server.accept(near, LIMIT).await.unwrap_err().reason(), "handshake_timeout");
}

#[test]
fn a_key_that_is_not_the_certificates_is_refused() {
    let root = TestCa::root();
    let certificate = &root.chain_for(&leaf_params("spiffe://demo.local/unused"))[0];
    let other = KeyPair::generate().unwrap().serialize_der();
    assert!(WebIdentity::new(certificate, &other).is_err());
    assert!(WebIdentity::new(certificate, b"no key").is_err());
}
