//! Handshakes as the accepting side sees them.

use std::sync::Arc;

use kith_identity::{Bundle, BundleSet};
use rustls::HandshakeKind;
use rustls::client::Resumption;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_rustls::TlsConnector;

use super::*;
use crate::testing::{
    DAY, LIMIT, Party, TestCa, any_name, at, certified, domain, identity, leaf_params, meet, raw_client, uri,
    valid,
};
use crate::{Client, ClientIdentity, Svid, VerifiedPeer, WorkloadKey};

const WEB: &str = "spiffe://demo.local/ns/shop/sa/web";
const PAYMENTS: &str = "spiffe://demo.local/ns/shop/sa/payments";
const ALPN: &[&[u8]] = &[b"h2"];

/// The peer of a session that was given up at once, or why there was none.
type Accepted = Result<Option<VerifiedPeer>, HandshakeError>;

/// `payments` with its svid, trusting `root` for `demo.local`.
fn payments(root: &TestCa) -> Party {
    Party::new(Some(root.issuing().svid(PAYMENTS)), [root.bundle("demo.local")])
}

fn web(root: &TestCa) -> Party {
    Party::new(Some(root.issuing().svid(WEB)), [root.bundle("demo.local")])
}

fn server(party: &Party, client_svid: ClientSvid) -> Server {
    Server::new(party.credentials(), Accept::TrustDomain(domain("demo.local")), client_svid, ALPN)
}

fn client(party: &Party, identity: ClientIdentity) -> Client {
    Client::new(party.credentials(), identity, ALPN)
}

fn only_payments() -> Accept {
    Accept::only(identity(PAYMENTS))
}

/// A raw client's whole attempt: handshake, one request, one read. Returns what the server made of the
/// handshake and what the client could read afterwards.
async fn attempt(server: &Server, config: rustls::ClientConfig) -> (Accepted, std::io::Result<Vec<u8>>) {
    let (near, far) = duplex(64 * 1024);
    let requesting = async {
        let mut stream = TlsConnector::from(Arc::new(config)).connect(any_name(), far).await?;
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.map(|_| answer)
    };
    tokio::join!(accept(server, near), requesting)
}

/// Accepts, keeps the peer and closes: a client that was wrongly let in then reads the end and waits for nothing.
async fn accept(server: &Server, io: DuplexStream) -> Accepted {
    server.accept(io, LIMIT).await.map(|session| session.peer)
}

/// The reason of a failed handshake; panics when there is a session.
fn refused(accepted: Accepted) -> (&'static str, String) {
    let error = accepted.expect_err("the handshake should have failed");
    (error.reason(), error.to_string())
}

#[tokio::test]
async fn two_workloads_prove_each_other_with_tls_1_3_and_the_hybrid_group() {
    let root = TestCa::root();
    let (payments, web) = (payments(&root), web(&root));
    web.svid.send_replace(Some(Arc::new(root.svid_with(WEB, |params| valid(params, -60, 600)))));
    let (accepted, connected) =
        meet(&server(&payments, ClientSvid::Required), &client(&web, ClientIdentity::Svid), only_payments())
            .await;
    let (mut inbound, mut outbound) = (accepted.unwrap(), connected.unwrap());

    let facts = TlsFacts { version: "1.3", group: "X25519MLKEM768".into(), alpn: Some("h2".into()) };
    assert_eq!((&inbound.facts, &outbound.facts), (&facts, &facts));
    let names = |peer: &Option<VerifiedPeer>, own: &Option<Arc<Svid>>| {
        (peer.as_ref().unwrap().identity().to_string(), own.as_ref().unwrap().identity().to_string())
    };
    assert_eq!(names(&inbound.peer, &inbound.own), (WEB.to_owned(), PAYMENTS.to_owned()));
    assert_eq!(names(&outbound.peer, &outbound.own), (PAYMENTS.to_owned(), WEB.to_owned()));
    // The peer of one side is the svid of the other, to the serial number and the key.
    let (peer, own) = (inbound.peer.as_ref().unwrap(), outbound.own.as_ref().unwrap());
    assert_eq!((peer.serial(), peer.key_hash()), (own.serial(), own.key_hash()));
    // Both know the same end: the earlier of the two.
    assert_eq!((inbound.ends_at(), outbound.ends_at()), (Some(at(600)), Some(at(600))));

    outbound.stream.write_all(b"ping").await.unwrap();
    let mut bytes = [0; 4];
    inbound.stream.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"ping");
}

