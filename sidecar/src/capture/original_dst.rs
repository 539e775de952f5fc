//! In a pod: what the kernel remembers of a connection that the pod's rules redirected to the sidecar.

use std::io;
use std::net::SocketAddr;

use socket2::SockRef;
use tokio::net::TcpStream;

use super::canonical;
use crate::refusal::Refusal;

/// Where the connection, accepted at `local`, was for before it was redirected. Fails for one that connection tracking
/// does not know.
fn original_dst(stream: &TcpStream, local: SocketAddr) -> io::Result<SocketAddr> {
    let socket = SockRef::from(stream);
    // An IPv4 connection to the listener of both families is asked about as what it is.
    let original = match local {
        SocketAddr::V4(_) => socket.original_dst_v4(),
        SocketAddr::V6(_) => socket.original_dst_v6(),
    };
    let address = original?.as_socket().map(canonical);
    address.ok_or_else(|| io::Error::other("the original destination is no IP address"))
}

/// The same, unless the connection was made to the sidecar's own port: there is no call to carry then, and to carry it
/// to where it was for would bring it here again (K14, K15).
pub(super) fn redirected(stream: &TcpStream) -> Result<SocketAddr, Refusal> {
    let direct = |why: String| {
        Refusal::bad_request(
            "own_listener",
            format!("the connection was made to the sidecar's own port, and was not redirected there: {why}"),
        )
    };
    let local = stream.local_addr().map(canonical).map_err(|error| direct(error.to_string()))?;
    let original = original_dst(stream, local).map_err(|error| direct(error.to_string()))?;
    if original == local { Err(direct(format!("it is for {local}"))) } else { Ok(original) }
}
