//! The application that is called: it answers what it is asked for and thinks nothing, so that its own cost is small
//! and the same for everybody.
//!
//! HTTP/1.1: `GET /bytes/N` is answered with `N` bytes. Opaque: a question of [`QUESTION`] bytes begins with a number,
//! and is answered with so many bytes.

use std::net::SocketAddr;

use anyhow::{Context as _, ensure};
use kith_runtime::{Limits, Stop, Tasks, serve};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Bytes of a question on an opaque connection.
pub(crate) const QUESTION: usize = 100;
const LIMITS: Limits = Limits { connections: 4_096 };
const CHUNK: usize = 64 * 1024;
const HEAD_LIMIT: usize = 16 * 1024;
static ZEROS: [u8; CHUNK] = [b'0'; CHUNK];

/// Where it listens.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Addresses {
    /// For HTTP/1.1.
    pub(crate) http: SocketAddr,
    /// For opaque connections.
    pub(crate) opaque: SocketAddr,
}

/// Serves until standard input ends.
pub(crate) async fn run() -> anyhow::Result<()> {
    let http = TcpListener::bind("127.0.0.1:0").await?;
    let opaque = TcpListener::bind("127.0.0.1:0").await?;
    let addresses = Addresses { http: http.local_addr()?, opaque: opaque.local_addr()? };
    let (_stopper, stop) = Stop::new();
    let tasks = Tasks::new();
    let serving = async {
        tokio::join!(
            // How a connection ends is the client's business: it counts its answers.
            serve(
                http,
                LIMITS,
                stop.clone(),
                &tasks,
                |stream, _| async move { drop(answer_http(stream).await) }
            ),
            serve(opaque, LIMITS, stop, &tasks, |stream, _| async move { drop(answer_opaque(stream).await) }),
        );
    };
    crate::say(&addresses)?;
    tokio::select! {
        () = serving => Ok(()),
        ended = input_ended() => ended,
    }
}

/// Whoever started this process wants nothing more of it.
pub(crate) async fn input_ended() -> anyhow::Result<()> {
    tokio::io::copy(&mut tokio::io::stdin(), &mut tokio::io::sink()).await?;
    Ok(())
}

async fn answer_http(mut stream: TcpStream) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut unread = Vec::with_capacity(HEAD_LIMIT);
    loop {
        while let Some(end) = end_of_head(&unread) {
            let wanted = wanted_by(&unread[..end])?;
            unread.drain(..end);
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {wanted}\r\ncontent-type: text/plain\r\n\r\n");
            write(&mut stream, head.into_bytes(), wanted).await?;
        }
        ensure!(unread.len() < HEAD_LIMIT, "a head of more than {HEAD_LIMIT} bytes");
        if stream.read_buf(&mut unread).await? == 0 {
            return Ok(());
        }
    }
}

async fn answer_opaque(mut stream: TcpStream) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut question = [0; QUESTION];
    loop {
        // An end between two questions is the usual one.
        stream.read_exact(&mut question).await?;
        let number = std::str::from_utf8(&question)?.split_once(' ').context("a question has no number")?.0;
        write(&mut stream, Vec::new(), number.parse()?).await?;
    }
}

/// One system call for a small answer.
async fn write(stream: &mut TcpStream, mut head: Vec<u8>, bytes: u64) -> anyhow::Result<()> {
    let mut left = usize::try_from(bytes)?;
    let first = left.min(CHUNK);
    head.extend_from_slice(&ZEROS[..first]);
    stream.write_all(&head).await?;
    left -= first;
    while left > 0 {
        let next = left.min(CHUNK);
        stream.write_all(&ZEROS[..next]).await?;
        left -= next;
    }
    Ok(())
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|start| start + 4)
}

fn wanted_by(head: &[u8]) -> anyhow::Result<u64> {
    let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let line = std::str::from_utf8(line)?;
    let number = line.strip_prefix("GET /bytes/").and_then(|rest| rest.split_once(' '));
    let (number, _) = number.with_context(|| format!("the request {line:?} is not GET /bytes/N"))?;
    Ok(number.parse()?)
}