// L3.
#[tokio::test]
async fn a_client_without_a_certificate_is_refused_in_the_handshake() {
    let root = TestCa::root();
    let (accepted, answer) = attempt(&server(&payments(&root), ClientSvid::Required), raw_client(None)).await;
    assert_eq!(refused(accepted).0, "no_client_certificate");
    // The client learns why, and gets nothing else.
    assert!(answer.unwrap_err().to_string().contains("CertificateRequired"));
}

#[tokio::test]
async fn where_an_svid_is_optional_a_client_without_one_is_nobody() {
    let root = TestCa::root();
    let nobody = Party::new(None, [root.bundle("demo.local")]);
    let server = server(&payments(&root), ClientSvid::Optional);
    let (accepted, connected) =
        meet(&server, &client(&nobody, ClientIdentity::SvidIfAny), only_payments()).await;
    assert_eq!(accepted.unwrap().peer, None);
    let outbound = connected.unwrap();
    assert!(outbound.own.is_none());
    assert_eq!(outbound.ends_at(), Some(at(3600)));
}

#[tokio::test]
async fn where_an_svid_is_optional_a_bad_one_is_refused_all_the_same() {
    let (root, other) = (TestCa::root(), TestCa::root());
    let (key, chain) = other.key_and_chain(&leaf_params(WEB));
    let server = server(&payments(&root), ClientSvid::Optional);
    let (accepted, _) = attempt(&server, raw_client(Some(certified(&key, chain)))).await;
    assert_eq!(refused(accepted).0, "unknown_authority");
}

#[tokio::test]
async fn every_refusal_of_the_verifier_comes_out_with_its_reason_and_its_alert() {
    type Spoil = fn(&mut rcgen::CertificateParams);
    let (root, other) = (TestCa::root(), TestCa::root());
    let rows: [(&str, &TestCa, Spoil, &str, &str, &str); 7] = [
        ("unknown authority", &other, |_| (), "unknown_authority", "claims spiffe://demo.local", "UnknownCA"),
        ("no URI", &root, |p| p.subject_alt_names.clear(), "bad_certificate", "no URI", "BadCertificate"),
        (
            "two URIs",
            &root,
            |p| p.subject_alt_names.push(uri("spiffe://demo.local/ns/shop/sa/admin")),
            "bad_certificate",
            "2 URIs",
            "BadCertificate",
        ),
        (
            "a signing certificate",
            &root,
            |p| p.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained),
            "bad_certificate",
            "cA true",
            "BadCertificate",
        ),
        ("ended", &root, |p| valid(p, -DAY, -5), "svid_expired", "expired 5 s ago", "CertificateExpired"),
        ("not begun", &root, |p| valid(p, 5, DAY), "not_yet_valid", "begins in 5 s", "CertificateExpired"),
        (
            "another trust domain",
            &root,
            |p| p.subject_alt_names = vec![uri("spiffe://other.example/ns/shop/sa/web")],
            "untrusted_domain",
            "no bundle for trust domain other.example",
            "UnknownCA",
        ),
    ];
    let payments = payments(&root);
    for (what, ca, spoil, reason, words, alert) in rows {
        let mut params = leaf_params(WEB);
        spoil(&mut params);
        let (key, chain) = ca.key_and_chain(&params);
        let config = raw_client(Some(certified(&key, chain)));
        let (accepted, answer) = attempt(&server(&payments, ClientSvid::Required), config).await;
        let (got, message) = refused(accepted);
        assert_eq!(got, reason, "{what}: {message}");
        assert!(message.contains(words), "{what}: {message}");
        let seen = answer.unwrap_err().to_string();
        assert!(seen.contains(alert), "{what}: {seen}");
    }
}

