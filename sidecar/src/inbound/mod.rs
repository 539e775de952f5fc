//! Calls to the workload: from a proven peer, judged, to the application.
//!
//! ```text
//! accept ──► handshake (verify peer) ──► each request or stream: evaluate ──► application
//! ```

mod application;
mod http;
mod opaque;
mod session;
mod shares;
mod stream;
mod websocket;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use application::Application;
use kith_identity::SpiffeId;
use kith_mtls::{Accept, ClientSvid, Server, Session};
pub(crate) use shares::Shares;
use tokio::net::TcpStream;

use crate::identity_log::{Direction, Event, MAX_DETAIL_BYTES, SessionRefused, shortened};
use crate::refusal::DenialId;
use crate::session::{ALPN_CALLS, ALPN_H2, ALPN_HTTP1, ALPN_STREAMS};
use crate::worker::{Shared, Worker};

const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// What this sidecar proves and demands: a client svid always. The order of the protocols puts our own first and,
/// for foreign clients that speak both, the one that every application speaks.
pub(crate) fn server(shared: &Shared) -> Server {
    let accept = Accept::TrustDomain(shared.identity.trust_domain().clone());
    let alpn = [ALPN_CALLS, ALPN_STREAMS, ALPN_HTTP1, ALPN_H2];
    Server::new(shared.credentials.clone(), accept, ClientSvid::Required, &alpn)
}

/// The two ends of a connection.
#[derive(Debug, Clone, Copy)]
struct Ends {
    from: SocketAddr,
    local: SocketAddr,
}

/// One connection to the inbound port.
pub(crate) async fn connection(worker: Arc<Worker>, stream: TcpStream, from: SocketAddr) {
    // Known of every connection that was accepted; streams for another address are refused by it.
    let Ok(local) = stream.local_addr() else { return };
    let handshake = worker.unproven.run(worker.server.accept(stream, HANDSHAKE_LIMIT));
    let outcome = tokio::select! {
        outcome = handshake => outcome,
        // Nobody who is not through yet is let in any more.
        () = worker.shared.stop.graceful() => return,
    };
    let (reason, detail) = match outcome {
        None => ("too_many_handshakes", "newer connections took the place of this unfinished one".to_owned()),
        Some(Err(error)) => (error.reason(), error.to_string()),
        Some(Ok(session)) => match share(&worker, &session) {
            Ok(_share) => match session::serve(&worker, session, Ends { from, local }).await {
                Ok(()) => return,
                Err(refusal) => (refusal.reason, refusal.detail),
            },
            Err(identity) => {
                ("too_many_sessions", format!("{identity} has all the sessions that one identity may have"))
            }
        },
    };
    refuse(&worker.shared, from, reason, detail);
}

/// The peer's place among the sessions. Without a peer there is none, and `serve` ends at once.
fn share<S>(worker: &Worker, session: &Session<S>) -> Result<Option<shares::Share>, SpiffeId> {
    let Some(peer) = &session.peer else { return Ok(None) };
    match worker.shares.take(peer.identity()) {
        Some(share) => Ok(Some(share)),
        None => Err(peer.identity().clone()),
    }
}

/// The connection is closed; the peer learns no more than the alert of its handshake.
fn refuse(shared: &Shared, from: SocketAddr, reason: &str, detail: String) {
    let refused = SessionRefused {
        direction: Direction::Inbound,
        client_address: from.to_string(),
        denial_id: DenialId::random().to_string(),
        reason: reason.to_owned(),
        detail: shortened(detail, MAX_DETAIL_BYTES),
    };
    shared.log.write(Event::SessionRefused(refused));
}
