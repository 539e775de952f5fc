//! HTTPS for the API server. Owns the limits on what a connection and a body may be, in bytes and in time, and which
//! requests are questions at all (K20, K21); the answers are `review`'s. Nothing is kept between two questions.

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request as HttpRequest, Response as HttpResponse, StatusCode, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Body, Buf as _, Bytes};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use kith_mtls::WebServer;
use kith_runtime::{Clock, Limits, Stop, Tasks, serve};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{SemaphorePermit, watch};
use tokio::time::timeout;
use tracing::{debug, info};

use super::guests::{Guest, Guests};
use super::review::{Ground, Question, Request};
use crate::index::World;
use crate::index::cluster::Facts;
use crate::inject::Settings;
use crate::server::serve_until;

/// Of application protocols, best first.
pub(super) const ALPN: &[&[u8]] = &[H2, b"http/1.1"];
const H2: &[u8] = b"h2";
const LIMITS: Limits = Limits { connections: 4096 };
/// K20: what the API server stores is smaller.
const MAX_BODY: usize = 4 * 1024 * 1024;
/// K21: beyond it a body needs room among those of all addresses. Ordinary pods are smaller by far.
const SMALL_BODY: usize = 64 * 1024;
const MAX_HEADERS: u32 = 16 * 1024;
const MAX_STREAMS: u32 = 64;
const HANDSHAKE_TIME: Duration = Duration::from_secs(5);
/// Also between two requests of HTTP/1.1.
const HEADER_TIME: Duration = Duration::from_secs(10);
const BODY_TIME: Duration = Duration::from_secs(2);
/// How long a namespace may take to be heard of.
const FACTS_TIME: Duration = Duration::from_secs(1);
/// The API server waits five seconds (`timeoutSeconds`); it should read why.
const ANSWER_TIME: Duration = Duration::from_secs(4);
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// The server, for as long as its process lives.
pub(crate) struct Webhook {
    tls: WebServer,
    facts: watch::Receiver<Arc<Facts>>,
    worlds: watch::Receiver<Arc<World>>,
    installed: Installed,
    clock: Clock,
    guests: Guests,
    stop: Stop,
    tasks: Tasks,
}

/// The installation that answers.
#[derive(Debug)]
pub(crate) struct Installed {
    /// How it injects.
    pub(crate) settings: Settings,
    /// Where it is.
    pub(crate) namespace: String,
}

/// A request that is no question, and how it is told so.
struct Wrong(StatusCode, String);

impl Webhook {
    /// `tls` is from [`Certificates`](super::Certificates), `facts` is what the source saw, `worlds` what is in force.
    pub(crate) fn new(
        tls: WebServer,
        facts: watch::Receiver<Arc<Facts>>,
        worlds: watch::Receiver<Arc<World>>,
        installed: Installed,
        clock: Clock,
        stop: Stop,
        tasks: Tasks,
    ) -> Arc<Self> {
        Arc::new(Self { tls, facts, worlds, installed, clock, guests: Guests::new(), stop, tasks })
    }

    /// Answers until the stop begins.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener) {
        let (stop, tasks) = (self.stop.clone(), self.tasks.clone());
        let handle = move |stream, address| Arc::clone(&self).connection(stream, address);
        serve(listener, LIMITS, stop, &tasks, handle).await;
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, address: SocketAddr) {
        let guest = self.guests.at(address.ip().to_canonical());
        let served = guest.connections.run(async {
            let session = tokio::select! {
                session = self.tls.accept(stream, HANDSHAKE_TIME) => session,
                () = self.stop.graceful() => return,
            };
            match session {
                Ok((stream, facts)) if facts.alpn.as_deref().map(str::as_bytes) == Some(H2) => {
                    Arc::clone(&self).serve_http2(stream, &guest).await;
                }
                Ok((stream, _)) => Arc::clone(&self).serve_http1(stream, &guest).await,
                Err(error) => {
                    info!(%address, reason = error.reason(), %error, "Connection to the webhook refused")
                }
            }
        });
        if served.await.is_none() {
            info!(%address, "Connection to the webhook cut off: its address has too many");
        }
    }

    async fn serve_http2<IO>(self: Arc<Self>, io: IO, guest: &Arc<Guest>)
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (stop, executor, guest) = (self.stop.clone(), self.tasks.clone(), Arc::clone(guest));
        let answer = service_fn(move |request| Arc::clone(&self).answer(Arc::clone(&guest), request));
        let connection = http2::Builder::new(executor)
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(MAX_HEADERS)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .serve_connection(TokioIo::new(io), answer);
        log_ended(
            serve_until(connection, pending(), &stop, |connection| connection.graceful_shutdown()).await,
        );
    }

    async fn serve_http1<IO>(self: Arc<Self>, io: IO, guest: &Arc<Guest>)
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (stop, guest) = (self.stop.clone(), Arc::clone(guest));
        let answer = service_fn(move |request| Arc::clone(&self).answer(Arc::clone(&guest), request));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIME)
            .serve_connection(TokioIo::new(io), answer);
        log_ended(
            serve_until(connection, pending(), &stop, |connection| connection.graceful_shutdown()).await,
        );
    }

    async fn answer<B>(
        self: Arc<Self>,
        guest: Arc<Guest>,
        request: HttpRequest<B>,
    ) -> Result<HttpResponse<Full<Bytes>>, Infallible>
    where
        B: Body,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let question = match question(&request) {
            Ok(question) => question,
            Err(wrong) => return Ok(refuse(&wrong)),
        };
        let answered =
            timeout(ANSWER_TIME, guest.in_turn(self.review(question, &guest, request.into_body()))).await;
        let answered = answered
            .unwrap_or_else(|_| Err(Wrong(StatusCode::SERVICE_UNAVAILABLE, "too many questions".into())));
        Ok(match answered {
            Ok(text) => json(StatusCode::OK, text),
            Err(wrong) => refuse(&wrong),
        })
    }

    async fn review<B>(&self, question: Question, guest: &Guest, body: B) -> Result<String, Wrong>
    where
        B: Body,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (body, _room) = read(guest, body).await?;
        let request = Request::read(question, &body)
            .map_err(|error| Wrong(StatusCode::BAD_REQUEST, error.to_string()))?;
        let mut facts = self.facts.clone();
        // Whatever comes of the wait: the answer goes by what is known then.
        let heard = timeout(FACTS_TIME, facts.wait_for(|facts| request.can_be_answered(facts))).await;
        debug!(?question, heard = heard.is_ok(), "Question read");
        drop(heard);
        let (facts, world) = (self.facts.borrow().clone(), self.worlds.borrow().clone());
        let ground = Ground {
            facts: &facts,
            world: &world,
            settings: &self.installed.settings,
            own_namespace: &self.installed.namespace,
            now: self.clock.now(),
        };
        Ok(request.answer(ground).to_string())
    }
}