#[tokio::test]
async fn a_proven_caller_outside_the_accepted_set_is_refused() {
    let root = TestCa::root();
    let payments = payments(&root);
    let server = Server::new(payments.credentials(), only_payments(), ClientSvid::Required, ALPN);
    let (accepted, connected) =
        meet(&server, &client(&web(&root), ClientIdentity::Svid), only_payments()).await;
    let want = format!("the peer is {WEB}, expected {PAYMENTS}");
    assert_eq!(refused(accepted.map(|session| session.peer)), ("unexpected_identity", want));
    let mut answer = Vec::new();
    let seen = connected.unwrap().stream.read_to_end(&mut answer).await.unwrap_err();
    assert!(seen.to_string().contains("AccessDenied"), "{seen}");
}

// A6: a copied certificate is worth nothing without its key.
#[tokio::test]
async fn a_certificate_presented_without_its_key_is_refused() {
    let root = TestCa::root();
    let (_, chain) = root.key_and_chain(&leaf_params(WEB));
    let thief = WorkloadKey::generate().unwrap();
    let config = raw_client(Some(certified(&thief, chain)));
    let (accepted, _) = attempt(&server(&payments(&root), ClientSvid::Required), config).await;
    let (reason, message) = refused(accepted);
    assert_eq!(reason, "tls_error");
    assert!(message.contains("BadSignature"), "{message}");
}

// F11, T1: credentials are read anew for each handshake.
#[tokio::test]
async fn a_new_bundle_or_svid_takes_effect_at_the_next_handshake() {
    let (root, other) = (TestCa::root(), TestCa::root());
    let (payments, web) = (payments(&root), web(&root));
    let (server, client) = (server(&payments, ClientSvid::Required), client(&web, ClientIdentity::Svid));
    assert!(meet(&server, &client, only_payments()).await.0.is_ok());

    let bundles = |ca: &TestCa| Arc::new(BundleSet::from_iter([ca.bundle("demo.local")]));
    payments.bundles.send_replace(bundles(&other));
    assert_eq!(
        refused(meet(&server, &client, only_payments()).await.0.map(|session| session.peer)).0,
        "unknown_authority"
    );
    let both = Bundle::parse(domain("demo.local"), &[root.der(), other.der()]).unwrap();
    payments.bundles.send_replace(Arc::new(BundleSet::from_iter([both])));
    assert!(meet(&server, &client, only_payments()).await.0.is_ok());

    let renewed = Arc::new(root.svid(WEB));
    web.svid.send_replace(Some(renewed.clone()));
    let inbound = meet(&server, &client, only_payments()).await.0.unwrap();
    assert_eq!(inbound.peer.unwrap().serial(), renewed.serial());
}

#[tokio::test]
async fn a_server_without_an_svid_does_not_begin() {
    let root = TestCa::root();
    let payments = payments(&root);
    payments.svid.send_replace(None);
    // The other end stays silent: a handshake that began would wait for it until the limit.
    let (near, _far) = duplex(1024);
    let server = server(&payments, ClientSvid::Required);
    assert_eq!(refused(accept(&server, near).await).0, "no_own_svid");
}

