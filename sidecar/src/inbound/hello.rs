//! The hello of a caller at a port that is declared to speak TLS, while the namespace is in Observe: whether it wants us or
//! the application. Owns the one rule: who offers a protocol of ours is held to our own handshake, and everybody else is
//! carried as bytes, like any connection in the clear there.

use std::io;

use kith_mtls::HelloReader;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::detect::Replayed;
use crate::session::{ALPN_CALLS, ALPN_STREAMS};

/// What a hello may take (L8). One with keys for a quantum computer has 2 KiB; what is longer is not ours.
const MOST: usize = 16 * 1024;
/// What is read at once.
const PIECE: usize = 2 * 1024;

/// Whom a caller wants to speak TLS with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wants {
    /// It has a sidecar.
    Sidecar,
    Application,
}

/// Reads until it is certain. `None`: the connection ended before that.
pub(super) async fn read(mut stream: TcpStream) -> io::Result<Option<(Wants, Replayed<TcpStream>)>> {
    let (mut reader, mut first) = (HelloReader::default(), Vec::new());
    let wants = loop {
        let known = first.len();
        if known >= MOST {
            break Wants::Application;
        }
        first.reserve(PIECE);
        if (&mut stream).take((MOST - known) as u64).read_buf(&mut first).await? == 0 {
            return Ok(None);
        }
        match reader.read(&first[known..]) {
            Ok(None) => {}
            Ok(Some(offered)) if offered.has(ALPN_CALLS) || offered.has(ALPN_STREAMS) => {
                break Wants::Sidecar;
            }
            // What it may be instead is for the application to say.
            Ok(Some(_)) | Err(_) => break Wants::Application,
        }
    };
    Ok(Some((wants, Replayed::after(first, stream))))
}
