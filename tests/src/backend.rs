//! An application that counts what reaches it.
//!
//! It answers `GET` and `POST` with what it got, and speaks HTTP/1.1 and HTTP/2 on the same port. Under
//! `/echo.Echo/` it is a gRPC server of one method: every message that comes in goes out, then the trailers. Under
//! `/head/N` its answer has a header of `N` bytes. Under `/ws` it switches to a WebSocket and echoes bytes. Under
//! `/flood` its answer has no end.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::Context;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use kith_runtime::{Limits, Stop, Stopper, Tasks, serve};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::load::ATTEMPT_HEADER;

type Body = BoxBody<Bytes, hyper::Error>;

/// The application.
#[derive(Debug)]
pub struct Backend {
    address: SocketAddr,
    received: Arc<Mutex<Received>>,
    stopper: Stopper,
}

#[derive(Debug, Default)]
struct Received {
    attempts: BTreeSet<u64>,
    requests: Vec<(String, HeaderMap)>,
    trailers: Vec<HeaderMap>,
}

impl Backend {
    /// Listens on loopback.
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let received: Arc<Mutex<Received>> = Arc::default();
        let (stopper, stop) = Stop::new();
        let (tasks, seen) = (Tasks::new(), Arc::clone(&received));
        let accepting = tasks.clone();
        tasks.spawn(async move {
            let each = move |stream, _| connection(stream, Arc::clone(&seen));
            serve(listener, Limits { connections: 4_096 }, stop, &accepting, each).await;
        });
        Ok(Self { address, received, stopper })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The numbers of the attempts that reached it.
    pub fn receipts(&self) -> BTreeSet<u64> {
        self.received.lock().map(|received| received.attempts.clone()).unwrap_or_default()
    }

    /// Method and path, and headers, of everything that reached it.
    pub fn requests(&self) -> Vec<(String, HeaderMap)> {
        self.received.lock().map(|received| received.requests.clone()).unwrap_or_default()
    }

    /// The trailers of every request that had some.
    pub fn trailers(&self) -> Vec<HeaderMap> {
        self.received.lock().map(|received| received.trailers.clone()).unwrap_or_default()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.stopper.force();
    }
}

async fn connection(stream: TcpStream, received: Arc<Mutex<Received>>) {
    let switched = Tasks::new();
    let tasks = switched.clone();
    let service = service_fn(move |request| {
        let (received, tasks) = (Arc::clone(&received), tasks.clone());
        async move {
            let answered = answer(request, &received, &tasks).await;
            Ok::<_, Infallible>(answered.unwrap_or_else(|error| failed(&error)))
        }
    });
    // A client that goes away is the client's business.
    let _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection_with_upgrades(TokioIo::new(stream), service)
        .await;
    switched.ended().await;
}

async fn answer(
    request: Request<Incoming>,
    received: &Mutex<Received>,
    switched: &Tasks,
) -> anyhow::Result<Response<Body>> {
    let line =
        format!("{} {}", request.method(), request.uri().path_and_query().map_or("/", |path| path.as_str()));
    note(&line, request.headers(), received)?;
    if request.uri().path() == "/ws" && request.headers().contains_key(http::header::UPGRADE) {
        return Ok(websocket_echo(request, switched));
    }
    if request.uri().path() == "/flood" {
        let zeros = std::iter::repeat_with(|| Ok(Frame::data(Bytes::from_static(&[0; 16 * 1024]))));
        return Ok(Response::new(StreamBody::new(futures_util::stream::iter(zeros)).boxed()));
    }
    if request.uri().path().starts_with("/echo.Echo/") {
        return Ok(grpc_echo(request));
    }
    let head = request.uri().path().strip_prefix("/head/").map(str::parse::<usize>).transpose()?;
    let whole = request.into_body().collect().await?;
    if let Some(trailers) = whole.trailers() {
        unpoisoned(received)?.trailers.push(trailers.clone());
    }
    let body = whole.to_bytes();
    let body = if body.is_empty() { Bytes::from(line) } else { body };
    let mut response = Response::new(Full::new(body).map_err(|never| match never {}).boxed());
    if let Some(length) = head {
        response.headers_mut().insert("x-large", HeaderValue::try_from("v".repeat(length))?);
    }
    Ok(response)
}

fn unpoisoned(received: &Mutex<Received>) -> anyhow::Result<MutexGuard<'_, Received>> {
    received.lock().map_err(|_| anyhow::anyhow!("a request panicked"))
}

fn note(line: &str, headers: &HeaderMap, received: &Mutex<Received>) -> anyhow::Result<()> {
    let mut received = unpoisoned(received)?;
    if let Some(number) = headers.get(ATTEMPT_HEADER) {
        let number = number.to_str()?.parse().context("attempt number")?;
        anyhow::ensure!(received.attempts.insert(number), "attempt {number} came twice");
    }
    received.requests.push((line.to_owned(), headers.clone()));
    Ok(())
}

/// 101, then bytes out as they come in: what the frames of a WebSocket say is of no interest here.
fn websocket_echo(request: Request<Incoming>, switched: &Tasks) -> Response<Body> {
    switched.spawn(async move {
        let Ok(upgraded) = hyper::upgrade::on(request).await else { return };
        let (mut read, mut write) = tokio::io::split(TokioIo::new(upgraded));
        // Either side may break it off; what the test sees of that is what counts.
        let _ = tokio::io::copy(&mut read, &mut write).await;
        let _ = write.shutdown().await;
    });
    let mut response = Response::new(Full::default().map_err(|never| match never {}).boxed());
    *response.status_mut() = http::StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(http::header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(http::header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert("sec-websocket-accept", HeaderValue::from_static("accepted"));
    response
}

/// Frames out as they come in, then `grpc-status: 0` in the trailers.
fn grpc_echo(request: Request<Incoming>) -> Response<Body> {
    let trailers =
        HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))]);
    let frames = request.into_body().map_frame(|frame| match frame.into_data() {
        Ok(data) => Frame::data(data),
        Err(_) => Frame::data(Bytes::new()),
    });
    let body = frames.with_trailers(async move { Some(Ok(trailers)) }).boxed();
    let mut response = Response::new(body);
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

fn failed(error: &anyhow::Error) -> Response<Body> {
    let text = Full::new(Bytes::from(format!("{error:#}"))).map_err(|never| match never {}).boxed();
    let mut response = Response::new(text);
    *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
    response
}