// T10: the client reads in the certificate why there is no session.
#[tokio::test]
async fn a_server_whose_svid_has_ended_shows_it_and_gives_no_session() {
    let root = TestCa::root();
    let (payments, web) = (payments(&root), web(&root));
    let (server, client) = (server(&payments, ClientSvid::Optional), client(&web, ClientIdentity::SvidIfAny));
    payments.set_clock(3601);
    web.set_clock(3601);
    let (accepted, connected) = meet(&server, &client, only_payments()).await;
    let want = format!("this workload's own svid, {PAYMENTS}, expired 1 s ago and was not renewed");
    assert_eq!(refused(accepted.map(|session| session.peer)), ("svid_expired", want));
    let error = connected.unwrap_err();
    let want = format!("the svid of {PAYMENTS} expired 1 s ago");
    assert_eq!((error.reason(), error.to_string()), ("svid_expired", want));
}

// T1, T2: a client with another clock may take the svid; the server still does not.
#[tokio::test]
async fn an_own_svid_outside_its_time_gives_no_session_whatever_the_client_takes() {
    let root = TestCa::root();
    let payments = payments(&root);
    let server = server(&payments, ClientSvid::Optional);
    for (clock, reason, words) in [
        (3601, "svid_expired", "expired 1 s ago"),
        (-61, "not_yet_valid", "begins in 1 s; compare the clocks"),
    ] {
        payments.set_clock(clock);
        let (accepted, answer) = attempt(&server, raw_client(None)).await;
        let (got, message) = refused(accepted);
        assert_eq!(got, reason);
        assert!(message.starts_with("this workload's own svid") && message.contains(words), "{message}");
        assert!(answer.is_err(), "an application byte or a clean end reached the client: {answer:?}");
    }
}

// L5, L6: no ticket is sent, so the second handshake is a full one and verifies again.
#[tokio::test]
async fn nothing_is_left_to_resume_from() {
    let root = TestCa::root();
    let (key, chain) = root.key_and_chain(&leaf_params(WEB));
    let mut config = raw_client(Some(certified(&key, chain)));
    config.resumption = Resumption::in_memory_sessions(8);
    let config = Arc::new(config);
    let server = server(&payments(&root), ClientSvid::Required);
    for round in 1..=2 {
        let (near, far) = duplex(64 * 1024);
        let talking = async {
            let mut stream = TlsConnector::from(config.clone()).connect(any_name(), far).await.unwrap();
            let mut greeting = [0; 5];
            // A ticket would arrive before this.
            stream.read_exact(&mut greeting).await.unwrap();
            let connection = stream.get_ref().1;
            (connection.handshake_kind(), connection.tls13_tickets_received())
        };
        let greeting = async {
            let mut session = server.accept(near, LIMIT).await.unwrap();
            session.stream.write_all(b"hello").await.unwrap();
            session.stream.flush().await.unwrap();
            session
        };
        let (_session, seen) = tokio::join!(greeting, talking);
        assert_eq!(seen, (Some(HandshakeKind::Full), 0), "handshake {round}");
    }
}

/// A ClientHello as a client without TLS 1.3 sends it.
fn tls12_hello() -> Vec<u8> {
    let extensions: Vec<u8> = [
        &[0, 10, 0, 4, 0, 2, 0, 23][..], // supported_groups: secp256r1
        &[0, 11, 0, 2, 1, 0],            // ec_point_formats: uncompressed
        &[0, 13, 0, 4, 0, 2, 4, 3],      // signature_algorithms: ecdsa_secp256r1_sha256
        &[0, 23, 0, 0],                  // extended_master_secret
    ]
    .concat();
    let length = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap().to_be_bytes();
    let mut body = vec![3, 3];
    body.extend([7; 32]); // random
    body.extend([0, 0, 2, 0xc0, 0x2b, 1, 0]); // no session; ECDHE-ECDSA-AES128-GCM-SHA256; no compression
    body.extend(length(&extensions));
    body.extend(extensions);
    let handshake = [&[1, 0][..], &length(&body), &body].concat();
    [&[22, 3, 1][..], &length(&handshake), &handshake].concat()
}

