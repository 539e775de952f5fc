//! What a connection that was just accepted is for. Owns the two ways of knowing it, and what no call may be for; who
//! may call what is decided elsewhere.
//!
//! ```text
//! local mode   the port that was connected to ──────────────┐
//! pod          the kernel's word on where it was for, before ├──► Accepted { peer, destination } ──► inbound, outbound
//!              the pod's rules redirected it ───────────────┘
//! ```

mod address;
mod explicit;
mod original_dst;
mod resolvers;

use std::net::SocketAddr;

use http::StatusCode;
use tokio::net::TcpStream;

pub(crate) use address::{OwnAddresses, canonical, check_called, check_carried};
pub(crate) use resolvers::resolvers;

use crate::identity_log::{Direction, Event, Log, MAX_DETAIL_BYTES, SessionRefused, shortened};
use crate::refusal::{DenialId, Refusal};

/// The two ends of an accepted connection. IPv4 addresses are written as such, also where the listener is IPv6's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// Who connected.
    pub(crate) peer: SocketAddr,
    /// What it connected to, before anything redirected it.
    pub(crate) destination: SocketAddr,
}

/// How a sidecar knows what a connection is for.
#[derive(Debug, Clone)]
pub(crate) enum Capture {
    /// By the port that was connected to: local mode.
    Explicit,
    /// By where it was for before it was redirected: in a pod, which has these addresses, and these resolvers.
    Redirected(OwnAddresses),
    /// As a test says, in place of the kernel.
    #[cfg(test)]
    Told { destination: SocketAddr, own: OwnAddresses },
}

/// Where the application is, for a connection to the workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Applications {
    /// At one address: local mode.
    Fixed(SocketAddr),
    /// Where the connection was for: in a pod.
    OriginalDestination,
}

impl Applications {
    /// The application's address for a connection to `destination`.
    pub(crate) fn of(self, destination: SocketAddr) -> SocketAddr {
        match self {
            Self::Fixed(address) => address,
            Self::OriginalDestination => destination,
        }
    }
}

impl Capture {
    /// What a connection to the workload is for, or why it is taken no further.
    pub(crate) fn inbound(&self, stream: &TcpStream, peer: SocketAddr) -> Result<Accepted, Refusal> {
        let accepted = self.accepted(stream, peer)?;
        match self.own() {
            // Else whoever reaches this pod's interface could have any address called from here.
            Some(own) if !own.contains(accepted.destination.ip()) => Err(Refusal::new(
                StatusCode::FORBIDDEN,
                "not_own_address",
                format!(
                    "the connection is for {}, which is none of this pod's addresses",
                    accepted.destination
                ),
            )),
            _ => Ok(accepted),
        }
    }

    /// What a connection of the application is for, or why it is taken no further.
    pub(crate) fn outbound(&self, stream: &TcpStream, peer: SocketAddr) -> Result<Accepted, Refusal> {
        self.accepted(stream, peer)
    }

    /// The pod's addresses; none in local mode.
    pub(crate) fn own(&self) -> Option<&OwnAddresses> {
        match self {
            Self::Explicit => None,
            Self::Redirected(own) => Some(own),
            #[cfg(test)]
            Self::Told { own, .. } => Some(own),
        }
    }

    fn accepted(&self, stream: &TcpStream, peer: SocketAddr) -> Result<Accepted, Refusal> {
        let destination = match self {
            Self::Explicit => explicit::destination(stream)?,
            Self::Redirected(own) => {
                let destination = original_dst::redirected(stream)?;
                own.check_not_listener(destination)?;
                destination
            }
            #[cfg(test)]
            Self::Told { destination, own } => {
                own.check_not_listener(*destination)?;
                *destination
            }
        };
        Ok(Accepted { peer: canonical(peer), destination })
    }
}

/// Writes the one line of a connection that is taken no further; it is closed without a word.
pub(crate) fn refuse(log: &Log, direction: Direction, peer: SocketAddr, refusal: Refusal) {
    log.write(Event::SessionRefused(SessionRefused {
        direction,
        client_address: canonical(peer).to_string(),
        denial_id: DenialId::random().to_string(),
        reason: refusal.reason.to_owned(),
        detail: shortened(refusal.detail, MAX_DETAIL_BYTES),
    }));
}

#[cfg(test)]
mod tests;
