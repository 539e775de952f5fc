//! Who asks, by what the kernel says of the process that connected. Owns the question whether it may: the caller itself
//! is asked nothing.

mod lineage;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::geteuid;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::net::UnixStream;
use tokio::sync::watch;
use tonic::Status;

/// Who may ask.
#[derive(Debug, Clone)]
pub(crate) enum Callers {
    /// Whoever reaches the socket: in a pod the mount is the boundary, and other containers have other users.
    Everyone,
    /// Every process of our own user.
    User,
    /// The application beside this sidecar and what it started, once it runs itself.
    Descendants(watch::Receiver<Option<Application>>),
}

impl Callers {
    /// The mode of the folder that is made for the socket, and of the socket.
    pub(super) fn modes(&self) -> (u32, u32) {
        match self {
            Self::Everyone => (0o755, 0o666),
            Self::User | Self::Descendants(_) => (0o700, 0o600),
        }
    }
}

/// A process, by a descriptor that names it and no later one of the same number.
#[derive(Debug, Clone)]
pub(crate) struct Application(Arc<OwnedFd>);

impl Application {
    /// The process of this number. Who asks knows that the number is still its own.
    pub(crate) fn of(pid: u32) -> io::Result<Self> {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(Self(Arc::new(pidfd_open(pid, PidfdFlags::empty())?)))
    }
}

/// Why a caller gets nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Stranger {
    #[error("user {uid} calls, and this socket answers user {own} alone; run as that user")]
    OtherUser { uid: u32, own: u32 },
    #[error("the application of this sidecar does not run yet")]
    NoApplication,
    #[error("the kernel does not say which process calls ({0}); Linux 6.5 or newer is needed")]
    NoProcess(String),
    #[error("process {pid} was not started by the application of this sidecar")]
    NotOurs { pid: i32 },
    #[error("the calling process has ended")]
    Ended,
    #[error("the calling process cannot be looked at: {0}")]
    Unreadable(String),
}

impl From<Stranger> for Status {
    fn from(stranger: Stranger) -> Self {
        match stranger {
            Stranger::NoApplication => Self::unavailable(stranger.to_string()),
            _ => Self::permission_denied(stranger.to_string()),
        }
    }
}

/// The other end of a connection.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    uid: u32,
    /// Asked for only where it matters: a process of another pid namespace has no number here.
    process: Option<Result<Arc<OwnedFd>, String>>,
    callers: Callers,
}

impl Caller {
    /// As the kernel wrote it down when the caller connected. The descriptor names the process that did (W2), also
    /// after it has ended and its number is another's.
    pub(super) fn of(stream: &UnixStream, callers: &Callers) -> io::Result<Self> {
        let uid = stream.peer_cred()?.uid();
        let process = match callers {
            Callers::Everyone | Callers::User => None,
            Callers::Descendants(_) => {
                let pidfd = getsockopt(stream, sockopt::PeerPidfd);
                Some(pidfd.map(Arc::new).map_err(|error| error.to_string()))
            }
        };
        let mut callers = callers.clone();
        if let Callers::Descendants(application) = &mut callers {
            // The one that runs now is asked for below; `changed` waits for another.
            application.mark_unchanged();
        }
        Ok(Self { uid, process, callers })
    }

    /// Whose process it is.
    pub(super) fn uid(&self) -> u32 {
        self.uid
    }

    /// Whether it may ask now: an application that was restarted leaves what its predecessor had started behind.
    pub(super) fn check(&self) -> Result<(), Stranger> {
        match &self.callers {
            Callers::Everyone => Ok(()),
            Callers::User => self.check_user(geteuid().as_raw()),
            Callers::Descendants(application) => {
                let application = application.borrow().clone().ok_or(Stranger::NoApplication)?;
                let process =
                    self.process.clone().ok_or_else(|| Stranger::NoProcess("not asked".to_owned()))?;
                let process = process.map_err(Stranger::NoProcess)?;
                lineage::check(&process, &application.0)
            }
        }
    }

    /// Ends when `check` may say something else than it did: another application runs, or none.
    pub(super) async fn changed(&mut self) {
        let is_known = match &mut self.callers {
            Callers::Everyone | Callers::User => false,
            Callers::Descendants(application) => application.changed().await.is_ok(),
        };
        if !is_known {
            std::future::pending().await
        }
    }

    /// Ends when it may ask no more.
    pub(super) async fn refused(&mut self) -> Stranger {
        loop {
            self.changed().await;
            if let Err(stranger) = self.check() {
                return stranger;
            }
        }
    }

    fn check_user(&self, own: u32) -> Result<(), Stranger> {
        if self.uid == own { Ok(()) } else { Err(Stranger::OtherUser { uid: self.uid, own }) }
    }
}

#[cfg(test)]
pub(super) mod tests;
