//! Connections to the application beside this sidecar: HTTP/1.1 kept alive, and one HTTP/2 connection for each
//! session whose peer speaks it. Where the application is, is the call's to say: in a pod it has many ports.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use kith_runtime::Tasks;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::body::Body;
use crate::forward::MAX_HEADERS;
use crate::lock::lock;
use crate::session::{MAX_HEADER_BYTES, SESSION_WINDOW, STREAM_WINDOW};

/// Longer than the kernel waits before it asks a second time: one lost packet is no failure.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// An idle connection older than this is not used again: applications close theirs after five seconds and more, and
/// a request that meets the closing is lost.
const IDLE_LIMIT: Duration = Duration::from_secs(3);
const KEPT: usize = 256;
/// A head beyond the library's limit ends the connection, and the calls beside it: far above what is let through.
const MAX_ANSWER_HEAD: u32 = 1024 * 1024;

/// Why the application did not answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApplicationError {
    #[error("the application cannot be reached: {0}")]
    Unreachable(std::io::Error),
    #[error("the application broke off: {0}")]
    Broken(hyper::Error),
    #[error("the application answered 101 to a request without an upgrade")]
    Switched,
    #[error("the head of the application's answer is too large to be carried")]
    HeadTooLarge,
}

impl ApplicationError {
    /// The stable code of the identity log.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "application_unreachable",
            Self::Broken(_) => "application_broke_off",
            Self::Switched => "application_switched",
            Self::HeadTooLarge => "application_head_too_large",
        }
    }
}

/// The application, as one worker sees it.
#[derive(Debug)]
pub(crate) struct Application {
    tasks: Tasks,
    /// Of all its addresses, so that their number is bounded whatever addresses peers call. Busy ones too: a connection is
    /// taken when it is ready again.
    kept: Mutex<VecDeque<Kept>>,
}

/// The HTTP/2 connection to the application on behalf of one session, which is for one address: calls of other peers have others, so none of them
/// waits for the readers of this one.
#[derive(Debug, Default)]
pub(crate) struct Link(tokio::sync::Mutex<Option<http2::SendRequest<Body>>>);

#[derive(Debug)]
struct Kept {
    address: SocketAddr,
    sender: http1::SendRequest<Body>,
    used: Instant,
}

impl Kept {
    /// Idle for too long, or closed by the application.
    fn is_stale(&self, now: Instant) -> bool {
        self.sender.is_closed() || (self.sender.is_ready() && now.duration_since(self.used) > IDLE_LIMIT)
    }

    /// Leads there, is done with the call before, and fresh.
    fn is_usable(&self, address: SocketAddr, now: Instant) -> bool {
        self.address == address && self.sender.is_ready() && !self.is_stale(now)
    }
}

impl Application {
    pub(crate) fn new(tasks: Tasks) -> Self {
        Self { tasks, kept: Mutex::default() }
    }

    /// Sends one request in its version.
    pub(crate) async fn send(
        &self,
        address: SocketAddr,
        request: Request<Body>,
        link: &Link,
    ) -> Result<Response<Incoming>, ApplicationError> {
        if request.version() == Version::HTTP_2 {
            let mut sender = Box::pin(self.http2_sender(address, link)).await?;
            return sender.send_request(request).await.map_err(ApplicationError::Broken);
        }
        self.send_http1(address, request).await
    }

    async fn send_http1(
        &self,
        address: SocketAddr,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, ApplicationError> {
        let mut request = request;
        // A kept connection may have died unseen. What was never written goes out over a new one; what was
        // written is never repeated.
        if let Some(mut sender) = self.take(address) {
            match sender.try_send_request(request).await {
                Ok(response) => return Ok(self.keep(address, sender, response)),
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(ApplicationError::Broken(error.into_error())),
                },
            }
        }
        // On the heap: most calls find a connection, and would carry its size along.
        let mut sender = Box::pin(self.connect_http1(address)).await?;
        let response = sender.send_request(request).await.map_err(ApplicationError::Broken)?;
        Ok(self.keep(address, sender, response))
    }

    /// Sends a request that may end in another protocol, over a connection of its own.
    pub(super) async fn ask_to_switch(
        &self,
        address: SocketAddr,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, ApplicationError> {
        let (mut sender, connection) = self.handshake_http1(address).await?;
        self.tasks.spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "Connection to the application ended badly");
            }
        });
        sender.send_request(request).await.map_err(ApplicationError::Broken)
    }

    /// Closes what is not used again, also when no call comes that would find it; ends only by being dropped.
    pub(crate) async fn close_idle(&self) {
        loop {
            sleep(IDLE_LIMIT).await;
            drop_stale(&mut lock(&self.kept));
        }
    }

    fn take(&self, address: SocketAddr) -> Option<http1::SendRequest<Body>> {
        let mut kept = lock(&self.kept);
        let now = Instant::now();
        // From the newest on: what is no use any more gathers at the other end, until it is closed.
        let ready = kept.iter().rposition(|kept| kept.is_usable(address, now))?;
        kept.remove(ready).map(|kept| kept.sender)
    }

    fn keep(
        &self,
        address: SocketAddr,
        sender: http1::SendRequest<Body>,
        response: Response<Incoming>,
    ) -> Response<Incoming> {
        let mut kept = lock(&self.kept);
        if kept.len() < KEPT {
            kept.push_back(Kept { address, sender, used: Instant::now() });
        }
        response
    }

    async fn connect_http1(&self, address: SocketAddr) -> Result<http1::SendRequest<Body>, ApplicationError> {
        let (sender, connection) = self.handshake_http1(address).await?;
        self.tasks.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "Connection to the application ended badly");
            }
        });
        Ok(sender)
    }

    async fn handshake_http1(
        &self,
        address: SocketAddr,
    ) -> Result<(http1::SendRequest<Body>, http1::Connection<TokioIo<TcpStream>, Body>), ApplicationError>
    {
        let stream = self.connect(address).await?;
        let handshake = http1::Builder::new()
            .max_headers(MAX_HEADERS)
            .max_header_size(MAX_HEADER_BYTES as usize)
            .handshake(TokioIo::new(stream))
            .await;
        handshake.map_err(ApplicationError::Broken)
    }

    async fn http2_sender(
        &self,
        address: SocketAddr,
        link: &Link,
    ) -> Result<http2::SendRequest<Body>, ApplicationError> {
        let mut current = link.0.lock().await;
        if let Some(sender) = current.as_ref().filter(|sender| !sender.is_closed()) {
            return Ok(sender.clone());
        }
        let stream = self.connect(address).await?;
        let (sender, connection) = http2::Builder::new(self.tasks.clone())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(SESSION_WINDOW)
            .max_header_list_size(MAX_ANSWER_HEAD)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(ApplicationError::Broken)?;
        self.tasks.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "HTTP/2 connection to the application ended badly");
            }
        });
        *current = Some(sender.clone());
        Ok(sender)
    }

    pub(super) async fn connect(&self, address: SocketAddr) -> Result<TcpStream, ApplicationError> {
        let stream = timeout(CONNECT_LIMIT, TcpStream::connect(address))
            .await
            .map_err(|_| ApplicationError::Unreachable(std::io::ErrorKind::TimedOut.into()))?
            .map_err(ApplicationError::Unreachable)?;
        stream.set_nodelay(true).map_err(ApplicationError::Unreachable)?;
        Ok(stream)
    }
}

fn drop_stale(kept: &mut VecDeque<Kept>) {
    let now = Instant::now();
    kept.retain(|kept| !kept.is_stale(now));
}
