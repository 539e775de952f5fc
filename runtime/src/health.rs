//! `/live`, `/ready` and `/metrics`: three questions over HTTP/1.1, and nothing that changes anything. Owns what is
//! answered to whom; what a process waits for and what it counts comes from the process.
//!
//! Whoever can connect may ask, so a connection carries one question, within a time, and newer ones push out those
//! that are not through: nobody can keep the kubelet or a person waiting. A name in the `Host` header is refused, because
//! a page in somebody's browser can make its own name point here (DNS rebinding, G5).

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::Authority;
use http::{Method, Request, Response, StatusCode};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::metrics::Process;
use crate::{Limits, Newest, Stop, Stopper, Tasks, serve};

#[cfg(test)]
mod tests;

/// Questions under way at once; one more pushes out the oldest.
const CONNECTIONS: usize = 64;
/// From the connection's first byte to the end of its headers.
const HEADER_LIMIT: Duration = Duration::from_secs(5);
/// For the whole connection: who reads an answer slower than this does not get it.
const CONNECTION_LIMIT: Duration = Duration::from_secs(15);
/// At the end of the process, for the answers that are under way.
const CLOSE_LIMIT: Duration = Duration::from_millis(200);
const MAX_HEADERS: usize = 64;
/// Of a head; the least that hyper takes.
const MAX_HEAD_BYTES: usize = 8 * 1024;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// What a page says, when it has found out.
pub type Page = Pin<Box<dyn Future<Output = (StatusCode, String)> + Send>>;

/// What a process answers.
pub struct Health {
    waiting_for: Box<dyn Fn() -> Vec<String> + Send + Sync>,
    metrics: Registry,
    more: Vec<MorePages>,
}

/// The page that a request asks for, by its head.
type FindPage = dyn Fn(&Parts) -> Option<Page> + Send + Sync;

/// Pages that not every process has.
struct MorePages {
    find: Box<FindPage>,
    /// What the slowest of them takes.
    limit: Duration,
}

/// A port that answers until it is closed.
#[derive(Debug)]
pub struct HealthPort {
    address: SocketAddr,
    stopper: Stopper,
    tasks: Tasks,
}

impl Health {
    /// What a process tells: what every process has, and its own figures. `waiting_for` is asked for each answer: it
    /// names what is missing before the process can do its work. Empty: it can.
    pub fn of(
        process: Process,
        figures: impl Collector,
        waiting_for: impl Fn() -> Vec<String> + Send + Sync + 'static,
    ) -> Self {
        let mut metrics = Registry::default();
        metrics.register_collector(Box::new(process));
        metrics.register_collector(Box::new(figures));
        Self { waiting_for: Box::new(waiting_for), metrics, more: Vec::new() }
    }

    /// More pages: for the head of a request, the page that it asks for, if there is one. Only GET and HEAD are let
    /// through to it; none of them takes longer than `limit`.
    pub fn with_pages(
        mut self,
        limit: Duration,
        find: impl Fn(&Parts) -> Option<Page> + Send + Sync + 'static,
    ) -> Self {
        self.more.push(MorePages { find: Box::new(find), limit });
        self
    }

