//! Serving HTTP on a connection, with the limits of every listener: header bytes, header time, streams (D1, H20).

mod prompt;

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::HttpService;
use hyper_util::rt::{TokioIo, TokioTimer};
use kith_runtime::{Stop, Tasks};
pub(crate) use prompt::Prompt;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::body::Body;
use crate::forward::MAX_HEADERS;
use crate::session::{MAX_HEADER_BYTES, SESSION_WINDOW, STREAM_WINDOW, STREAMS};

const HEADER_LIMIT: Duration = Duration::from_secs(10);
/// What every HTTP/2 connection begins with.
const PREFACE_BYTES: usize = 24;
/// A peer that does not answer a ping for so long is gone.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_LIMIT: Duration = Duration::from_secs(10);

/// HTTP/1.1 until the connection ends or switches; a stop finishes the request under way.
pub(crate) async fn http1<S>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    service: S,
    stop: &Stop,
) -> hyper::Result<()>
where
    S: HttpService<Incoming, ResBody = Body, Error = Infallible>,
{
    let connection = http1_builder().serve_connection(TokioIo::new(stream), service).with_upgrades();
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        result = connection.as_mut() => return result,
        () = stop.graceful() => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

/// HTTP/2 until the connection ends; a stop announces it and finishes the streams.
pub(crate) async fn http2<S, Fut>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    service: S,
    tasks: &Tasks,
    stop: &Stop,
) -> hyper::Result<()>
where
    S: hyper::service::Service<
            Request<Incoming>,
            Response = Response<Body>,
            Error = Infallible,
            Future = Fut,
        >,
    Fut: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
{
    let connection = http2_builder(tasks.clone()).serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        result = connection.as_mut() => return result,
        () = stop.graceful() => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

/// The limits of every HTTP/1.1 server side.
pub(crate) fn http1_builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_LIMIT)
        .max_headers(MAX_HEADERS)
        .max_header_size(MAX_HEADER_BYTES as usize)
        .auto_date_header(false);
    builder
}

/// A stream on which the beginning of an HTTP/2 connection has to come in time.
pub(crate) fn prompt<S>(stream: S) -> Prompt<S> {
    Prompt::new(stream, PREFACE_BYTES, HEADER_LIMIT)
}

/// An HTTP/2 server side, ours to applications and ours to peers.
#[derive(Debug)]
pub(crate) struct Http2(http2::Builder<Tasks>);

/// The limits of every HTTP/2 server side.
pub(crate) fn http2_builder(tasks: Tasks) -> Http2 {
    let mut builder = http2::Builder::new(tasks);
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(SESSION_WINDOW)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(MAX_HEADER_BYTES)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_LIMIT)
        .auto_date_header(false);
    Http2(builder)
}

impl Http2 {
    /// A connection. Pings watch over it, but only once it has begun: the beginning has a limit of its own.
    pub(crate) fn serve_connection<T, S>(
        &self,
        io: TokioIo<T>,
        service: S,
    ) -> http2::Connection<TokioIo<Prompt<T>>, S, Tasks>
    where
        T: AsyncRead + AsyncWrite + Unpin,
        S: HttpService<Incoming, ResBody = Body, Error = Infallible>,
        Tasks: hyper::rt::bounds::Http2ServerConnExec<S::Future, Body>,
    {
        self.0.serve_connection(TokioIo::new(prompt(io.into_inner())), service)
    }
}