// L1, L2.
#[tokio::test]
async fn a_client_that_knows_only_tls_1_2_is_refused() {
    let root = TestCa::root();
    let (near, mut far) = duplex(64 * 1024);
    let speaking = async {
        far.write_all(&tls12_hello()).await.unwrap();
        let mut alert = Vec::new();
        far.read_to_end(&mut alert).await.unwrap();
        alert
    };
    let server = server(&payments(&root), ClientSvid::Required);
    let (accepted, alert) = tokio::join!(accept(&server, near), speaking);
    assert_eq!(refused(accepted).0, "tls_error");
    assert_eq!(alert, [21, 3, 3, 0, 2, 2, 70], "fatal protocol_version");
}

// L8: whether the client says nothing, half of its hello, or its hello in drops.
#[tokio::test(start_paused = true)]
async fn a_handshake_that_never_finishes_ends_at_its_limit() {
    let root = TestCa::root();
    let server = server(&payments(&root), ClientSvid::Required);
    let hello = tls12_hello();
    for bytes in [&[][..], &hello[..1], &hello[..hello.len() - 1]] {
        let (near, mut far) = duplex(1024);
        far.write_all(bytes).await.unwrap();
        let began = tokio::time::Instant::now();
        let (reason, message) = refused(accept(&server, near).await);
        assert_eq!((reason, began.elapsed()), ("handshake_timeout", LIMIT), "{message}");
    }
    let (near, mut far) = duplex(1024);
    let dripping = async {
        for byte in hello {
            tokio::time::sleep(LIMIT / 20).await;
            if far.write_all(&[byte]).await.is_err() {
                break;
            }
        }
    };
    let (accepted, ()) = tokio::join!(accept(&server, near), dripping);
    assert_eq!(refused(accepted).0, "handshake_timeout");
}

#[tokio::test]
async fn a_connection_that_ends_in_the_handshake_is_lost_and_not_blamed_on_tls() {
    let root = TestCa::root();
    let (near, far) = duplex(1024);
    drop(far);
    let server = server(&payments(&root), ClientSvid::Required);
    assert_eq!(refused(accept(&server, near).await).0, "connection_lost");
}

// L14.
#[tokio::test]
async fn what_is_no_tls_is_refused_at_once() {
    let root = TestCa::root();
    let (near, mut far) = duplex(1024);
    far.write_all(b"GET / HTTP/1.1\r\nHost: payments\r\n\r\n").await.unwrap();
    let server = server(&payments(&root), ClientSvid::Required);
    assert_eq!(refused(accept(&server, near).await).0, "not_tls");
}

// L9.
#[tokio::test]
async fn a_client_that_offers_only_other_protocols_is_refused() {
    let root = TestCa::root();
    let (key, chain) = root.key_and_chain(&leaf_params(WEB));
    let mut config = raw_client(Some(certified(&key, chain)));
    config.alpn_protocols = vec![b"smtp".to_vec()];
    let (accepted, answer) = attempt(&server(&payments(&root), ClientSvid::Required), config).await;
    assert_eq!(refused(accepted).0, "tls_error");
    assert!(answer.unwrap_err().to_string().contains("NoApplicationProtocol"));
}

// H11: the raw client asks for "evil.example".
#[tokio::test]
async fn the_name_that_a_client_asks_for_changes_nothing() {
    let root = TestCa::root();
    let (key, chain) = root.key_and_chain(&leaf_params(WEB));
    let (near, far) = duplex(64 * 1024);
    let config = raw_client(Some(certified(&key, chain)));
    let connector = TlsConnector::from(Arc::new(config));
    let server = server(&payments(&root), ClientSvid::Required);
    let (accepted, _stream) = tokio::join!(server.accept(near, LIMIT), connector.connect(any_name(), far));
    let session = accepted.unwrap();
    assert_eq!(session.stream.get_ref().1.server_name(), Some("evil.example"));
    assert_eq!(session.peer.unwrap().identity(), &identity(WEB));
    assert_eq!(session.own.unwrap().identity(), &identity(PAYMENTS));
}
