//! Local mode: nothing is redirected, and a connection is for the address that it was made to.

use std::net::SocketAddr;

use tokio::net::TcpStream;

use super::canonical;
use crate::refusal::Refusal;

pub(super) fn destination(stream: &TcpStream) -> Result<SocketAddr, Refusal> {
    let local = stream.local_addr();
    local.map(canonical).map_err(|error| Refusal::unavailable("connection_failed", error.to_string()))
}