    /// What `/ready` says when this is missing: a page that is about the same says it in the same words.
    pub fn readiness(missing: &[String]) -> (StatusCode, String) {
        match missing {
            [] => (StatusCode::OK, "ok".to_owned()),
            names => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}", names.join(", "))),
        }
    }

    /// Answers from now on, whoever else waits for what.
    pub fn open(self, listener: TcpListener) -> io::Result<HealthPort> {
        let address = listener.local_addr()?;
        let (stopper, stop) = Stop::new();
        let tasks = Tasks::new();
        let accepting = tasks.clone();
        tasks.spawn(async move { self.serve(listener, stop, &accepting).await });
        Ok(HealthPort { address, stopper, tasks })
    }

    async fn serve(self, listener: TcpListener, stop: Stop, tasks: &Tasks) {
        let limit = CONNECTION_LIMIT + self.more.iter().map(|more| more.limit).max().unwrap_or_default();
        let (health, newest) = (Arc::new(self), Newest::new(CONNECTIONS));
        // More than are served at once: what is pushed out still has to be closed.
        let limits = Limits { connections: CONNECTIONS * 2 };
        let handle = move |stream, _| {
            let (health, newest) = (Arc::clone(&health), newest.clone());
            async move {
                let answered = newest.run(timeout(limit, connection(&health, stream))).await;
                if !matches!(answered, Some(Ok(Ok(())))) {
                    tracing::debug!("A health connection ended without an answer");
                }
            }
        };
        serve(listener, limits, stop, tasks, handle).await;
    }

    async fn answer<B>(&self, request: Request<B>) -> Response<String> {
        if let Err(refused) = check_host(&request) {
            return text(refused.0, refused.1);
        }
        let (head, _) = request.into_parts();
        let path = head.uri.path();
        let page = match path {
            "/live" | "/ready" | "/metrics" => None,
            _ => match self.more.iter().find_map(|more| (more.find)(&head)) {
                Some(page) => Some(page),
                None => {
                    let line = "no such page: ask for /live, /ready or /metrics";
                    return text(StatusCode::NOT_FOUND, line);
                }
            },
        };
        if !matches!(head.method, Method::GET | Method::HEAD) {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "nothing can be changed here: use GET");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match (page, path) {
            (Some(page), _) => {
                let (status, line) = page.await;
                text(status, &line)
            }
            (None, "/live") => text(StatusCode::OK, "ok"),
            (None, "/ready") => self.ready(),
            (None, _) => self.metrics(),
        }
    }

    fn ready(&self) -> Response<String> {
        let (status, line) = Self::readiness(&(self.waiting_for)());
        text(status, &line)
    }

    fn metrics(&self) -> Response<String> {
        let mut figures = String::new();
        if encode(&mut figures, &self.metrics).is_err() {
            return text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be written");
        }
        response(StatusCode::OK, OPEN_METRICS, figures)
    }
}

impl HealthPort {
    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it, answers under way included. It is the last that a drain ends, since `/ready` says that there is one.
    pub async fn close(self) {
        self.stopper.force();
        self.tasks.finish(CLOSE_LIMIT).await;
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health").field("metrics", &self.metrics).finish_non_exhaustive()
    }
}

/// One request: a second one would only make it possible to sit on a connection.
async fn connection(health: &Health, stream: TcpStream) -> hyper::Result<()> {
    let service = service_fn(|request| async move { Ok::<_, Infallible>(health.answer(request).await) });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_LIMIT)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD_BYTES)
        .keep_alive(false)
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

/// Exactly one `Host`, and in it an address or `localhost`: those mean this machine whoever resolves them.
fn check_host<B>(request: &Request<B>) -> Result<(), (StatusCode, &'static str)> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let (Some(host), None, None) = (hosts.next(), hosts.next(), request.uri().authority()) else {
        return Err((StatusCode::BAD_REQUEST, "a request has one Host header, and its target is a path"));
    };
    let known = Authority::try_from(host.as_bytes()).is_ok_and(|host| means_an_address(&host));
    if known { Ok(()) } else { Err((StatusCode::FORBIDDEN, "the Host header is no address: ask by address")) }
}

fn means_an_address(authority: &Authority) -> bool {
    let host = authority.host();
    let in_brackets = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_address = match in_brackets {
        Some(v6) => v6.parse::<Ipv6Addr>().is_ok(),
        None => host.parse::<IpAddr>().is_ok() || host.eq_ignore_ascii_case("localhost"),
    };
    // `user@127.0.0.1` is an address too, but nobody who means well writes it.
    is_address && !authority.as_str().contains('@')
}

fn text(status: StatusCode, line: &str) -> Response<String> {
    response(status, TEXT, format!("{line}\n"))
}

fn response(status: StatusCode, content: HeaderValue, body: String) -> Response<String> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    response
}
