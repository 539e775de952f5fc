//! Loopback addresses that stay ours. A port that is chosen and let go can be taken by anybody, also by an outgoing
//! connection, before the child that it is meant for binds it, or while that child restarts. So the supervisor
//! keeps a socket on each: bound, never listening, with `SO_REUSEADDR`, beside which Linux lets a child that sets
//! the same option (all usual servers do) bind and listen.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener};

use tokio::net::TcpSocket;

/// An address held for a child. Dropping it lets it go.
#[derive(Debug)]
pub(crate) struct Reserved {
    address: SocketAddr,
    // Both held, never used.
    _socket: TcpSocket,
    _claim: Option<UnixListener>,
}

impl Reserved {
    /// A free port of the system's choice.
    pub(crate) fn any() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        // Bound without SO_REUSEADDR first: so no other reservation can be here.
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        socket.set_reuseaddr(true)?;
        Ok(Self { address: socket.local_addr()?, _socket: socket, _claim: None })
    }

    /// This port when nobody listens on it and no other mesh has it reserved, else any. Connections that linger from
    /// an earlier run do not count.
    pub(crate) fn prefer(port: u16) -> io::Result<Self> {
        if port == 0 {
            return Self::any();
        }
        let Some(claim) = claim(port)? else { return Self::any() };
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        let address = (Ipv4Addr::LOCALHOST, port).into();
        match socket.bind(address) {
            Ok(()) => Ok(Self { address, _socket: socket, _claim: Some(claim) }),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Self::any(),
            Err(error) => Err(error),
        }
    }

    /// The address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Claims a port among the supervisors of this machine; `None` when another one has. Binding with `SO_REUSEADDR`, which
/// lingering connections make necessary, does not tell: two reservations could share a port. Whoever squats this name
/// only makes us choose another port.
fn claim(port: u16) -> io::Result<Option<UnixListener>> {
    let name = UnixAddr::from_abstract_name(format!("kith/port/{port}"))?;
    match UnixListener::bind_addr(&name) {
        Ok(claim) => Ok(Some(claim)),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_can_listen_on_a_reserved_address_again_and_again() {
        let reserved = Reserved::any().unwrap();
        for _ in 0..3 {
            let listener = std::net::TcpListener::bind(reserved.address()).unwrap();
            std::net::TcpStream::connect(reserved.address()).unwrap();
            drop(listener);
        }
    }

    #[test]
    fn nobody_else_is_given_a_reserved_port() {
        let reserved = Reserved::any().unwrap();
        let other = TcpSocket::new_v4().unwrap();
        assert_eq!(other.bind(reserved.address()).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn two_meshes_that_prefer_the_same_port_do_not_share_it() {
        let port = Reserved::any().unwrap().address().port();
        let first = Reserved::prefer(port).unwrap();
        assert_eq!(first.address().port(), port);
        assert_ne!(Reserved::prefer(port).unwrap().address().port(), port);
        drop(first);
        assert_eq!(Reserved::prefer(port).unwrap().address().port(), port);
    }

    #[test]
    fn a_preferred_port_that_somebody_listens_on_is_left_alone() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let reserved = Reserved::prefer(port).unwrap();
        assert_ne!(reserved.address().port(), port);
        drop(listener);
        assert_eq!(Reserved::prefer(port).unwrap().address().port(), port);
    }
}
