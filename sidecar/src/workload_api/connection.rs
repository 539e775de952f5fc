//! One connection of an application: HTTP/2 with the limits of this socket. Owns when it is accepted, whose place it takes,
//! and when it is over; who may ask what on it is `gate`'s.

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use kith_runtime::{Stop, Tasks};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::authority::AnyAuthority;
use super::caller::{Caller, Callers};
use super::gate::Gate;
use super::places::{Place, Places};
use super::source::Source;
use crate::http_server::prompt;

/// Of one user. Clients have one connection, and rarely more.
const CONNECTIONS_PER_USER: usize = 64;
/// Of one user, by processes that may not ask: enough for them to be told.
const STRANGERS_PER_USER: usize = 8;
/// On one connection.
const MAX_STREAMS: u32 = 100;
/// Questions are small. What came and was not read costs no more than this.
const WINDOW: u32 = 128 * 1024;
const MAX_HEADER_LIST: u32 = 16 * 1024;
const MAX_RESETS: usize = 32;
/// Answers that wait for a reader, of one stream (W7).
const MAX_WAITING: usize = 64 * 1024;
/// A client that does not answer a ping for so long is gone, or does not read (W7).
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_LIMIT: Duration = Duration::from_secs(10);
/// Between GOAWAY and the end: for the last words of streams.
const GOODBYE_TIME: Duration = Duration::from_millis(500);

/// What is known of the connection that a question came on.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    pub(super) caller: Caller,
    /// Ends it, whatever is open on it.
    pub(super) over: CancellationToken,
}

/// A place for each connection. Who may not ask takes none of who may: locally all applications are of one user (W6).
#[derive(Clone)]
struct Seats {
    callers: Places,
    strangers: Places,
}

impl Seats {
    fn take(&self, caller: &Caller) -> Option<Place> {
        let places = if caller.check().is_ok() { &self.callers } else { &self.strangers };
        places.take(caller.uid())
    }
}

/// What the connections of the socket share.
#[derive(Clone)]
pub(super) struct Connections {
    callers: Callers,
    gate: Gate,
    seats: Seats,
    tasks: Tasks,
    stop: Stop,
}

impl Connections {
    pub(super) fn new(callers: Callers, source: Source, tasks: &Tasks, stop: &Stop) -> Self {
        let seats =
            Seats { callers: Places::new(CONNECTIONS_PER_USER), strangers: Places::new(STRANGERS_PER_USER) };
        Self {
            callers,
            gate: Gate::new(source, tasks, stop),
            seats,
            tasks: tasks.clone(),
            stop: stop.clone(),
        }
    }

    pub(super) async fn serve(self, stream: UnixStream) {
        let mut caller = match Caller::of(&stream, &self.callers) {
            Ok(caller) => caller,
            Err(error) => {
                return tracing::debug!(%error, "A connection ended before it was known whose it is");
            }
        };
        // Without a place it cannot be told: it has not spoken yet. Clients try again after a pause.
        let Some(mut seat) = self.seat(&caller) else { return };
        let connection = Connection { caller: caller.clone(), over: CancellationToken::new() };
        let (over, gate) = (connection.over.clone(), self.gate.clone());
        let answer = service_fn(move |request| gate.clone().answer(connection.clone(), request));
        let served = protocol(self.tasks.clone())
            .serve_connection(TokioIo::new(prompt(AnyAuthority::new(stream))), answer);
        let mut served = std::pin::pin!(served);
        loop {
            tokio::select! {
                ended = served.as_mut() => return log_end(ended),
                () = over.cancelled() => return,
                () = self.stop.graceful() => break,
                // Another application runs: who was its stranger may be its process now, and the other way round.
                () = caller.changed() => {
                    drop(seat);
                    let Some(next) = self.seat(&caller) else { break };
                    seat = next;
                }
            }
        }
        served.as_mut().graceful_shutdown();
        // Whoever does not end in time is cut off.
        if let Ok(ended) = timeout(GOODBYE_TIME, served).await {
            log_end(ended);
        }
    }

    fn seat(&self, caller: &Caller) -> Option<Place> {
        let seat = self.seats.take(caller);
        if seat.is_none() {
            self.gate.complain(caller, "this user has as many connections as one may have");
        }
        seat
    }
}

fn protocol(tasks: Tasks) -> http2::Builder<Tasks> {
    let mut protocol = http2::Builder::new(tasks);
    protocol
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_header_list_size(MAX_HEADER_LIST)
        .max_pending_accept_reset_streams(MAX_RESETS)
        .max_local_error_reset_streams(MAX_RESETS)
        .max_send_buf_size(MAX_WAITING)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_LIMIT);
    protocol
}

fn log_end(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "A connection of an application ended with an error");
    }
}
