//! What a session is for. The two kinds differ in who drives their HTTP/2 and in nothing else: calls are hyper's, streams
//! are driven frame by frame, because an abort must stay an abort.

use std::fmt::Debug;
use std::future::Future;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    ALPN_CALLS, ALPN_STREAMS, LARGEST_WINDOW, MAX_HEADER_BYTES, OPEN_STREAMS, SESSION_WINDOW, STREAM_WINDOW,
    SessionError,
};
use crate::body::Body;
use crate::session_tasks::SessionTasks;

/// A destination that does not answer a ping for so long is gone.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_LIMIT: Duration = Duration::from_secs(10);

/// One kind of session.
pub(crate) trait Carrier: Debug + Send + Sync + 'static {
    /// The application protocol that the peer must agree on.
    const ALPN: &'static [u8];
    /// Opens calls, or streams.
    type Sender: Clone + Debug + Send + Sync + 'static;

    /// Sets up HTTP/2 over a proven connection. The future drives it, and says at the end whether it ended well.
    fn start<S>(
        stream: S,
    ) -> impl Future<
        Output = Result<(Self::Sender, impl Future<Output = bool> + Send + 'static), SessionError>,
    > + Send
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Whether nothing more can be opened.
    fn is_closed(sender: &Self::Sender) -> bool;
}

/// HTTP calls.
#[derive(Debug)]
pub(crate) struct Calls;

/// Opaque streams and WebSockets, each an HTTP/2 CONNECT.
#[derive(Debug)]
pub(crate) struct Streams;

impl Carrier for Calls {
    const ALPN: &'static [u8] = ALPN_CALLS;
    type Sender = http2::SendRequest<Body>;

    async fn start<S>(
        stream: S,
    ) -> Result<(Self::Sender, impl Future<Output = bool> + Send + 'static), SessionError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let tasks = SessionTasks::default();
        let (sender, connection) = http2::Builder::new(tasks.executor())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(SESSION_WINDOW)
            .max_header_list_size(MAX_HEADER_BYTES)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_LIMIT)
            .handshake::<_, Body>(TokioIo::new(stream))
            .await
            .map_err(SessionError::Http2)?;
        let driven = async move {
            let result = connection.await;
            // Its calls go on in tasks of their own.
            tasks.ended().await;
            result.is_ok()
        };
        Ok((sender, driven))
    }

    fn is_closed(sender: &Self::Sender) -> bool {
        sender.is_closed()
    }
}

impl Carrier for Streams {
    const ALPN: &'static [u8] = ALPN_STREAMS;
    type Sender = h2::client::SendRequest<Bytes>;

    async fn start<S>(
        stream: S,
    ) -> Result<(Self::Sender, impl Future<Output = bool> + Send + 'static), SessionError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, mut connection) = h2::client::Builder::new()
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(LARGEST_WINDOW)
            .max_header_list_size(MAX_HEADER_BYTES)
            .initial_max_send_streams(OPEN_STREAMS as usize)
            .enable_push(false)
            .handshake::<_, Bytes>(stream)
            .await
            .map_err(SessionError::Streams)?;
        let answered = keep_alive(connection.ping_pong());
        let driven = async move {
            tokio::select! {
                result = connection => result.is_ok(),
                () = answered => false,
            }
        };
        Ok((sender, driven))
    }

    fn is_closed(sender: &Self::Sender) -> bool {
        // Full is not closed: whoever opens a stream then waits.
        let ready = sender.clone().poll_ready(&mut Context::from_waker(Waker::noop()));
        matches!(ready, Poll::Ready(Err(_)))
    }
}

/// Ends when the other end does not answer any more.
pub(crate) async fn keep_alive(pings: Option<h2::PingPong>) {
    let Some(mut pings) = pings else { return };
    loop {
        tokio::time::sleep(PING_INTERVAL).await;
        let answered = tokio::time::timeout(PING_LIMIT, pings.ping(h2::Ping::opaque())).await;
        if !matches!(answered, Ok(Ok(_))) {
            return;
        }
    }
}
