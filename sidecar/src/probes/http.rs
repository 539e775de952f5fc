//! One GET of a probe, as the kubelet would have sent it. Owns its head, what counts as a good answer, and how much of
//! a body is passed on.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};

use futures_util::future::{Either, select};
use http::header::{ACCEPT, CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use http::{Request, StatusCode, Uri};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use kith_mtls::connect_to_own_application;
use tokio::io::{AsyncRead, AsyncWrite};

use super::ask::{Failure, connect};
use crate::body::Body;

/// More than that says nothing more about health.
const MAX_BODY_BYTES: usize = 4 * 1024;
const MAX_HEAD_BYTES: usize = 64 * 1024;
const KUBELET: HeaderValue = HeaderValue::from_static("kube-probe");

/// What is asked.
#[derive(Debug)]
pub(super) struct Get<'a> {
    pub(super) address: SocketAddr,
    /// With its query, as it was written.
    pub(super) path: &'a str,
    pub(super) headers: &'a [(String, String)],
    /// How the kubelet calls itself.
    pub(super) agent: Option<HeaderValue>,
}

/// 200 to 399 is a good answer, also one that points elsewhere: whoever asks is not told where.
pub(super) async fn get(get: &Get<'_>, https: bool) -> Result<(StatusCode, String), Failure> {
    let request = get.request()?;
    let stream = connect(get.address).await?;
    let (status, body) = if https {
        let stream = connect_to_own_application(stream, get.address.ip()).await.map_err(Failure::Tls)?;
        exchange(stream, request).await?
    } else {
        exchange(stream, request).await?
    };
    match status.as_u16() {
        200..=399 => Ok((status, body)),
        _ => Err(Failure::Status { status, body }),
    }
}

impl Get<'_> {
    fn request(&self) -> Result<Request<Body>, Failure> {
        let target = target(self.path);
        let unsendable = |_| Failure::Unsendable { what: "path", value: self.path.to_owned() };
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = Uri::try_from(target).map_err(unsendable)?;
        *request.headers_mut() = self.head()?;
        Ok(request)
    }

    /// What the author declared, and what the kubelet says where he did not.
    fn head(&self) -> Result<HeaderMap, Failure> {
        let mut head = HeaderMap::new();
        for (name, value) in self.headers {
            let unsendable = || Failure::Unsendable { what: "header", value: format!("{name}: {value}") };
            let name = HeaderName::try_from(name).map_err(|_| unsendable())?;
            let value = HeaderValue::try_from(value).map_err(|_| unsendable())?;
            // There is one host; the first is what the kubelet takes.
            if name != HOST || !head.contains_key(HOST) {
                head.append(name, value);
            }
        }
        if !head.contains_key(USER_AGENT) {
            head.insert(USER_AGENT, self.agent.clone().unwrap_or(KUBELET));
        }
        if !head.contains_key(HOST) {
            let host = HeaderValue::try_from(self.address.to_string());
            head.insert(HOST, host.expect("a socket address is visible ASCII"));
        }
        match head.get(ACCEPT) {
            None => drop(head.insert(ACCEPT, HeaderValue::from_static("*/*"))),
            Some(declared) if declared.is_empty() => drop(head.remove(ACCEPT)),
            Some(_) => {}
        }
        head.insert(CONNECTION, HeaderValue::from_static("close"));
        Ok(head)
    }
}

/// The target of a request line: with a slash before it and without a fragment; what cannot stand in one is encoded.
fn target(path: &str) -> String {
    let path = path.split('#').next().unwrap_or_default();
    let slash = if path.starts_with('/') { "" } else { "/" };
    let byte = |byte: u8| match byte {
        b'!'..=b'~' if !b"\"<>\\^`{|}".contains(&byte) => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    format!("{slash}{}", path.bytes().map(byte).collect::<String>())
}

/// One request and its answer. The connection is driven by whoever waits for the answer, and ends with it.
async fn exchange<IO>(io: IO, request: Request<Body>) -> Result<(StatusCode, String), Failure>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let builder = http1::Builder::new().max_buf_size(MAX_HEAD_BYTES).handshake(TokioIo::new(io));
    let (mut sender, connection) = builder.await?;
    let answer = async move {
        let response = sender.send_request(request).await?;
        Ok((response.status(), beginning(response.into_body()).await?))
    };
    match select(pin!(answer), pin!(connection)).await {
        Either::Left((answer, _)) => answer,
        // It is over, and what had come by then is an answer or none.
        Either::Right((_, answer)) => answer.await,
    }
}

async fn beginning(mut body: Incoming) -> Result<String, Failure> {
    let mut read = Vec::new();
    while read.len() < MAX_BODY_BYTES {
        let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await.transpose()? else { break };
        if let Ok(data) = frame.into_data() {
            read.extend_from_slice(&data[..data.len().min(MAX_BODY_BYTES - read.len())]);
        }
    }
    Ok(String::from_utf8_lossy(&read).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_becomes_a_target_as_the_kubelet_would_write_it() {
        for (path, wanted) in [
            ("/healthz?full=1&a=b", "/healthz?full=1&a=b"),
            ("healthz", "/healthz"),
            ("", "/"),
            ("/a b\r\nX: y", "/a%20b%0D%0AX:%20y"),
            ("/größe", "/gr%C3%B6%C3%9Fe"),
            ("/%7Euser", "/%7Euser"),
            ("/a#b", "/a"),
            ("http://evil.example/", "/http://evil.example/"),
        ] {
            assert_eq!(target(path), wanted);
            assert!(Uri::try_from(target(path)).is_ok_and(|uri| uri.authority().is_none()), "{path}");
        }
    }

    #[test]
    fn a_header_that_cannot_be_sent_is_a_failure() {
        for (name, value) in [("X Y", "1"), ("", "1"), ("X", "a\r\nY: b")] {
            let headers = [(name.to_owned(), value.to_owned())];
            let get = Get { address: ([10, 0, 0, 1], 80).into(), path: "/", headers: &headers, agent: None };
            assert!(matches!(get.request(), Err(Failure::Unsendable { what: "header", .. })), "{name:?}");
        }
    }
}
