//! The applications of the demo: plain HTTP, no TLS, no thought of a mesh. Each listens on loopback; what it calls
//! it calls through its sidecar, whose address it finds in its environment.

mod ticks;

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::pin::pin;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use kith_runtime::{Limits, Stop, Tasks, drain, serve, signals};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use self::ticks::Ticks;
use super::http_call::{Answer, call};
use crate::args::{DemoService, DemoServiceArgs};

/// Carries the id of a refusal back to whoever began the chain of calls.
const DENIAL_HEADER: &str = "kith-denial-id";
const LIMIT: Duration = Duration::from_secs(5);
const CHECKOUT_EVERY: Duration = Duration::from_secs(1);
const INTRUDE_EVERY: Duration = Duration::from_secs(2);
const KNOCK_EVERY: Duration = Duration::from_secs(15);
const FIRST_KNOCK: Duration = Duration::from_secs(3);
const DRAIN: Duration = Duration::from_secs(2);
const LIMITS: Limits = Limits { connections: 256 };

/// Serves until a signal.
pub async fn run(args: DemoServiceArgs) -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port)).await;
    let listener = listener.with_context(|| format!("cannot listen on port {}", args.port))?;
    let (stopper, stop) = Stop::new();
    let tasks = Tasks::new();
    if !args.quiet {
        let (app, own) = (App::of(&args), format!("http://127.0.0.1:{}", args.port));
        tasks.spawn_until(&stop, async move { app.make_calls(&own).await });
    }
    let app = App::of(&args);
    let serving = {
        let (stop, accepted) = (stop.clone(), stop);
        serve(listener, LIMITS, accepted, &tasks, move |stream, _| {
            connection(app.clone(), stream, stop.clone())
        })
    };
    tokio::select! {
        () = serving => Ok(()),
        signal = signals::stop_requested() => {
            let mut signal = signal.context("cannot wait for signals")?;
            drain(&stopper, &tasks, DRAIN, signal.again()).await;
            Ok(())
        }
    }
}

/// A short text, or a stream.
type Body = Either<Full<Bytes>, Ticks>;

/// One service and where it finds what it calls.
#[derive(Debug, Clone)]
struct App {
    service: DemoService,
    orders: Option<String>,
    payments: Option<String>,
    payments_inbound: Option<String>,
}

impl App {
    fn of(args: &DemoServiceArgs) -> Self {
        Self {
            service: args.service,
            orders: args.orders_url.clone(),
            payments: args.payments_url.clone(),
            payments_inbound: args.payments_inbound.clone(),
        }
    }

    /// What the service does by itself. Nobody waits for the answers: the identity log tells what became of them.
    async fn make_calls(&self, own: &str) {
        match self.service {
            DemoService::Web => {
                repeat(CHECKOUT_EVERY, Duration::ZERO, || {
                    call(Method::GET, format!("{own}/checkout"), LIMIT)
                })
                .await;
            }
            DemoService::Intruder => self.intrude().await,
            DemoService::Orders | DemoService::Payments => {}
        }
    }

    /// Calls what it may not, through its sidecar; and, without one, knocks at the door of another's.
    async fn intrude(&self) {
        let charge = |base: &Option<String>| {
            let url = base.as_ref().map(|base| format!("{base}/charge/7"));
            async move {
                let url = url.context("payments is not known")?;
                call(Method::POST, url, LIMIT).await
            }
        };
        let knock_at = self.payments_inbound.as_ref().map(|address| format!("http://{address}"));
        tokio::join!(
            repeat(INTRUDE_EVERY, Duration::ZERO, || charge(&self.payments)),
            repeat(KNOCK_EVERY, FIRST_KNOCK, || charge(&knock_at)),
        );
    }

    async fn answer(&self, request: &Request<Incoming>, stop: &Stop) -> Response<Body> {
        let (method, path) = (request.method(), request.uri().path());
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        match (self.service, method, segments.as_slice()) {
            (_, &Method::GET, ["health"]) => text(StatusCode::OK, "ok\n"),
            (DemoService::Web, &Method::GET, ["checkout"]) => {
                self.pass_on(Method::GET, &self.orders, "orders/42", "checked out").await
            }
            (DemoService::Orders, &Method::GET, ["orders", id]) => {
                self.pass_on(Method::POST, &self.payments, &format!("charge/{id}"), "ordered").await
            }
            (DemoService::Payments, &Method::POST, ["charge", _]) => text(StatusCode::OK, "charged\n"),
            (DemoService::Payments, &Method::GET, ["events"]) => {
                text(StatusCode::OK, "").map(|_| Either::Right(Ticks::until(stop.clone())))
            }
            _ => text(StatusCode::NOT_FOUND, "no such thing here\n"),
        }
    }

    /// Calls the next service, and answers by what it said.
    async fn pass_on(&self, method: Method, to: &Option<String>, path: &str, done: &str) -> Response<Body> {
        let Some(base) = to else { return text(StatusCode::INTERNAL_SERVER_ERROR, "nobody to call\n") };
        match call(method, format!("{base}/{path}"), LIMIT).await {
            Ok(answer) if answer.status == 200 => {
                text(StatusCode::OK, &format!("{done}: {}", String::from_utf8_lossy(&answer.body)))
            }
            Ok(answer) => refused(&answer),
            Err(error) => text(StatusCode::BAD_GATEWAY, &format!("{error:#}\n")),
        }
    }
}

/// Calls again and again; the next time does not wait for a slow answer to make up for it.
async fn repeat<F: Future<Output = anyhow::Result<Answer>>>(
    every: Duration,
    first: Duration,
    make: impl Fn() -> F,
) {
    let mut ticks = interval_at(Instant::now() + first, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // A call that fails is what the demo is there to show, in the log of its sidecar.
        let _ = make().await;
    }
}

/// What the next service answered, if it was not what was wanted, with the id of its refusal.
fn refused(answer: &Answer) -> Response<Body> {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut response = text(status, &String::from_utf8_lossy(&answer.body));
    copy(DENIAL_HEADER, &answer.headers, response.headers_mut());
    response
}

fn copy(name: &'static str, from: &HeaderMap, to: &mut HeaderMap) {
    if let Some(value) = from.get(name) {
        to.insert(name, value.clone());
    }
}

fn text(status: StatusCode, body: &str) -> Response<Body> {
    let mut response = Response::new(Either::Left(Full::new(Bytes::from(body.to_owned()))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

async fn connection(app: App, stream: TcpStream, stop: Stop) {
    let stopped = stop.clone();
    let service = service_fn(move |request| {
        let (app, stop) = (app.clone(), stopped.clone());
        async move { Ok::<_, Infallible>(app.answer(&request, &stop).await) }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(LIMIT)
            .serve_connection(TokioIo::new(stream), service)
    );
    let mut stopping = false;
    loop {
        tokio::select! {
            // How a connection of the demo ends is of no interest to anybody.
            _ = &mut connection => return,
            () = stop.graceful(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}
