//! The same between two TCP connections, for where the other end has no sidecar: its calls in the clear to the workload,
//! and the workload's to it.

use std::future::Future;
use std::io;

use bytes::{Bytes, BytesMut};
use socket2::SockRef;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::Notify;

use super::{Admits, Carried, End, LARGEST_READ, Near, SMALLEST_READ, TURN_BYTES, aborted};

/// Which end of one direction broke it.
enum Broken {
    Source,
    Sink,
    NotAdmitted,
}

/// Carries bytes both ways until both directions have ended, one side has aborted, or `over` ends; unless what comes from
/// the far side begins wrongly: nothing of it then reaches the near one. `near` is the workload's application, `far` the
/// one without a sidecar.
pub(crate) async fn carry_plain(mut near: Near, mut far: Near, over: impl Future, admits: Admits) -> Carried {
    let (mut to_far, mut to_near) = (0, 0);
    let (from_near, from_far) = (std::mem::take(&mut near.first), std::mem::take(&mut far.first));
    let end = {
        let (near_read, near_write) = near.stream.split();
        let (far_read, far_write) = far.stream.split();
        let (near_closed, far_closed) = (Notify::new(), Notify::new());
        let both = async {
            let up = async {
                let copied = copy(from_near, &near_read, far_write, |_| true, &mut to_far).await;
                near_closed.notify_one();
                copied.map_err(|broken| broken.between(End::NearAborted, End::FarAborted))
            };
            let down = async {
                let copied = copy(from_far, &far_read, near_write, admits, &mut to_near).await;
                far_closed.notify_one();
                copied.map_err(|broken| broken.between(End::FarAborted, End::NearAborted))
            };
            tokio::try_join!(up, down).err().unwrap_or(End::Clean)
        };
        tokio::select! {
            biased;
            _ = over => End::Cut,
            end = both => end,
            () = aborted(&near_closed, &near_read) => End::NearAborted,
            () = aborted(&far_closed, &far_read) => End::FarAborted,
        }
    };
    if end == End::Clean {
        for side in [&near, &far] {
            // An error means that the connection is gone, and nothing is left to be said on it.
            drop(SockRef::from(&side.stream).set_linger(None));
        }
    }
    Carried { to_far, to_near, end }
}

impl Broken {
    fn between(self, source: End, sink: End) -> End {
        match self {
            Self::Source => source,
            Self::Sink => sink,
            Self::NotAdmitted => End::NotAdmitted,
        }
    }
}

/// One direction, up to its half-close.
async fn copy(
    first: Bytes,
    from: &ReadHalf<'_>,
    mut into: WriteHalf<'_>,
    admits: Admits,
    count: &mut u64,
) -> Result<(), Broken> {
    let (mut buffer, mut size, mut turn) = (BytesMut::from(first), SMALLEST_READ, 0);
    loop {
        if buffer.is_empty() {
            let read = read(from, &mut buffer, size).await.map_err(|_| Broken::Source)?;
            if read == 0 {
                return into.shutdown().await.map_err(|_| Broken::Sink);
            }
            size = if read == size { (size * 2).min(LARGEST_READ) } else { read.max(SMALLEST_READ) };
        }
        if *count == 0 && !admits(buffer[0]) {
            return Err(Broken::NotAdmitted);
        }
        into.write_all(&buffer).await.map_err(|_| Broken::Sink)?;
        *count += buffer.len() as u64;
        turn += buffer.len();
        // An idle connection holds no buffer.
        buffer = BytesMut::new();
        if turn >= TURN_BYTES {
            turn = 0;
            tokio::task::yield_now().await;
        }
    }
}

/// Waits without a buffer: most connections are idle most of the time.
async fn read(from: &ReadHalf<'_>, buffer: &mut BytesMut, size: usize) -> io::Result<usize> {
    loop {
        from.readable().await?;
        buffer.resize(size, 0);
        match from.try_read(buffer) {
            Ok(read) => {
                buffer.truncate(read);
                return Ok(read);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests;
