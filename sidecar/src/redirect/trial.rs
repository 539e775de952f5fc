//! The proof that outbound is redirected: a connection to an address that exists nowhere, which must end at a listener
//! of our own in the sidecar's place, and bring a nonce back. Runs as another user than the sidecar, whose connections
//! are not redirected.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use kith_proto::pod::{OUTBOUND_PORT, PortRange};
use rustix::rand::{GetRandomFlags, getrandom};
use socket2::{Domain, Protocol, Socket, Type};

/// How long each step may take; nothing leaves the pod, so it takes microseconds.
const SOON: Duration = Duration::from_secs(2);
/// How often something else may come up before the trial's own connection. No container runs yet, so nothing should.
const MOST_OTHERS: usize = 8;
/// What the trial calls unless it is left alone.
const USUAL_PORT: u16 = 80;

/// One of the two families of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4
    V4,
    /// IPv6
    V6,
}

/// How a trial failed.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// There is no place to listen.
    #[error(
        "cannot listen on {0} in the sidecar's place; another process of this network listens there, or the family \
         is switched off on loopback"
    )]
    Listen(SocketAddr, #[source] io::Error),
    /// The connection was not made.
    #[error("a connection to {0} did not come back; the rules do not take effect, or there is no route")]
    Connect(SocketAddr, #[source] io::Error),
    /// It was made, but not with us.
    #[error("a connection to {0} went elsewhere; other rules of this pod redirect it first")]
    Elsewhere(SocketAddr, #[source] io::Error),
    /// The sidecar would not know whom it was meant for.
    #[error(
        "a connection to {called} came back as one to {told}; the kernel does not tell whom it was meant for"
    )]
    OriginalDestination {
        /// What was called.
        called: SocketAddr,
        /// What the kernel says was called.
        told: String,
    },
    /// What came back is not what was sent.
    #[error("what came back from {0} is not what was sent")]
    Nonce(SocketAddr, #[source] io::Error),
}

/// A trial that can begin: its listener has its place.
pub(super) struct Trial {
    family: Family,
    called: SocketAddr,
    listener: Socket,
}

impl Family {
    pub(super) fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    fn loopback(self) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::LOCALHOST.into(),
            Self::V6 => Ipv6Addr::LOCALHOST.into(),
        }
    }

    /// Set aside for documentation (RFC 5737, RFC 3849): were the rules missing, nobody would be called.
    fn nobody(self) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::new(192, 0, 2, 1).into(),
            Self::V6 => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

impl From<Family> for String {
    fn from(family: Family) -> Self {
        family.to_string()
    }
}

/// A port that no exception covers, if there is one.
pub(super) fn redirected_port(skip: &[PortRange]) -> Option<u16> {
    let is_skipped = |port| skip.iter().any(|range| range.has(port));
    std::iter::once(USUAL_PORT).chain(1..=u16::MAX).find(|&port| !is_skipped(port))
}

impl Trial {
    /// Takes the sidecar's place, before a rule is written.
    pub(super) fn prepare(family: Family, port: u16) -> Result<Self, TrialError> {
        let place = SocketAddr::new(family.loopback(), OUTBOUND_PORT);
        let listener = listen(place).map_err(|source| TrialError::Listen(place, source))?;
        Ok(Self { family, called: SocketAddr::new(family.nobody(), port), listener })
    }

    pub(super) fn family(&self) -> Family {
        self.family
    }

    /// Calls nobody, and must end here.
    pub(super) fn run(self) -> Result<(), TrialError> {
        let called = self.called;
        let caller =
            TcpStream::connect_timeout(&called, SOON).map_err(|it| TrialError::Connect(called, it))?;
        let accepted = self.accept_from(&caller).map_err(|it| TrialError::Elsewhere(called, it))?;
        let told = self.original_destination(&accepted);
        if !told.as_ref().is_ok_and(|told| *told == Some(called)) {
            return Err(TrialError::OriginalDestination { called, told: format!("{told:?}") });
        }
        bring_back(&accepted, &caller).map_err(|it| TrialError::Nonce(called, it))
    }

    fn accept_from(&self, caller: &TcpStream) -> io::Result<Socket> {
        // Not its port as well: the kernel may give another one to a connection that it redirects. The nonce decides.
        let wanted = caller.local_addr()?.ip();
        for _ in 0..MOST_OTHERS {
            match self.listener.accept() {
                Ok((accepted, from)) if from.as_socket().is_some_and(|it| it.ip() == wanted) => {
                    return Ok(accepted);
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("only others called"))
    }

    fn original_destination(&self, accepted: &Socket) -> io::Result<Option<SocketAddr>> {
        let told = match self.family {
            Family::V4 => accepted.original_dst_v4(),
            Family::V6 => accepted.original_dst_v6(),
        };
        told.map(|it| it.as_socket())
    }
}

fn listen(place: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(place), Type::STREAM, Some(Protocol::TCP))?;
    // A step that runs again must not wait for connections of the one before it to be forgotten.
    socket.set_reuse_address(true)?;
    socket.bind(&place.into())?;
    socket.listen(8)?;
    // Holds for accepting as well.
    socket.set_read_timeout(Some(SOON))?;
    Ok(socket)
}

/// A nonce, so that the answer cannot be anybody else's.
fn bring_back(mut from: &Socket, mut to: &TcpStream) -> io::Result<()> {
    let mut nonce = [0_u8; 16];
    let filled = getrandom(&mut nonce, GetRandomFlags::empty())?;
    if filled != nonce.len() {
        return Err(io::Error::other("the system gives no random bytes"));
    }
    from.write_all(&nonce)?;
    to.set_read_timeout(Some(SOON))?;
    let mut answer = [0_u8; 16];
    to.read_exact(&mut answer)?;
    if answer == nonce { Ok(()) } else { Err(io::Error::other("other bytes")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trial_calls_a_port_that_is_redirected_if_there_is_one() {
        let skip =
            |texts: &[&str]| texts.iter().map(|text| PortRange::parse(text).unwrap()).collect::<Vec<_>>();
        assert_eq!(redirected_port(&[]), Some(80));
        assert_eq!(redirected_port(&skip(&["80"])), Some(1));
        assert_eq!(redirected_port(&skip(&["1-443"])), Some(444));
        assert_eq!(redirected_port(&skip(&["1-65534"])), Some(65535));
        assert_eq!(redirected_port(&skip(&["1-65535"])), None);
    }

    #[test]
    fn a_nonce_comes_back_over_one_connection() {
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let place = listener.local_addr().unwrap().as_socket().unwrap();
        let caller = TcpStream::connect(place).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        bring_back(&accepted, &caller).unwrap();
    }
}
