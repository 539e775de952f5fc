//! Waiting for whichever socket is next, with the precision of the kernel's timers: sleeping in whole milliseconds
//! would be most of what is measured.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// The positions of the sockets that can be read, after at most `limit`.
pub(super) fn readable<'a>(
    sockets: impl Iterator<Item = BorrowedFd<'a>>,
    limit: Duration,
) -> io::Result<Vec<usize>> {
    let mut watched: Vec<PollFd<'_>> =
        sockets.map(|socket| PollFd::from_borrowed_fd(socket, PollFlags::IN)).collect();
    let limit = Timespec::try_from(limit).map_err(|_| io::ErrorKind::InvalidInput)?;
    match poll(&mut watched, Some(&limit)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let ready = watched.iter().enumerate().filter(|(_, fd)| !fd.revents().is_empty());
    Ok(ready.map(|(position, _)| position).collect())
}