/// Before any of the body is read.
fn question<B: Body>(request: &HttpRequest<B>) -> Result<Question, Wrong> {
    let wrong = |status, text: &str| Err(Wrong(status, text.to_owned()));
    let Some(question) = Question::of_path(request.uri().path()) else {
        return wrong(
            StatusCode::NOT_FOUND,
            "the paths are /inject, and below /validate pods, policies and namespaces",
        );
    };
    if request.method() != Method::POST {
        return wrong(StatusCode::METHOD_NOT_ALLOWED, "an AdmissionReview is posted");
    }
    if request.headers().contains_key(header::CONTENT_ENCODING) {
        return wrong(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body must not be compressed");
    }
    let media_type = request.headers().get(header::CONTENT_TYPE).map(|value| value.as_bytes());
    let is_json = |value: &[u8]| value.split(|b| *b == b';').next() == Some(b"application/json");
    if !media_type.is_some_and(is_json) {
        return wrong(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body has to be application/json");
    }
    if request.body().size_hint().lower() > MAX_BODY as u64 {
        return Err(too_large());
    }
    Ok(question)
}

/// A slow body costs others nothing: it has a turn of its own address alone, and room among all only once it is large.
async fn read<B>(guest: &Guest, body: B) -> Result<(Vec<u8>, Option<SemaphorePermit<'_>>), Wrong>
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let slow = |_| Wrong(StatusCode::REQUEST_TIMEOUT, "the body did not come in time".to_owned());
    timeout(BODY_TIME, collect(guest, body)).await.map_err(slow)?
}

async fn collect<B>(guest: &Guest, body: B) -> Result<(Vec<u8>, Option<SemaphorePermit<'_>>), Wrong>
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut body = std::pin::pin!(Limited::new(body, MAX_BODY));
    let (mut read, mut room) = (Vec::new(), None);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| match error.is::<LengthLimitError>() {
            true => too_large(),
            false => Wrong(StatusCode::BAD_REQUEST, "the body broke off".to_owned()),
        })?;
        // Trailers say nothing that is asked for.
        let Ok(mut data) = frame.into_data() else { continue };
        if room.is_none() && read.len() + data.remaining() > SMALL_BODY {
            room = Some(guest.room().await);
        }
        while data.has_remaining() {
            let chunk = data.chunk();
            read.extend_from_slice(chunk);
            let taken = chunk.len();
            data.advance(taken);
        }
    }
    Ok((read, room))
}

fn too_large() -> Wrong {
    Wrong(StatusCode::PAYLOAD_TOO_LARGE, format!("the body has more than {MAX_BODY} bytes"))
}

fn json(status: StatusCode, text: String) -> HttpResponse<Full<Bytes>> {
    respond(status, "application/json", text)
}

fn refuse(Wrong(status, text): &Wrong) -> HttpResponse<Full<Bytes>> {
    info!(status = status.as_u16(), reason = text, "Request to the webhook refused");
    respond(*status, "text/plain; charset=utf-8", format!("{text}\n"))
}

fn respond(status: StatusCode, media_type: &'static str, text: String) -> HttpResponse<Full<Bytes>> {
    let mut response = HttpResponse::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static(media_type));
    response
}

fn log_ended(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        debug!(%error, "Connection to the webhook ended with an error");
    }
}

#[cfg(test)]
mod tests;
