//! The sockets of the process: bound once, before anything is started, and shared by the workers.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener};
use std::thread::JoinHandle;

use anyhow::Context;
use kith_proto::v1;
use kith_runtime::{Guard, Readiness, Stopper};
use socket2::{Domain, Socket, Type};
use tokio::sync::watch;

use crate::config::Settings;
use crate::worker::{self, Shared, Sockets};

/// Connections of one port that may wait to be accepted.
const BACKLOG: i32 = 1_024;

/// The sockets of the process.
pub(crate) struct Bound {
    inbound: TcpListener,
    outbounds: Vec<(Option<String>, TcpListener)>,
    health: TcpListener,
}

impl Bound {
    pub(crate) fn bind(settings: &Settings) -> anyhow::Result<Self> {
        let outbounds = settings.outbounds.iter().map(|outbound| {
            let listener = listen(outbound.listen).with_context(|| {
                let of = outbound.destination.as_deref().unwrap_or("everything");
                format!("outbound port for {of} at {}", outbound.listen)
            })?;
            Ok((outbound.destination.clone(), listener))
        });
        let outbounds = outbounds.collect::<anyhow::Result<_>>()?;
        let inbound =
            listen(settings.inbound).with_context(|| format!("inbound port at {}", settings.inbound))?;
        let health = listen(settings.health).with_context(|| format!("health at {}", settings.health))?;
        Ok(Self { inbound, outbounds, health })
    }

    /// Where it listens, for whoever started the process.
    pub(crate) fn ready(&self) -> anyhow::Result<v1::SidecarReady> {
        let outbounds = self.outbounds.iter().map(|(destination, listener)| {
            let destination = destination.clone().unwrap_or_default();
            Ok(v1::Outbound { destination, listen: listener.local_addr()?.to_string() })
        });
        let outbounds = outbounds.collect::<io::Result<_>>()?;
        let (inbound, health) = (self.inbound.local_addr()?, self.health.local_addr()?);
        Ok(v1::SidecarReady { inbound: inbound.to_string(), outbounds, health: health.to_string() })
    }

    pub(crate) fn health(&self) -> io::Result<tokio::net::TcpListener> {
        tokio::net::TcpListener::from_std(self.health.try_clone()?)
    }

    /// Starts the workers. They accept from duplicates of one socket rather than from sockets that share a port
    /// (`SO_REUSEPORT`): nobody else of this user can then join in and take connections.
    pub(crate) fn start(
        &self,
        settings: &Settings,
        shared: &Shared,
        judged: &mut Vec<watch::Receiver<u64>>,
        listening: &Readiness,
        stopper: &Stopper,
    ) -> anyhow::Result<Vec<JoinHandle<anyhow::Result<()>>>> {
        let start = |number: usize| {
            let name = format!("worker-{number}");
            let (shared, sockets) = (shared.clone(), self.duplicate(listening.block(&*name))?);
            let (done, seen) = watch::channel(0);
            let stopper = stopper.clone();
            judged.push(seen);
            let thread = std::thread::Builder::new().name(name);
            Ok(thread.spawn(move || worker::run(shared, sockets, done, &stopper))?)
        };
        (0..settings.workers.get()).map(start).collect()
    }

    fn duplicate(&self, deaf: Guard) -> io::Result<Sockets> {
        let outbounds = self.outbounds.iter().map(|(name, socket)| Ok((name.clone(), socket.try_clone()?)));
        let outbounds = outbounds.collect::<io::Result<_>>()?;
        Ok(Sockets { inbound: self.inbound.try_clone()?, outbounds, deaf })
    }
}

/// The port can be taken again right after a restart. The standard library's listeners have 128 places, and who finds
/// none waits a second.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        // Both families, whatever the machine's default is.
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpStream};

    use super::*;

    #[test]
    fn the_listener_of_every_address_takes_both_families() {
        // K11
        let listener = listen(SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))).unwrap();
        let port = listener.local_addr().unwrap().port();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap();
    }
}
