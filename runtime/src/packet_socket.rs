//! Packets between a supervisor and its child, each carrying the sender's process id as the kernel saw it.
//!
//! Owns an `AF_UNIX` `SOCK_SEQPACKET` socket: whole packets, in order, with an end. It does not know what a packet
//! means, and it does not decide whether its sender may speak: it says which process sent it, and the supervisor
//! compares. Nothing but bytes and credentials passes: a packet that carries file descriptors is refused.
//!
//! ```text
//! supervisor: PacketSocket::pair() ─► (own end, child's end) ─► Command::stdin(child's end)
//! child:      PacketSocket::from_stdin()                        descriptor 0 is /dev/null from then on
//! ```

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram as StdUnixDatagram;

use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockType, SockaddrLike, SockaddrStorage,
    UnixCredentials, getsockname, getsockopt, recvmsg, sendmsg, setsockopt, socketpair, sockopt,
};
use tokio::io::Interest;
use tokio::net::UnixDatagram;

#[cfg(test)]
mod tests;

/// The longest packet: 256 KiB. A whole list of workloads fits; a runaway sender does not.
pub const MAX_PACKET: usize = 256 * 1024;

/// One end of a pair of packet sockets. Sending and receiving take `&self`; each packet goes to one receiver.
#[derive(Debug)]
pub struct PacketSocket {
    /// Only its registration with tokio is used, never its own send and receive: std and tokio have no type for
    /// SOCK_SEQPACKET, and `AsyncFd` is made by unsafe code.
    socket: UnixDatagram,
}

/// One packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// What was sent; never empty.
    pub bytes: Vec<u8>,
    /// The process that sent it, as the kernel says, in the receiver's process-id namespace. `None` when the kernel
    /// cannot name it there: treat it as a stranger.
    pub sender: Option<i32>,
}

/// What one `recvmsg` brought.
enum Received {
    Packet(Packet),
    End,
}

impl PacketSocket {
    /// Makes a connected pair: the supervisor's end, and the child's end, which is to become its standard input.
    ///
    /// Both are closed on exec, so no other child inherits either. Must be called inside a tokio runtime.
    pub fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, childs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        // The flags belong to the socket and survive exec: set here, no packet is ever sent without credentials,
        // not even one that arrives before the child has called `from_stdin`.
        configure(&childs)?;
        Ok((Self::new(ours)?, childs))
    }

    /// Takes this process's standard input, which its supervisor made with [`PacketSocket::pair`].
    ///
    /// The socket moves to a descriptor that is closed on exec, and `/dev/null` takes its place: no descendant
    /// can hold the channel. Hence it works once. Must be called inside a tokio runtime.
    pub fn from_stdin() -> io::Result<Self> {
        let stdin = io::stdin();
        require_packet_socket(stdin.as_fd()).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("standard input is not a packet socket ({error}): this command is started by `kith`, not by hand"),
            )
        })?;
        let socket = stdin.as_fd().try_clone_to_owned()?;
        nix::unistd::dup2_stdin(File::open("/dev/null")?)?;
        Self::new(socket)
    }

    fn new(socket: OwnedFd) -> io::Result<Self> {
        configure(&socket)?;
        let socket = StdUnixDatagram::from(socket);
        socket.set_nonblocking(true)?;
        Ok(Self { socket: UnixDatagram::from_std(socket)? })
    }

    /// Sends one packet of 1 to [`MAX_PACKET`] bytes, waiting while the receiver's queue is full.
    pub async fn send(&self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() || bytes.len() > MAX_PACKET {
            let length = bytes.len();
            return Err(invalid(format!("a packet has 1 to {MAX_PACKET} bytes, not {length}")));
        }
        self.socket.async_io(Interest::WRITABLE, || send_now(&self.socket, bytes)).await
    }

    /// Receives one packet; `None` when the other end is closed by everybody who held it.
    ///
    /// A truncated packet and one with file descriptors are errors; the stream stays usable after them.
    pub async fn receive(&self) -> io::Result<Option<Packet>> {
        match self.socket.async_io(Interest::READABLE, || receive_now(&self.socket)).await? {
            Received::Packet(packet) => Ok(Some(packet)),
            Received::End => Ok(None),
        }
    }
}

/// Turns credentials on, and makes room for the longest packet.
fn configure(socket: &OwnedFd) -> io::Result<()> {
    setsockopt(socket, sockopt::PassCred, &true)?;
    // The kernel doubles the value and refuses a packet that is longer than the result; its default is too small
    // on many systems.
    setsockopt(socket, sockopt::SndBuf, &MAX_PACKET)?;
    Ok(())
}

fn require_packet_socket(fd: impl AsFd) -> io::Result<()> {
    let kind = getsockopt(&fd, sockopt::SockType)?;
    let family = getsockname::<SockaddrStorage>(fd.as_fd().as_raw_fd())?.family();
    match (family, kind) {
        (Some(AddressFamily::Unix), SockType::SeqPacket) => Ok(()),
        (_, kind) => Err(invalid(format!("it is a socket of another sort, {kind:?}"))),
    }
}

fn send_now(socket: &impl AsRawFd, bytes: &[u8]) -> io::Result<()> {
    let slices = [IoSlice::new(bytes)];
    let sent = sendmsg::<()>(socket.as_raw_fd(), &slices, &[], MsgFlags::MSG_NOSIGNAL, None)?;
    if sent == bytes.len() {
        Ok(())
    } else {
        // SOCK_SEQPACKET is all or nothing; said rather than assumed.
        Err(invalid(format!("{sent} of {} bytes of a packet were sent", bytes.len())))
    }
}

fn receive_now(socket: &impl AsRawFd) -> io::Result<Received> {
    let mut bytes = vec![0; MAX_PACKET];
    // Room for the credentials and for nothing else: the kernel closes descriptors that do not fit, so a packet
    // that carries some cannot plant them here, and says MSG_CTRUNC.
    let mut control = nix::cmsg_space!(UnixCredentials);
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let mut slices = [IoSliceMut::new(&mut bytes)];
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut slices, Some(&mut control), flags)?;

    let length = message.bytes;
    if message.flags.contains(MsgFlags::MSG_TRUNC) {
        return Err(invalid(format!("a packet is longer than {MAX_PACKET} bytes")));
    }
    if message.flags.contains(MsgFlags::MSG_CTRUNC) {
        return Err(invalid("a packet carries file descriptors; only bytes may pass".into()));
    }
    let credentials = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::ScmCredentials(credentials) => Some(credentials),
        _ => None,
    });
    match (length, credentials) {
        // An end has no sender; an empty packet has one, and must not be taken for an end.
        (0, None) => Ok(Received::End),
        (0, Some(_)) => Err(invalid("a packet is empty".into())),
        (_, credentials) => {
            bytes.truncate(length);
            bytes.shrink_to_fit();
            let sender = credentials.map(|it| it.pid()).filter(|pid| *pid > 0);
            Ok(Received::Packet(Packet { bytes, sender }))
        }
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}
