//! What changes between two handshakes: bundles and svids that are renewed, or are not.

use rustls::HandshakeKind;
use rustls::client::Resumption;

use super::*;

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
