//! Whether one process was started by another, however many generations ago. Owns the reading of `/proc`, whose answers
//! may be about a process that has ended meanwhile, and the order of questions that makes them hold all the same.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::{AsRawFd, OwnedFd};

use super::Stranger;

/// More generations than any application has.
const MAX_GENERATIONS: usize = 64;
/// What is looked for stands at the beginning; the rest can be long, and some of it is chosen by the process (W5).
const MAX_STATUS: u64 = 4 * 1024;

/// Lets `process` through if it is `ancestor` or comes from it.
pub(super) fn check(process: &OwnedFd, ancestor: &OwnedFd) -> Result<(), Stranger> {
    let pid = number_of(process)?.ok_or(Stranger::Ended)?;
    let root = number_of(ancestor)?.ok_or(Stranger::NoApplication)?;
    // Between two questions a parent may end and its number go to another process, which makes one answer wrong. But a
    // process whose parent has ended has another parent from then on: two equal answers in a row were right (W2).
    let line = line(pid, root)?;
    if line.last() != Some(&root) || self::line(pid, root)? != line {
        return Err(Stranger::NotOurs { pid });
    }
    // All of it was about these two only if their numbers were theirs until now.
    match (number_of(process)?, number_of(ancestor)?) {
        (None, _) => Err(Stranger::Ended),
        (_, None) => Err(Stranger::NoApplication),
        (Some(still), Some(root_still)) if still == pid && root_still == root => Ok(()),
        (Some(_), Some(_)) => Err(Stranger::NotOurs { pid }),
    }
}

/// The process, its parent, and so on: up to `root`, or to where it ends without it.
fn line(pid: i32, root: i32) -> Result<Vec<i32>, Stranger> {
    let mut line = vec![pid];
    let mut youngest = pid;
    while youngest != root && line.len() < MAX_GENERATIONS {
        match parent_of(youngest)? {
            // Started from outside this pid namespace, or by the first process in it.
            0 => break,
            parent => line.push(parent),
        }
        youngest = line[line.len() - 1];
    }
    Ok(line)
}

fn parent_of(pid: i32) -> Result<i32, Stranger> {
    match field(&format!("/proc/{pid}/status"), "PPid:") {
        Ok(Some(parent)) => Ok(parent),
        Ok(None) => Err(Stranger::Unreadable(format!("/proc/{pid}/status names no parent"))),
        Err(error) if is_gone(&error) => Err(Stranger::Ended),
        Err(error) => Err(Stranger::Unreadable(format!("/proc/{pid}/status: {error}"))),
    }
}

/// The number of a process as long as it has one: `None` once it has ended and its parent knows.
fn number_of(pidfd: &OwnedFd) -> Result<Option<i32>, Stranger> {
    let path = format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd());
    match field(&path, "Pid:") {
        Ok(Some(pid)) if pid > 0 => Ok(Some(pid)),
        // 0: of another pid namespace. It has no number here, so it is nobody's descendant here.
        Ok(Some(0)) => Err(Stranger::Unreadable("it is of another pid namespace".to_owned())),
        Ok(Some(_)) => Ok(None),
        Ok(None) => Err(Stranger::Unreadable(format!("{path} names no process"))),
        Err(error) => Err(Stranger::Unreadable(format!("{path}: {error}"))),
    }
}

/// The number in the first line that begins so. Line breaks in a process's name are escaped by the kernel.
fn field(path: &str, name: &str) -> io::Result<Option<i32>> {
    for line in BufReader::new(File::open(path)?.take(MAX_STATUS)).split(b'\n') {
        let line = line?;
        if let Some(value) = line.strip_prefix(name.as_bytes()) {
            return Ok(str::from_utf8(value).ok().and_then(|value| value.trim().parse().ok()));
        }
    }
    Ok(None)
}

fn is_gone(error: &io::Error) -> bool {
    const ESRCH: i32 = nix::errno::Errno::ESRCH as i32;
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(ESRCH)
}
