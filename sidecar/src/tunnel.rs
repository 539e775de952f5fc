//! Bytes between the application's connection and one HTTP/2 stream; `plain` has the same for two connections.
//!
//! Owns how an end travels: a half-close is a half-close on the other side, and everything else (a reset, a lost
//! connection, a cut) is a reset there. Data that was cut short never looks complete: the application's connection is
//! set to end in a reset from the start, and only a clean end of both directions takes that back.

mod plain;

use std::future::{Future, poll_fn};
use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::{Reason, RecvStream, SendStream};
use socket2::SockRef;
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::Notify;

pub(crate) use plain::carry_plain;

/// What is read at once, at first, and at most: an idle stream holds nothing, a bulk one reads in large pieces.
const SMALLEST_READ: usize = 2 * 1024;
const LARGEST_READ: usize = 64 * 1024;
/// After so much without a pause, others get their turn.
const TURN_BYTES: usize = 256 * 1024;

/// The application's side: a TCP connection. Of two it may be the other one's, too.
#[derive(Debug)]
pub(crate) struct Near {
    stream: TcpStream,
    /// Read already, and not yet sent on.
    first: Bytes,
}

/// The session's side.
#[derive(Debug)]
pub(crate) struct Far {
    pub(crate) send: SendStream<Bytes>,
    pub(crate) receive: RecvStream,
}

/// What became of a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Both directions ended.
    Clean,
    /// The application's connection broke.
    NearAborted,
    /// The stream was reset, or its session broke.
    FarAborted,
    /// It was cut from here.
    Cut,
    /// What came from the far side may not be carried.
    NotAdmitted,
}

/// Whether what comes from the far side may begin with this byte.
pub(crate) type Admits = fn(u8) -> bool;

/// A tunnel that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Carried {
    pub(crate) to_far: u64,
    pub(crate) to_near: u64,
    pub(crate) end: End,
}

impl Near {
    /// Takes the connection over.
    pub(crate) fn new(stream: TcpStream, first: impl Into<Bytes>) -> io::Result<Self> {
        SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        SockRef::from(&stream).set_keepalive(true)?;
        Ok(Self { stream, first: first.into() })
    }
}

/// Carries bytes both ways until both directions have ended, one side has aborted, or `over` ends.
pub(crate) async fn carry(near: Near, far: Far, over: impl Future) -> Carried {
    carry_admitted(near, far, over, |_| true).await
}

/// The same, unless what comes from the far side begins wrongly: nothing of it then reaches the application.
pub(crate) async fn carry_admitted(
    mut near: Near,
    mut far: Far,
    over: impl Future,
    admits: Admits,
) -> Carried {
    let (mut to_far, mut to_near) = (0, 0);
    let first = std::mem::take(&mut near.first);
    let end = {
        let (read, write) = near.stream.split();
        let half_closed = Notify::new();
        let both = async {
            let up = async {
                copy_to_far(first, &read, &mut far.send, &mut to_far).await?;
                half_closed.notify_one();
                Ok(())
            };
            let down = copy_to_near(&mut far.receive, write, admits, &mut to_near);
            tokio::try_join!(up, down).err().unwrap_or(End::Clean)
        };
        tokio::select! {
            biased;
            _ = over => End::Cut,
            end = both => end,
            () = aborted(&half_closed, &read) => End::NearAborted,
        }
    };
    match end {
        // An error means that the connection is gone, and nothing is left to be said on it.
        End::Clean => drop(SockRef::from(&near.stream).set_linger(None)),
        End::NearAborted => far.send.send_reset(Reason::CONNECT_ERROR),
        End::FarAborted | End::Cut | End::NotAdmitted => far.send.send_reset(Reason::CANCEL),
    }
    Carried { to_far, to_near, end }
}

/// After its half-close nothing is read from the application: an abort is then seen only here.
async fn aborted(half_closed: &Notify, near: &ReadHalf<'_>) {
    half_closed.notified().await;
    // An error here is no less an abort.
    let _ = near.ready(Interest::ERROR).await;
}

async fn copy_to_far(
    first: Bytes,
    near: &ReadHalf<'_>,
    far: &mut SendStream<Bytes>,
    count: &mut u64,
) -> Result<(), End> {
    *count += first.len() as u64;
    send(far, first).await?;
    let (mut buffer, mut size, mut turn) = (BytesMut::new(), SMALLEST_READ, 0);
    loop {
        let read = read(near, &mut buffer, size, far).await?;
        if read == 0 {
            return far.send_data(Bytes::new(), true).map_err(|_| End::FarAborted);
        }
        size = if read == size { (size * 2).min(LARGEST_READ) } else { read.max(SMALLEST_READ) };
        send(far, buffer.split().freeze()).await?;
        *count += read as u64;
        turn += read;
        if turn >= TURN_BYTES {
            turn = 0;
            tokio::task::yield_now().await;
        }
    }
}

/// Waits without a buffer: most streams are idle most of the time.
async fn read(
    near: &ReadHalf<'_>,
    buffer: &mut BytesMut,
    size: usize,
    far: &mut SendStream<Bytes>,
) -> Result<usize, End> {
    loop {
        tokio::select! {
            biased;
            readable = near.readable() => readable.map_err(|_| End::NearAborted)?,
            _ = poll_fn(|cx| far.poll_reset(cx)) => return Err(End::FarAborted),
        }
        buffer.clear();
        buffer.resize(size, 0);
        match near.try_read(buffer) {
            Ok(read) => {
                buffer.truncate(read);
                return Ok(read);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return Err(End::NearAborted),
        }
    }
}

/// Sends within what the other side has room for.
pub(crate) async fn send(far: &mut SendStream<Bytes>, mut bytes: Bytes) -> Result<(), End> {
    while !bytes.is_empty() {
        far.reserve_capacity(bytes.len());
        let room = match poll_fn(|cx| far.poll_capacity(cx)).await {
            Some(Ok(room)) => room.min(bytes.len()),
            Some(Err(_)) | None => return Err(End::FarAborted),
        };
        far.send_data(bytes.split_to(room), false).map_err(|_| End::FarAborted)?;
    }
    Ok(())
}

async fn copy_to_near(
    far: &mut RecvStream,
    mut near: WriteHalf<'_>,
    admits: Admits,
    count: &mut u64,
) -> Result<(), End> {
    let mut turn = 0;
    while let Some(bytes) = far.data().await {
        let bytes = bytes.map_err(|_| End::FarAborted)?;
        if *count == 0 && bytes.first().is_some_and(|first| !admits(*first)) {
            return Err(End::NotAdmitted);
        }
        near.write_all(&bytes).await.map_err(|_| End::NearAborted)?;
        *count += bytes.len() as u64;
        // Only what the application took makes room for more.
        far.flow_control().release_capacity(bytes.len()).map_err(|_| End::FarAborted)?;
        turn += bytes.len();
        if turn >= TURN_BYTES {
            turn = 0;
            tokio::task::yield_now().await;
        }
    }
    // The end of the data is an end only when the stream says so.
    far.trailers().await.map_err(|_| End::FarAborted)?;
    near.shutdown().await.map_err(|_| End::NearAborted)
}

#[cfg(test)]
mod tests;
