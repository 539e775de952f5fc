//! A client as an application would be: plain HTTP on one connection, no retries, no pool.

use std::net::SocketAddr;

use anyhow::Context;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

/// Any body.
pub type AnyBody = BoxBody<Bytes, std::convert::Infallible>;

/// What a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 without TLS, by prior knowledge.
    Http2,
}

/// A whole response.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// Its trailers, empty when there were none.
    pub trailers: HeaderMap,
}

impl Answer {
    /// The denial id, when a sidecar refused.
    pub fn denial_id(&self) -> Option<&str> {
        self.headers.get("kith-denial-id")?.to_str().ok()
    }
}

/// One connection.
#[derive(Debug)]
pub struct Connection {
    sender: Sender,
    authority: String,
}

#[derive(Debug)]
enum Sender {
    Http1(http1::SendRequest<AnyBody>),
    Http2(http2::SendRequest<AnyBody>),
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr, version: Version) -> anyhow::Result<Self> {
        let io = TokioIo::new(TcpStream::connect(address).await?);
        let sender = match version {
            Version::Http1 => {
                let (sender, connection) = http1::handshake(io).await?;
                drive(connection);
                Sender::Http1(sender)
            }
            Version::Http2 => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
                drive(connection);
                Sender::Http2(sender)
            }
        };
        Ok(Self { sender, authority: address.to_string() })
    }

    /// Sends a request as it is; `path` is used byte for byte.
    pub async fn send(
        &mut self,
        mut request: http::request::Builder,
        path: &str,
        body: AnyBody,
    ) -> anyhow::Result<Response<Incoming>> {
        Ok(match &mut self.sender {
            Sender::Http1(sender) => {
                request = request.uri(path).header(http::header::HOST, &self.authority);
                sender.send_request(request.body(body)?).await?
            }
            Sender::Http2(sender) => {
                request = request.uri(format!("http://{}{path}", self.authority));
                sender.send_request(request.body(body)?).await?
            }
        })
    }

    /// Sends a request with a short body and reads the whole response.
    pub async fn call(&mut self, method: &str, path: &str, body: impl Into<Bytes>) -> anyhow::Result<Answer> {
        let request = Request::builder().method(method);
        let response = self.send(request, path, Full::new(body.into()).boxed()).await?;
        read(response).await
    }
}

/// Reads a response to its end.
pub async fn read(response: Response<Incoming>) -> anyhow::Result<Answer> {
    let (parts, body) = response.into_parts();
    let whole = body.collect().await.context("the response broke off")?;
    let trailers = whole.trailers().cloned().unwrap_or_default();
    Ok(Answer { status: parts.status, headers: parts.headers, body: whole.to_bytes(), trailers })
}

/// A connection of a test ends with the test's runtime.
#[allow(clippy::disallowed_methods)]
fn drive(connection: impl Future<Output = hyper::Result<()>> + Send + 'static) {
    tokio::spawn(connection);
}
