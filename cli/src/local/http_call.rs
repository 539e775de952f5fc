//! Plain HTTP/1.1 calls, each on a connection of its own: what the demo's services, its story and tests need of a
//! client, and no more.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, HOST};
use http::{HeaderMap, Method, Request, Uri};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The longest body that is read whole.
const MAX_BODY: usize = 1024 * 1024;

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// Calls `http://HOST:PORT/PATH` once, within a time.
pub async fn call(method: Method, url: impl AsRef<str>, limit: Duration) -> anyhow::Result<Answer> {
    let url = url.as_ref();
    let answer = timeout(limit, exchange(method, url)).await;
    answer.with_context(|| format!("{url} did not answer within {limit:?}"))?
}

async fn exchange(method: Method, url: &str) -> anyhow::Result<Answer> {
    let mut open = open(method, url).await?;
    let mut body = BytesMut::new();
    while let Some(part) = open.next().await.with_context(|| format!("{url} broke off its answer"))? {
        ensure!(body.len() + part.len() <= MAX_BODY, "{url} answered with more than {MAX_BODY} bytes");
        body.extend_from_slice(&part);
    }
    Ok(Answer { status: open.status, headers: open.headers, body: body.freeze() })
}

/// An answer whose body is still coming.
pub(crate) struct OpenAnswer {
    /// The status code.
    pub(crate) status: u16,
    /// The headers.
    pub(crate) headers: HeaderMap,
    body: Incoming,
    connection: Connection,
}

impl fmt::Debug for OpenAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAnswer").field("status", &self.status).finish_non_exhaustive()
    }
}

impl OpenAnswer {
    /// The next part of the body; `None` at its proper end, an error when it breaks off.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<Bytes>> {
        loop {
            match self.connection.drive(self.body.frame()).await {
                None => return Ok(None),
                Some(frame) => {
                    // Trailers are of no interest here.
                    if let Ok(data) = frame?.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }
}

/// Calls, and returns as soon as the answer's head is there.
pub(crate) async fn open(method: Method, url: &str) -> anyhow::Result<OpenAnswer> {
    let uri: Uri = url.parse().with_context(|| format!("{url:?} is not a URL"))?;
    let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http"));
    let Some(authority) = authority else { bail!("{url:?} is not of the form http://HOST:PORT/PATH") };
    let stream =
        TcpStream::connect(authority.as_str()).await.with_context(|| format!("cannot connect to {url}"))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let mut connection = Connection::of(connection);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, authority.as_str())
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())?;
    let answer = connection.drive(sender.send_request(request)).await;
    let (head, body) = answer.with_context(|| format!("{url} gave no answer"))?.into_parts();
    Ok(OpenAnswer { status: head.status.as_u16(), headers: head.headers, body, connection })
}

/// The connection makes progress only while it is polled. Its end alone says nothing about the answer.
struct Connection(Option<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl Connection {
    fn of(connection: impl Future<Output = hyper::Result<()>> + Send + 'static) -> Self {
        // An error is seen by whoever waits for the answer.
        Self(Some(Box::pin(async move { drop(connection.await) })))
    }

    async fn drive<T>(&mut self, wait: impl Future<Output = T>) -> T {
        let mut wait = std::pin::pin!(wait);
        if let Some(connection) = &mut self.0 {
            tokio::select! {
                done = &mut wait => return done,
                () = connection => self.0 = None,
            }
        }
        wait.await
    }
}
