//! One session of a peer, from its proof to its end.
//!
//! Owns the deadline: a session ends at the earlier of its two svids' expiries, and the calls that are open then
//! are cut and say so.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kith_identity::SpiffeId;
use kith_mtls::Session;
use tokio::io::{AsyncRead, AsyncWrite};

use super::application::Link;
use super::http;
use crate::http_server;
use crate::identity_log::Direction;
use crate::session::{ALPN_H2, ALPN_KITH, Lifetime, SessionState};
use crate::spawner::Spawner;
use crate::worker::Worker;

/// The verified other end, for each of its calls.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) identity: SpiffeId,
    pub(super) address: SocketAddr,
    pub(super) state: SessionState,
    /// It is a sidecar of Kith, which may say what version its application spoke.
    pub(super) is_sidecar: bool,
    /// To the application, for calls in HTTP/2.
    pub(super) link: Arc<Link>,
}

/// Serves the session until it ends.
pub(super) async fn serve<S>(worker: Arc<Worker>, session: Session<S>, from: SocketAddr)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let shared = &worker.shared;
    // The handshake demanded both, so this is unreachable; without them there is nothing to enforce by.
    let (Some(verified), Some(ends_at)) = (session.peer.as_ref(), session.ends_at()) else {
        return;
    };
    let identity = verified.identity().clone();
    let Some(state) = SessionState::open(Direction::Inbound, &session, &shared.numbers, &shared.log) else {
        return;
    };
    let alpn = session.facts.alpn.clone().unwrap_or_default().into_bytes();
    let peer = Peer {
        identity,
        address: from,
        state: state.clone(),
        is_sidecar: alpn == ALPN_KITH,
        link: Arc::default(),
    };
    let lifetime = Lifetime::new(shared.clock.now(), ends_at);
    let (spawner, _tasks) = Spawner::for_session();
    let service = service_fn({
        let worker = Arc::clone(&worker);
        move |request| {
            let (worker, peer) = (Arc::clone(&worker), peer.clone());
            async move { Ok::<_, Infallible>(http::call(&worker, &peer, request).await) }
        }
    });
    let io = TokioIo::new(session.stream);
    let reason = if alpn == ALPN_KITH || alpn == ALPN_H2 {
        let connection = http_server::http2_builder(spawner).serve_connection(io, service);
        run(connection, |connection| connection.graceful_shutdown(), &state, lifetime, &worker).await
    } else {
        let connection = http_server::http1_builder().serve_connection(io, service);
        run(connection, |connection| connection.graceful_shutdown(), &state, lifetime, &worker).await
    };
    state.ended(reason, &shared.log);
}

/// Drives the connection past its three dates: asked to leave, drained, cut.
async fn run<C>(
    connection: C,
    leave: impl Fn(Pin<&mut C>),
    state: &SessionState,
    lifetime: Lifetime,
    worker: &Worker,
) -> &'static str
where
    C: Future<Output = hyper::Result<()>>,
{
    let (clock, stop) = (&worker.shared.clock, &worker.shared.stop);
    let mut connection = std::pin::pin!(connection);
    let ended = |result: hyper::Result<()>| if result.is_ok() { "closed" } else { "failed" };
    tokio::select! {
        result = connection.as_mut() => return ended(result),
        () = clock.until(lifetime.leave_at) => leave(connection.as_mut()),
        () = stop.graceful() => leave(connection.as_mut()),
    }
    tokio::select! {
        result = connection.as_mut() => ended(result),
        () = clock.until(lifetime.ends_at) => { state.cut("svid_expired"); "svid_expired" }
        () = stop.forced() => { state.cut("drained"); "drained" }
    }
}
