//! Calls to the workload: from a proven peer, judged, to the application.
//!
//! ```text
//! accept ─┬─► handshake (verify peer) ──► each request or stream: evaluate ──► application
//!         └─► in the clear, in a pod whose namespace is in Observe, and nowhere else ──► the same, as nobody
//! ```

mod application;
mod hello;
mod http;
mod judged;
mod opaque;
mod plain;
mod session;
mod shares;
mod stream;
mod websocket;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use application::Application;
use hello::Wants;
use kith_mtls::{Accept, ClientSvid, HandshakeError, Server, ServerStream, Session};
use plain::{First, Plain};
pub(crate) use shares::Shares;
use shares::{Holder, Share};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::capture::{self, Accepted, Applications};
use crate::detect::Replayed;
use crate::enforced::Protocol;
use crate::identity_log::Direction;
use crate::refusal::Refusal;
use crate::session::{ALPN_CALLS, ALPN_H2, ALPN_HTTP1, ALPN_STREAMS};
use crate::worker::{Shared, Worker};

const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// What this sidecar proves and demands: a client svid always. The order of the protocols puts our own first and,
/// for foreign clients that speak both, the one that every application speaks. Those may come back with a ticket until
/// anything that is enforced changes, a quarantine above all.
pub(crate) fn server(shared: &Shared) -> Server {
    let accept = Accept::TrustDomain(shared.identity.trust_domain().clone());
    let alpn = [ALPN_CALLS, ALPN_STREAMS, ALPN_HTTP1, ALPN_H2];
    let enforced = shared.enforced.clone();
    Server::new(shared.credentials.clone(), accept, ClientSvid::Required, &alpn)
        .resuming_foreign(move || enforced.borrow().generation())
}

/// The two ends of a connection.
#[derive(Debug, Clone, Copy)]
struct Ends {
    from: SocketAddr,
    /// Where the connection was for; streams for another address are refused by it.
    destination: SocketAddr,
    /// Where the application is that it is for.
    application: SocketAddr,
}

/// What a connection turned out to be.
enum Begun {
    Session(Box<Session<ServerStream<Replayed<TcpStream>>>>),
    Plain(Plain),
    /// It ended before it was anything.
    Gone,
}

/// One connection to the inbound port.
pub(crate) async fn connection(worker: Arc<Worker>, stream: TcpStream, accepted: Accepted) {
    let Accepted { peer: from, destination } = accepted;
    let application = worker.shared.applications.of(destination);
    let ends = Ends { from, destination, application };
    // A listener of both families tells IPv4 addresses as IPv6.
    let address = from.ip().to_canonical();
    let begun = tokio::select! {
        begun = worker.unproven.run_from(address, begin(&worker, stream, ends)) => begun,
        // Nobody who is not through yet is let in any more.
        () = worker.shared.stop.graceful() => return,
    };
    let served = match begun {
        None => Err(Refusal::unavailable(
            "too_many_handshakes",
            "newer connections took the place of this unfinished one",
        )),
        Some(Err(refusal)) => Err(refusal),
        Some(Ok(Begun::Gone)) => return,
        Some(Ok(Begun::Plain(plain))) => plain::serve(&worker, plain, ends).await,
        Some(Ok(Begun::Session(session))) => match share(&worker, &session) {
            Ok(_share) => session::serve(&worker, *session, ends).await,
            Err(refusal) => Err(refusal),
        },
    };
    if let Err(refusal) = served {
        // The connection is closed; the peer learns no more than the alert of its handshake.
        capture::refuse(&worker.shared.log, Direction::Inbound, from, refusal);
    }
}

/// Until it is known who is there, or that nobody says so.
async fn begin(worker: &Worker, stream: TcpStream, ends: Ends) -> Result<Begun, Refusal> {
    let stream = match in_the_clear(worker, stream, ends).await? {
        Told::Tls(stream) => stream,
        Told::Plain(plain) => return Ok(Begun::Plain(plain)),
        Told::Gone => return Ok(Begun::Gone),
    };
    match worker.server.accept(stream, HANDSHAKE_LIMIT).await {
        Ok(session) => Ok(Begun::Session(Box::new(session))),
        Err(error) => Err(not_accepted(&worker.shared, &error)),
    }
}

/// What is told of a connection before anybody answers it.
enum Told {
    /// TLS that is for us.
    Tls(Replayed<TcpStream>),
    Plain(Plain),
    Gone,
}

/// Tells a connection in the clear from one that is for us, where any may come in; elsewhere all are for us.
async fn in_the_clear(worker: &Worker, stream: TcpStream, ends: Ends) -> Result<Told, Refusal> {
    if !takes_plaintext(&worker.shared) {
        return Ok(Told::Tls(Replayed::untouched(stream)));
    }
    let failed = |error: io::Error| Refusal::unavailable("connection_lost", error.to_string());
    let first = plain::first(&stream).await.map_err(failed)?;
    let declared = worker.shared.enforced.borrow().protocol_of(ends.application.port());
    match first {
        First::Gone => Ok(Told::Gone),
        First::Tls if declared == Protocol::Tls => {
            let read = timeout(HANDSHAKE_LIMIT, hello::read(stream)).await;
            let late = |_| not_accepted(&worker.shared, &HandshakeError::Timeout { limit: HANDSHAKE_LIMIT });
            Ok(match read.map_err(late)?.map_err(failed)? {
                Some((Wants::Sidecar, stream)) => Told::Tls(stream),
                Some((Wants::Application, stream)) => Told::Plain(Plain::tls(stream)),
                None => Told::Gone,
            })
        }
        First::Tls => Ok(Told::Tls(Replayed::untouched(stream))),
        First::Clear | First::Silent => {
            let told = plain::told(stream, first, declared).await.map_err(failed)?;
            Ok(told.map_or(Told::Gone, Told::Plain))
        }
    }
}

/// In local mode it never is, whatever a snapshot says.
fn takes_plaintext(shared: &Shared) -> bool {
    let now = shared.clock.now();
    shared.applications == Applications::OriginalDestination
        && shared.enforced.borrow().check_plaintext(now).is_ok()
}

/// In a pod, who does not speak TLS is told by what mends it.
fn not_accepted(shared: &Shared, error: &HandshakeError) -> Refusal {
    let in_the_clear = matches!(error, HandshakeError::NotTls);
    let taken = match shared.applications {
        Applications::OriginalDestination if in_the_clear => {
            shared.enforced.borrow().check_plaintext(shared.clock.now())
        }
        Applications::OriginalDestination | Applications::Fixed(_) => Ok(()),
    };
    let otherwise = || Refusal::unavailable(error.reason(), error.to_string());
    taken.err().unwrap_or_else(otherwise)
}

/// The peer's place among the sessions. Without a peer there is none, and `serve` ends at once.
fn share<S>(worker: &Worker, session: &Session<S>) -> Result<Option<Share>, Refusal> {
    let Some(peer) = &session.peer else { return Ok(None) };
    let holder = Holder::Identity(peer.identity().clone());
    worker.shares.take_or_refuse(&holder, "too_many_sessions", "sessions").map(Some)
}

#[cfg(test)]
mod tests;
