//! Who may come back with a ticket, for how long, and what ends it. The client is a plain TLS client with a memory of its
//! own, as foreign ones are.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls::client::{ResolvesClientCert, Resumption as ClientResumption};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, HandshakeKind};

use super::*;
use crate::resumption::TICKETS;

fn server(party: &Party) -> Server {
    let accept = Accept::TrustDomain(domain("demo.local"));
    Server::new(party.credentials(), accept, ClientSvid::Required, &[b"kith/1", b"h2"]).resuming_foreign(|| 0)
}

/// A client that offers these, with an svid.
fn offering(ca: &TestCa, alpn: &[&[u8]]) -> Arc<ClientConfig> {
    let (key, chain) = ca.key_and_chain(&leaf_params(WEB));
    let mut config = raw_client(Some(certified(&key, chain)));
    config.resumption = ClientResumption::in_memory_sessions(8);
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Arc::new(config)
}

fn foreign(ca: &TestCa) -> Arc<ClientConfig> {
    offering(ca, &[b"h2"])
}

/// What one handshake was, how many tickets came with it, and whom the server saw.
type Seen = (HandshakeKind, usize, Option<VerifiedPeer>);

async fn call(server: &Server, client: &Arc<ClientConfig>) -> Result<Seen, HandshakeError> {
    let (near, far) = duplex(64 * 1024);
    let calling = async {
        let mut stream = TlsConnector::from(client.clone()).connect(any_name(), far).await?;
        // Tickets arrive before this.
        stream.read_exact(&mut [0; 5]).await?;
        let connection = stream.get_ref().1;
        Ok::<_, io::Error>((connection.handshake_kind(), connection.tls13_tickets_received()))
    };
    let serving = async {
        let mut session = server.accept(near, LIMIT).await?;
        session.stream.write_all(b"hello").await.map_err(HandshakeError::ConnectionLost)?;
        session.stream.flush().await.map_err(HandshakeError::ConnectionLost)?;
        Ok::<_, HandshakeError>(session)
    };
    let (served, called) = tokio::join!(serving, calling);
    let session = served?;
    assert_eq!(session.own.as_ref().map(|own| own.identity().clone()), Some(identity(PAYMENTS)));
    let (kind, tickets) = called.map_err(HandshakeError::ConnectionLost)?;
    Ok((kind.unwrap(), usize::try_from(tickets).unwrap(), session.peer))
}

async fn kind(server: &Server, client: &Arc<ClientConfig>) -> HandshakeKind {
    call(server, client).await.unwrap().0
}

#[tokio::test]
async fn a_foreign_client_comes_back_as_the_same_peer() {
    let root = TestCa::root();
    let (payments, client) = (payments(&root), foreign(&root.issuing()));
    let server = server(&payments);
    let (first, tickets, peer) = call(&server, &client).await.unwrap();
    assert_eq!((first, tickets), (HandshakeKind::Full, TICKETS));
    let (second, tickets, resumed) = call(&server, &client).await.unwrap();
    assert_eq!((second, tickets), (HandshakeKind::Resumed, TICKETS));
    // Who it is, by which certificate and until when: all of it is verified again, not carried along.
    let peer = peer.unwrap();
    assert_eq!((peer.identity(), peer.not_after()), (&identity(WEB), at(3600)));
    assert_eq!(resumed.unwrap(), peer);
    // So it is at every server of the same credentials: each thread of a process may have its own.
    assert_eq!(kind(&server.clone(), &client).await, HandshakeKind::Resumed);
}

#[tokio::test]
async fn workloads_of_kith_get_no_ticket_and_may_not_use_one() {
    let root = TestCa::root();
    let payments = payments(&root);
    let server = server(&payments);
    for alpn in [&[b"kith/1".as_slice()][..], &[b"h2", b"kith/1"], &[b"kith/1", b"kith-streams/1"]] {
        let client = offering(&root, alpn);
        for round in 1..=2 {
            let (kind, tickets, _) = call(&server, &client).await.unwrap();
            assert_eq!((kind, tickets), (HandshakeKind::Full, 0), "{alpn:?}, handshake {round}");
        }
    }
    // Nor with a ticket that it came by as somebody else.
    let client = foreign(&root);
    assert_eq!(kind(&server, &client).await, HandshakeKind::Full);
    let mut own = ClientConfig::clone(&client);
    own.alpn_protocols = vec![b"kith/1".to_vec()];
    assert_eq!(kind(&server, &Arc::new(own)).await, HandshakeKind::Full);
}

