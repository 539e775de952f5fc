//! Opens one session: TCP, mutual TLS with the expected identity inside the verifier, HTTP/2; and drives it until
//! it ends.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use kith_mtls::Accept;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::pool::{OpenSession, Parts, SessionError, SessionTarget};
use super::{ALPN_KITH, Lifetime, MAX_HEADER_BYTES, SESSION_WINDOW, STREAM_WINDOW, SessionState};
use crate::body::Body;
use crate::identity_log::Direction;
use crate::spawner::{SessionTasks, Spawner};

const CONNECT_LIMIT: Duration = Duration::from_secs(2);
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(5);
/// Little unsent data waits in the kernel: a small call is not queued behind a bulk body there.
const UNSENT_BYTES: u32 = 64 * 1024;

/// Opens a session to `target`, or says why not. Nothing of the application is sent before the peer has proven the
/// expected identity.
pub(super) async fn open(parts: &Parts, target: &SessionTarget) -> Result<OpenSession, SessionError> {
    // Before the peer is bothered with a connection that comes to nothing.
    parts.client.check_own_svid()?;
    let stream = reach(target).await?;
    let accept = Accept::OneOf(BTreeSet::from([target.identity.clone()]));
    let session = parts.client.connect(stream, accept, HANDSHAKE_LIMIT).await?;
    let ends_at = session.ends_at().ok_or(SessionError::Unproven)?;
    if session.facts.alpn.as_deref().map(str::as_bytes) != Some(ALPN_KITH) {
        return Err(SessionError::Protocol { agreed: session.facts.alpn.clone() });
    }
    let state = SessionState::open(Direction::Outbound, &session, &parts.numbers, &parts.log)
        .ok_or(SessionError::Unproven)?;
    let own = session.own.clone().ok_or(SessionError::Unproven)?;
    let lifetime = Lifetime::new(parts.clock.now(), ends_at);
    let (spawner, tasks) = Spawner::for_session();
    let (sender, connection) = http2::Builder::new(spawner)
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(SESSION_WINDOW)
        .max_header_list_size(MAX_HEADER_BYTES)
        .handshake::<_, Body>(TokioIo::new(session.stream))
        .await
        .map_err(SessionError::Http2)?;
    parts.tasks.spawn(drive(connection, tasks, state.clone(), lifetime, parts.clone()));
    Ok(OpenSession { sender, state, lifetime, own })
}

async fn reach(target: &SessionTarget) -> Result<TcpStream, SessionError> {
    let unreachable = |error| SessionError::Unreachable { address: target.address, error };
    let stream = timeout(CONNECT_LIMIT, TcpStream::connect(target.address))
        .await
        .map_err(|_| unreachable(std::io::ErrorKind::TimedOut.into()))?
        .map_err(unreachable)?;
    stream.set_nodelay(true).map_err(unreachable)?;
    SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_BYTES).map_err(unreachable)?;
    Ok(stream)
}

async fn drive(
    connection: impl Future<Output = hyper::Result<()>>,
    tasks: SessionTasks,
    state: SessionState,
    lifetime: Lifetime,
    parts: Parts,
) {
    let over = async {
        let result = connection.await;
        tasks.ended().await;
        if result.is_ok() { "closed" } else { "failed" }
    };
    let otherwise = tokio::select! {
        reason = over => reason,
        () = parts.clock.until(lifetime.ends_at) => { state.cut("svid_expired"); "svid_expired" }
        () = parts.drained.cancelled() => "drained",
    };
    state.ended(otherwise, &parts.log);
}
