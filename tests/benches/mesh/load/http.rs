//! One kept-alive HTTP/1.1 connection: a request out, its whole answer in. Owns as much of HTTP as the backend's
//! answers need, and takes anything else for a failure.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};

use anyhow::{Context as _, bail, ensure};

const READ: usize = 16 * 1024;

/// The bytes of a request for so many bytes.
pub(super) fn request(to: SocketAddr, bytes: u64) -> Vec<u8> {
    format!("GET /bytes/{bytes} HTTP/1.1\r\nhost: {to}\r\nuser-agent: kith-bench\r\naccept: */*\r\n\r\n")
        .into_bytes()
}

/// Where the body of an answer begins and how long it is, once its head is there.
pub(super) fn body_of(answer: &[u8]) -> anyhow::Result<Option<(usize, u64)>> {
    let Some(start) = answer.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4) else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&answer[..start]).context("the head of an answer is not text")?;
    ensure!(head.starts_with("HTTP/1.1 200 "), "the answer was {head:?}");
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse())
    });
    Ok(Some((start, length.with_context(|| format!("no content-length in {head:?}"))??)))
}

/// A connection with one call at a time.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
    read: Box<[u8]>,
    /// The length of the whole answer, once its head is there.
    whole: Option<usize>,
}

impl Connection {
    pub(super) fn open(to: SocketAddr, bytes: u64) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(to).with_context(|| format!("cannot connect to {to}"))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let read = vec![0; READ].into_boxed_slice();
        Ok(Self { stream, request: request(to, bytes), answer: Vec::with_capacity(READ), read, whole: None })
    }

    /// Begins a call. The socket was read empty before, so a small request always fits.
    pub(super) fn ask(&mut self) -> anyhow::Result<()> {
        let written = self.stream.write(&self.request).context("a request could not be sent")?;
        ensure!(written == self.request.len(), "a request was sent in part");
        Ok(())
    }

    /// Reads what is there, and says whether the answer is whole.
    pub(super) fn is_answered(&mut self) -> anyhow::Result<bool> {
        let length = match self.stream.read(&mut self.read) {
            Ok(0) => bail!("the connection was closed in the middle of a call"),
            Ok(length) => length,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error).context("the connection broke in the middle of a call"),
        };
        self.answer.extend_from_slice(&self.read[..length]);
        if self.whole.is_none()
            && let Some((start, length)) = body_of(&self.answer)?
        {
            self.whole = Some(start + usize::try_from(length)?);
        }
        let Some(whole) = self.whole.filter(|&whole| self.answer.len() >= whole) else { return Ok(false) };
        ensure!(self.answer.len() == whole, "more came than was asked for");
        self.answer.clear();
        self.whole = None;
        Ok(true)
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