#[tokio::test]
async fn a_server_that_does_not_resume_gives_no_ticket() {
    let root = TestCa::root();
    let (payments, client) = (payments(&root), foreign(&root));
    let accept = Accept::TrustDomain(domain("demo.local"));
    let server = Server::new(payments.credentials(), accept, ClientSvid::Required, &[b"h2"]);
    let (kind, tickets, _) = call(&server, &client).await.unwrap();
    assert_eq!((kind, tickets), (HandshakeKind::Full, 0));
}

// L6: with the same svid and the same bundles, but in another process.
#[tokio::test]
async fn a_ticket_is_useless_elsewhere() {
    let root = TestCa::root();
    let (payments, client) = (payments(&root), foreign(&root));
    let (one, other) = (server(&payments), server(&payments));
    assert_eq!(kind(&one, &client).await, HandshakeKind::Full);
    assert_eq!(kind(&other, &client).await, HandshakeKind::Full);
    // The tickets of the other are useless here too.
    assert_eq!(kind(&other, &client).await, HandshakeKind::Resumed);
}

// L5.
#[tokio::test]
async fn a_new_bundle_ends_all_tickets_even_when_it_says_the_same() {
    let root = TestCa::root();
    let (payments, client) = (payments(&root), foreign(&root));
    let server = server(&payments);
    assert_eq!(kind(&server, &client).await, HandshakeKind::Full);
    let same = payments.bundles.borrow().clone();
    payments.bundles.send_replace(Arc::new((*same).clone()));
    assert_eq!(kind(&server, &client).await, HandshakeKind::Full);
    assert_eq!(kind(&server, &client).await, HandshakeKind::Resumed);
    payments.bundles.send_replace(Arc::new([TestCa::root().bundle("demo.local")].into_iter().collect()));
    assert_eq!(call(&server, &client).await.unwrap_err().reason(), "unknown_authority");
}

// L5.
#[tokio::test]
async fn a_distrusted_authority_ends_the_tickets_of_those_it_signed() {
    let root = TestCa::root();
    let issuing = root.issuing();
    let (payments, client) = (payments(&root), foreign(&issuing));
    let server = server(&payments);
    assert_eq!(kind(&server, &client).await, HandshakeKind::Full);
    let before = payments.bundles.borrow().clone();
    payments.bundles.send_replace(Arc::new((*before).clone().distrusting([issuing.key_hash()])));
    assert_eq!(call(&server, &client).await.unwrap_err().reason(), "distrusted_authority");
}

// L5.
#[tokio::test]
async fn a_renewed_own_svid_ends_all_tickets() {
    let root = TestCa::root();
    let (payments, client) = (payments(&root), foreign(&root));
    let server = server(&payments);
    assert_eq!(kind(&server, &client).await, HandshakeKind::Full);
    payments.svid.send_replace(Some(Arc::new(root.svid(PAYMENTS))));
    assert_eq!(kind(&server, &client).await, HandshakeKind::Full);
    assert_eq!(kind(&server, &client).await, HandshakeKind::Resumed);
}

// L5: a quarantine, for one.
#[tokio::test]
async fn a_new_epoch_ends_all_tickets() {
    let root = TestCa::root();
    let (payments, client) = (payments(&root), foreign(&root));
    let epoch = Arc::new(AtomicU64::new(1));
    let seen = Arc::clone(&epoch);
    let server = server(&payments).resuming_foreign(move || seen.load(Ordering::SeqCst));
    assert_eq!(kind(&server, &client).await, HandshakeKind::Full);
    assert_eq!(kind(&server, &client).await, HandshakeKind::Resumed);
    epoch.store(2, Ordering::SeqCst);
    assert_eq!(kind(&server, &client).await, HandshakeKind::Full);
}

/// Shows whatever svid it has last. To rustls it stays one client, so that tickets outlive a renewal.
#[derive(Debug)]
struct Renewing(Mutex<Arc<CertifiedKey>>);

