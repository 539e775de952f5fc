//! Opens one session: TCP, mutual TLS with the expected identity inside the verifier, HTTP/2; and drives it until
//! it ends.

use std::collections::BTreeSet;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use kith_mtls::{Accept, Client};
use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::pool::{OpenSession, Parts, SessionError, SessionTarget};
use super::{Carrier, Lifetime, SessionState};
use crate::capture::OwnAddresses;
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
    let stream = reach_target(target, parts.own_addresses.as_ref()).await?;
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

async fn reach_target(target: &SessionTarget, own: Option<&OwnAddresses>) -> Result<TcpStream, SessionError> {
    let unreachable = |error| SessionError::Unreachable { address: target.address, error };
    let stream = reach(target.address, own, CONNECT_LIMIT).await.map_err(unreachable)?;
    SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_BYTES).map_err(unreachable)?;
    Ok(stream)
}

/// Connects. What goes to the pod itself leaves from loopback: by that its rules know it, and bring it to the inbound side
/// as they would from anywhere else. Otherwise it would pass the policies by (K16).
pub(crate) async fn reach(
    address: SocketAddr,
    own: Option<&OwnAddresses>,
    limit: Duration,
) -> io::Result<TcpStream> {
    let connecting = async {
        let stream = match loopback_for(address, own) {
            None => TcpStream::connect(address).await?,
            Some(loopback) => {
                let socket = if loopback.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
                socket.bind(SocketAddr::new(loopback, 0))?;
                socket.connect(address).await?
            }
        };
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    timeout(limit, connecting).await.map_err(|_| io::ErrorKind::TimedOut)?
}

/// Where a connection to one of the pod's own addresses leaves from.
fn loopback_for(address: SocketAddr, own: Option<&OwnAddresses>) -> Option<IpAddr> {
    let to_itself = own.is_some_and(|own| own.contains(address.ip()));
    to_itself.then_some(match address {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_goes_to_the_pod_itself_leaves_from_loopback() {
        // K16
        let own = OwnAddresses::new(["10.1.2.3", "fd00::3"].map(|ip| ip.parse::<IpAddr>().unwrap()));
        let from = |address: &str| {
            loopback_for(address.parse().unwrap(), Some(&own)).map(|loopback| loopback.to_string())
        };
        assert_eq!(from("10.1.2.3:8080").as_deref(), Some("127.0.0.1"));
        assert_eq!(from("[fd00::3]:8080").as_deref(), Some("::1"));
        assert_eq!(from("10.1.2.4:8080"), None);
        assert_eq!(from("[fd00::4]:8080"), None);
        assert_eq!(loopback_for("10.1.2.3:8080".parse().unwrap(), None), None);
    }
}
