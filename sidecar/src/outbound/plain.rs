//! One connection that leaves the mesh: carried in the clear as it is, not looked into, as far as `egress` lets it.
//!
//! Owns that it is judged again while it is open: what `egress` forbids now, or a quarantine, ends it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;

use super::outgoing::Outgoing;
use super::resolve::Plain;
use crate::capture::check_carried;
use crate::enforced::Enforced;
use crate::identity_log::OpenCall;
use crate::refusal::Refusal;
use crate::session::reach;
use crate::tunnel::{self, Near};
use crate::worker::Worker;

/// Destinations outside the mesh may be far away, and behind networks that lose a packet.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Carries the connection to its end. Every path ends in exactly one line of the log.
pub(super) async fn connection(
    worker: &Worker,
    enforced: &Enforced,
    outgoing: &Outgoing,
    plain: Plain,
    stream: TcpStream,
) {
    let shared = &worker.shared;
    // From here on the connection ends in a reset unless both sides end it well.
    let near = match Near::new(stream, Vec::new()) {
        Ok(near) => near,
        Err(error) => {
            return tracing::debug!(%error, from = %outgoing.from, "Connection of the application failed");
        }
    };
    let mut open = outgoing.begin_line(shared, enforced, outgoing.head(shared, None));
    let entered = worker.registry.enter(plain.subject.clone());
    let cut = entered.cut.clone();
    open.entered(entered);
    if let Err(refusal) = worker.law.check(&plain.subject) {
        open.refuse(&refusal);
        return;
    }
    if let Some(refusal) = &plain.would_deny {
        open.would_deny(refusal);
    }
    let connected = tokio::select! {
        biased;
        _ = cut.over() => None,
        () = shared.stop.forced() => None,
        connected = connect(worker, &plain.addresses, &mut open) => Some(connected),
    };
    match connected {
        Some(Ok(far)) => {
            let over = async {
                tokio::select! {
                    () = cut.over() => {}
                    () = shared.stop.forced() => {}
                }
            };
            open.tunnelled(tunnel::carry_plain(near, far, over, |_| true).await);
        }
        Some(Err(Failed::Barred(refusal))) => drop(open.refuse(&refusal)),
        Some(Err(Failed::Unreachable(error))) => {
            tracing::debug!(%error, to = %outgoing.name, "Destination in the clear not reached");
            open.finish(Some("destination_unreachable"));
        }
        None => open.finish(Some("cut")),
    }
}

enum Failed {
    /// Calls are never carried there, whoever declared the endpoint.
    Barred(Refusal),
    Unreachable(io::Error),
}

/// To one of the addresses; when that does not answer, once to another.
async fn connect(worker: &Worker, addresses: &[SocketAddr], open: &mut OpenCall) -> Result<Near, Failed> {
    let mut left = addresses.to_vec();
    let mut failed = Failed::Unreachable(io::ErrorKind::NotFound.into());
    for _ in 0..2 {
        let picked = worker.balance.pick(&left, |address| address, |_| 0);
        let Some(address) = picked else { break };
        left.retain(|other| *other != address);
        open.server_address(address);
        match connect_to(worker, address).await {
            Ok(near) => return Ok(near),
            Err(Failed::Barred(refusal)) => return Err(Failed::Barred(refusal)),
            Err(unreachable) => {
                worker.balance.failed(address);
                failed = unreachable;
            }
        }
    }
    Err(failed)
}

async fn connect_to(worker: &Worker, address: SocketAddr) -> Result<Near, Failed> {
    let own = worker.shared.capture.own();
    if let Some(own) = own {
        check_carried(own, address).map_err(Failed::Barred)?;
    }
    let stream = reach(address, own, CONNECT_LIMIT).await.map_err(Failed::Unreachable)?;
    Near::new(stream, Vec::new()).map_err(Failed::Unreachable)
}