impl ResolvesClientCert for Renewing {
    fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.lock().unwrap().clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn shown(ca: &TestCa, until: i64) -> Arc<CertifiedKey> {
    let mut params = leaf_params(WEB);
    valid(&mut params, -60, until);
    let (key, chain) = ca.key_and_chain(&params);
    Arc::new(certified(&key, chain))
}

// L5: the handshake is a full one then, so a client that renewed its svid is let in, and one that did not is told why.
#[tokio::test]
async fn a_ticket_ends_with_the_svid_of_the_peer_and_no_chain_of_tickets_outlives_it() {
    let root = TestCa::root();
    let payments = payments(&root);
    let server = server(&payments);
    let renewing = Arc::new(Renewing(Mutex::new(shown(&root, 600))));
    let mut client = ClientConfig::clone(&foreign(&root));
    client.client_auth_cert_resolver = renewing.clone();
    let client = Arc::new(client);
    assert_eq!(kind(&server, &client).await, HandshakeKind::Full);
    for offset in [300, 599, 600] {
        payments.set_clock(offset);
        let (kind, _, peer) = call(&server, &client).await.unwrap();
        assert_eq!((kind, peer.unwrap().not_after()), (HandshakeKind::Resumed, at(600)), "{offset}");
    }
    payments.set_clock(601);
    assert_eq!(call(&server, &client).await.unwrap_err().reason(), "svid_expired");
    *renewing.0.lock().unwrap() = shown(&root, 3600);
    let (kind, _, peer) = call(&server, &client).await.unwrap();
    assert_eq!((kind, peer.unwrap().not_after()), (HandshakeKind::Full, at(3600)));
}

#[tokio::test]
async fn a_ticket_ends_with_our_own_svid() {
    let root = TestCa::root();
    let payments = payments(&root);
    payments.svid.send_replace(Some(Arc::new(root.svid_with(PAYMENTS, |params| valid(params, -60, 600)))));
    let (server, client) = (server(&payments), foreign(&root));
    assert_eq!(kind(&server, &client).await, HandshakeKind::Full);
    payments.set_clock(601);
    let refused = call(&server, &client).await.unwrap_err();
    assert!(matches!(refused, HandshakeError::OwnSvidExpired { .. }), "{refused}");
}

// What is resumed is judged like what is presented: by whom this server accepts.
#[tokio::test]
async fn who_comes_back_must_still_be_accepted() {
    let root = TestCa::root();
    let (payments, client) = (payments(&root), foreign(&root));
    let everybody = server(&payments);
    assert_eq!(kind(&everybody, &client).await, HandshakeKind::Full);
    // The same keys, another expectation.
    let choosy = Server { accept: only_payments(), ..everybody.clone() };
    assert_eq!(call(&choosy, &client).await.unwrap_err().reason(), "unexpected_identity");
}

// L4.
#[tokio::test]
async fn a_ticket_never_allows_early_data() {
    let root = TestCa::root();
    let payments = payments(&root);
    let server = server(&payments);
    let mut eager = ClientConfig::clone(&foreign(&root));
    eager.enable_early_data = true;
    let eager = Arc::new(eager);
    assert_eq!(kind(&server, &eager).await, HandshakeKind::Full);
    let (near, far) = duplex(64 * 1024);
    let calling = async {
        let mut is_offered = None;
        let look = |connection: &mut rustls::ClientConnection| {
            is_offered = Some(connection.early_data().is_some());
        };
        let stream = TlsConnector::from(eager.clone()).connect_with(any_name(), far, look).await;
        (is_offered, stream)
    };
    let (_served, (is_offered, _stream)) = tokio::join!(server.accept(near, LIMIT), calling);
    assert_eq!(is_offered, Some(false), "the ticket says nothing of early data");
}

// ClientSvid::Optional: who proved nothing has nothing to come back with.
#[tokio::test]
async fn a_client_without_an_svid_gets_no_ticket() {
    let root = TestCa::root();
    let payments = payments(&root);
    let accept = Accept::TrustDomain(domain("demo.local"));
    let server =
        Server::new(payments.credentials(), accept, ClientSvid::Optional, &[b"h2"]).resuming_foreign(|| 0);
    let mut nobody = raw_client(None);
    nobody.resumption = ClientResumption::in_memory_sessions(8);
    let (kind, tickets, peer) = call(&server, &Arc::new(nobody)).await.unwrap();
    assert_eq!((kind, tickets, peer), (HandshakeKind::Full, 0, None));
}
