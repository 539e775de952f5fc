//! One plain HTTP/1.1 call on a connection of its own: what the demo's services, its story and tests need of a
//! client, and no more.

use std::pin::pin;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::header::{CONNECTION, HOST};
use http::{HeaderMap, Method, Request, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The longest body that is read.
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
    let uri: Uri = url.parse().with_context(|| format!("{url:?} is not a URL"))?;
    let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http"));
    let Some(authority) = authority else { bail!("{url:?} is not of the form http://HOST:PORT/PATH") };
    let stream =
        TcpStream::connect(authority.as_str()).await.with_context(|| format!("cannot connect to {url}"))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, authority.as_str())
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())?;
    let answer = async {
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, MAX_BODY).collect().await.map_err(|error| anyhow::anyhow!(error))?;
        anyhow::Ok(Answer { status: head.status.as_u16(), headers: head.headers, body: body.to_bytes() })
    };
    // The connection makes progress only while it is polled; its end alone says nothing about the answer.
    let (mut answer, mut connection) = (pin!(answer), pin!(connection));
    let mut connected = true;
    loop {
        tokio::select! {
            answer = &mut answer => return answer.with_context(|| format!("{url} gave no answer")),
            _ = &mut connection, if connected => connected = false,
        }
    }
}
