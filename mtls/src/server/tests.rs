//! Handshakes as the accepting side sees them. Owns the two workloads that meet here; beside it, what the certificates say,
//! how time and renewal count, who is remembered, who may come back with a ticket, which key exchanges there are, and what
//! travels before there is any proof.

mod certificates;
mod groups;
mod memory;
mod resumption;
mod times;
mod wire;

use std::sync::Arc;

use kith_identity::{Bundle, BundleSet};
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
async fn attempt(server: &Server, config: rustls::ClientConfig) -> (Accepted, io::Result<Vec<u8>>) {
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
