//! The accept loop: permit, accept, hand on, for as long as the process does not stop. Owns how many connections are
//! open and what an accept error means. It does not look at the connection, and it never ends by an error.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};

use crate::{Stop, Tasks};

#[cfg(test)]
mod tests;

/// The pause after an error of one connection: nobody notices it, and the loop cannot spin whatever the kernel says.
const SHORT_PAUSE: Duration = Duration::from_millis(1);
/// The first pause after an error of the listener; each further one in a row doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause: long enough to cost nothing, short enough that recovery is not noticed.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A listener at its limit says so at most this often.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(10);

/// What a listener takes on at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections open at once, at least 1; more wait in the kernel's queue.
    pub connections: usize,
}

/// Accepts TCP connections until `stop` begins, and runs `handle` for each as one of `tasks`.
///
/// Ends when the stop begins, with the listener closed and connections perhaps still open: those are the tasks'.
pub async fn serve<F, Fut>(listener: TcpListener, limits: Limits, stop: Stop, tasks: &Tasks, handle: F)
where
    F: Fn(TcpStream, SocketAddr) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    accept_until_stopped(listener, limits, stop, tasks, move |(stream, peer)| handle(stream, peer)).await;
}

/// The same for a unix socket, whose connections have no address; `UnixStream::peer_cred` says who it is.
pub async fn serve_unix<F, Fut>(listener: UnixListener, limits: Limits, stop: Stop, tasks: &Tasks, handle: F)
where
    F: Fn(UnixStream) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    accept_until_stopped(listener, limits, stop, tasks, handle).await;
}

/// What the loop accepts from. A trait, so that a test can make it fail.
trait Accept: Send + Sync {
    type Connection: Send + 'static;

    fn accept(&self) -> impl Future<Output = io::Result<Self::Connection>> + Send;
}

impl Accept for TcpListener {
    type Connection = (TcpStream, SocketAddr);

    async fn accept(&self) -> io::Result<Self::Connection> {
        let (stream, peer) = Self::accept(self).await?;
        // Calls are small and somebody waits for each. A socket that refuses is already broken; its handler
        // finds out from its first read.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, %peer, "Setting TCP_NODELAY failed");
        }
        Ok((stream, peer))
    }
}

impl Accept for UnixListener {
    type Connection = UnixStream;

    async fn accept(&self) -> io::Result<UnixStream> {
        Ok(Self::accept(self).await?.0)
    }
}

/// The loop itself.
async fn accept_until_stopped<L, F, Fut>(listener: L, limits: Limits, stop: Stop, tasks: &Tasks, handle: F)
where
    L: Accept,
    F: Fn(L::Connection) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let mut permits = Permits::new(limits);
    let mut pause = FIRST_PAUSE;
    loop {
        // The permit comes first: a connection that may not be served is not accepted either.
        let accepted = tokio::select! {
            biased;
            () = stop.graceful() => return,
            accepted = async { (permits.next().await, listener.accept().await) } => accepted,
        };
        let wait = match accepted {
            (permit, Ok(connection)) => {
                pause = FIRST_PAUSE;
                let handle = handle.clone();
                tasks.spawn(async move {
                    handle(connection).await;
                    drop(permit);
                });
                continue;
            }
            (_, Err(error)) if is_of_one_connection(&error) => {
                tracing::debug!(%error, "A connection failed before it was accepted");
                SHORT_PAUSE
            }
            (_, Err(error)) => {
                tracing::warn!(%error, pause_ms = pause.as_millis(), "Accepting failed");
                let wait = pause;
                pause = (pause * 2).min(LONGEST_PAUSE);
                wait
            }
        };
        tokio::select! {
            biased;
            () = stop.graceful() => return,
            () = sleep(wait) => {}
        }
    }
}

/// Whether an accept error tells of the connection that was to be accepted rather than of the listener.
///
/// accept(2), "Error handling": pending network errors of the new socket are passed on as errors of `accept`.
fn is_of_one_connection(error: &io::Error) -> bool {
    let Some(number) = error.raw_os_error() else {
        return false;
    };
    matches!(
        Errno::from_raw(number),
        Errno::ECONNABORTED
            | Errno::ECONNRESET
            | Errno::EINTR
            | Errno::EPERM
            | Errno::EPROTO
            | Errno::ENETDOWN
            | Errno::ENOPROTOOPT
            | Errno::EHOSTDOWN
            | Errno::ENONET
            | Errno::EHOSTUNREACH
            | Errno::EOPNOTSUPP
            | Errno::ENETUNREACH
    )
}

/// Hands out the permits of a listener, and complains when there is none, but not at every connection.
struct Permits {
    semaphore: Arc<Semaphore>,
    limit: usize,
    complained: Option<Instant>,
}

impl Permits {
    fn new(limits: Limits) -> Self {
        let limit = limits.connections.clamp(1, Semaphore::MAX_PERMITS);
        Self { semaphore: Arc::new(Semaphore::new(limit)), limit, complained: None }
    }

    async fn next(&mut self) -> OwnedSemaphorePermit {
        if let Ok(permit) = Arc::clone(&self.semaphore).try_acquire_owned() {
            return permit;
        }
        if self.complained.is_none_or(|last| last.elapsed() >= COMPLAINT_INTERVAL) {
            self.complained = Some(Instant::now());
            tracing::warn!(limit = self.limit, "All connections of a listener are in use; more wait");
        }
        let permit = Arc::clone(&self.semaphore).acquire_owned().await;
        permit.expect("the semaphore is never closed: nobody else holds it and nothing here closes it")
    }
}
