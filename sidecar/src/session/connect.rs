//! Opens one session: TCP, mutual TLS with the expected identity inside the verifier, HTTP/2; and drives it until
//! it ends.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use kith_mtls::{Accept, Client};
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::pool::{OpenSession, Parts, SessionError, SessionTarget};
use super::{Carrier, Lifetime, SessionState};
use crate::enforce::{Entered, Subject};
use crate::identity_log::Direction;
use crate::refusal::Refusal;

const CONNECT_LIMIT: Duration = Duration::from_secs(2);
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(5);
/// Little unsent data waits in the kernel: a small call is not queued behind a bulk body there.
const UNSENT_BYTES: u32 = 64 * 1024;

/// Opens a session to `target`, or says why not. Nothing of the application is sent before the peer has proven the
/// expected identity.
pub(super) async fn open<C: Carrier>(
    client: &Client,
    parts: &Parts,
    target: &SessionTarget,
) -> Result<OpenSession<C>, SessionError> {
    // Before the peer is bothered with a connection that comes to nothing.
    client.check_own_svid()?;
    let stream = reach(target).await?;
    let accept = Accept::OneOf(BTreeSet::from([target.identity.clone()]));
    let session = client.connect(stream, accept, HANDSHAKE_LIMIT).await?;
    let ends_at = session.ends_at().ok_or(SessionError::Unproven)?;
    if session.facts.alpn.as_deref().map(str::as_bytes) != Some(C::ALPN) {
        return Err(SessionError::Protocol { agreed: session.facts.alpn.clone() });
    }
    let peer = session.peer.clone().ok_or(SessionError::Unproven)?;
    let subject = Subject::Session(Arc::new(peer));
    let entered = parts.registry.enter(subject.clone());
    parts.law.check(&subject).map_err(SessionError::Refused)?;
    let own = session.own.clone().ok_or(SessionError::Unproven)?;
    let state = SessionState::open(Direction::Outbound, &session, &parts.numbers, &parts.log)
        .ok_or(SessionError::Unproven)?;
    let lifetime = Lifetime::new(parts.law.clock.now(), ends_at);
    let (sender, connection) = match C::start(session.stream).await {
        Ok(started) => started,
        Err(error) => {
            state.ended("failed", &parts.log);
            return Err(error);
        }
    };
    parts.tasks.spawn(drive(connection, entered, state.clone(), lifetime, parts.clone()));
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
    connection: impl Future<Output = bool>,
    entered: Entered,
    state: SessionState,
    lifetime: Lifetime,
    parts: Parts,
) {
    let reason = tokio::select! {
        ended_well = connection => if ended_well { "closed" } else { "failed" },
        () = parts.law.clock.until(lifetime.ends_at) => state.cut(Refusal::svid_expired()),
        because = entered.cut.reason() => state.cut(because),
        () = parts.drained.cancelled() => "drained",
    };
    state.ended(reason, &parts.log);
}
