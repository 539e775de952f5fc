//! The streams of one session: each read, judged, and carried to the application or refused.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};

use super::judged::{self, Judged};
use super::session::Peer;
use super::shares::Holder;
use super::{opaque, websocket};
use crate::enforce::Cut;
use crate::enforced::Protocol;
use crate::forward;
use crate::http_server::{Prompt, prompt};
use crate::identity_log::OpenCall;
use crate::refusal::{DENIAL_HEADER, Refusal};
use crate::session::{LARGEST_WINDOW, MAX_HEADER_BYTES, OPAQUE_WINDOW, OPEN_STREAMS, keep_alive};
use crate::session_tasks::SessionTasks;
use crate::stream_request::{self, Wanted};
use crate::worker::Worker;

type Wait = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A session for streams: accepts them until it ends.
pub(super) struct Accepting<S> {
    worker: Arc<Worker>,
    peer: Peer,
    /// Whose places its streams take.
    holder: Holder,
    tasks: SessionTasks,
    stage: Stage<Prompt<S>>,
}

type Connection<S> = h2::server::Connection<S, Bytes>;

enum Stage<S> {
    Beginning(h2::server::Handshake<S, Bytes>),
    Open {
        connection: Connection<S>,
        /// Ends when the peer does not answer any more.
        dead: Wait,
    },
    /// The connection has ended, and what came over it is still on its way to the application.
    Delivering(Wait),
    /// Left before it had begun.
    Over,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Accepting<S> {
    /// Of this proven peer; its streams take places of `holder`.
    pub(super) fn new(
        worker: Arc<Worker>,
        peer: Peer,
        holder: Holder,
        tasks: SessionTasks,
        stream: S,
    ) -> Self {
        let handshake = h2::server::Builder::new()
            .initial_window_size(OPAQUE_WINDOW)
            .initial_connection_window_size(LARGEST_WINDOW)
            .max_concurrent_streams(OPEN_STREAMS)
            .max_header_list_size(MAX_HEADER_BYTES)
            .enable_connect_protocol()
            .handshake(prompt(stream));
        Self { worker, peer, holder, tasks, stage: Stage::Beginning(handshake) }
    }

    /// Takes no further streams; those that are open go on.
    pub(super) fn leave(self: Pin<&mut Self>) {
        let this = self.get_mut();
        match &mut this.stage {
            Stage::Open { connection, .. } => connection.graceful_shutdown(),
            Stage::Beginning(_) => this.stage = Stage::Over,
            Stage::Delivering(_) | Stage::Over => {}
        }
    }

    fn accept(&self, request: Request<RecvStream>, respond: SendResponse<Bytes>) {
        let (worker, peer, holder) = (Arc::clone(&self.worker), self.peer.clone(), self.holder.clone());
        self.tasks.spawn(async move { stream(&worker, &peer, &holder, request, respond).await });
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Accepting<S> {
    type Output = Result<(), h2::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            match &mut this.stage {
                Stage::Over => return Poll::Ready(Ok(())),
                Stage::Delivering(delivered) => return delivered.as_mut().poll(cx).map(Ok),
                Stage::Beginning(handshake) => {
                    let mut connection = ready!(Pin::new(handshake).poll(cx))?;
                    let dead = Box::pin(keep_alive(connection.ping_pong()));
                    this.stage = Stage::Open { connection, dead };
                }
                Stage::Open { connection, dead } => {
                    if dead.as_mut().poll(cx).is_ready() {
                        return Poll::Ready(Err(Reason::NO_ERROR.into()));
                    }
                    match ready!(connection.poll_accept(cx)).transpose()? {
                        Some((request, respond)) => this.accept(request, respond),
                        None => this.stage = Stage::Delivering(Box::pin(this.tasks.ended())),
                    }
                }
            }
        }
    }
}

/// A stream that may be carried.
pub(super) struct Admitted {
    pub(super) parts: Parts,
    pub(super) receive: RecvStream,
    pub(super) respond: SendResponse<Bytes>,
    pub(super) open: OpenCall,
    /// Ends it before its time.
    pub(super) cut: Cut,
}

/// One stream. Every path ends in exactly one line of the log.
async fn stream(
    worker: &Worker,
    peer: &Peer,
    holder: &Holder,
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
) {
    let (mut parts, receive) = request.into_parts();
    let wanted = stream_request::read(&mut parts, peer.ends.destination, &worker.shared.identity);
    let websocket = matches!(wanted, Ok(Wanted::WebSocket));
    let request = if websocket { websocket_request(&parts) } else { judged::Request::opaque() };
    let mut judged = Judged::begin(worker, peer, request);
    // Held until the stream has ended.
    let share = worker.stream_shares.take_or_refuse(holder, "too_many_streams", "streams");
    let decided = wanted.and_then(|_| {
        let _share = share.as_ref().map_err(Refusal::clone)?;
        if !websocket && judged.protocol() == Protocol::Http {
            let detail = "the workload is declared to speak HTTP, which is carried as calls";
            return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "not_opaque", detail));
        }
        let authority = if websocket { Some(forward::checked(&parts)?) } else { None };
        judged.decide(worker).map(|()| authority)
    });
    let protocol = judged.protocol();
    let Judged { open, cut, .. } = judged;
    let authority = match decided {
        Ok(authority) => authority,
        Err(refusal) => return refuse(respond, open, &refusal),
    };
    let admitted = Admitted { parts, receive, respond, open, cut };
    match authority {
        None => opaque::carry(worker, peer, protocol, admitted).await,
        Some(authority) => websocket::carry(worker, peer, authority, admitted).await,
    }
}

fn websocket_request(parts: &Parts) -> judged::Request {
    let path = parts.uri.path().to_owned();
    judged::Request { method: Method::GET.to_string(), path, protocol: "websocket", grpc: false }
}

/// The peer learns the id and nothing more.
pub(super) fn refuse(mut respond: SendResponse<Bytes>, open: OpenCall, refusal: &Refusal) {
    let id = open.refuse(refusal).to_string();
    let mut response = Response::new(());
    *response.status_mut() = refusal.status;
    if let Ok(value) = id.parse() {
        response.headers_mut().insert(DENIAL_HEADER, value);
    }
    answer(&mut respond, response);
}

/// The application did not take it, or broke off before it had answered.
pub(super) fn not_taken(
    mut respond: SendResponse<Bytes>,
    mut open: OpenCall,
    status: StatusCode,
    code: &'static str,
) {
    open.answered(status.as_u16());
    open.finish(Some(code));
    let mut response = Response::new(());
    *response.status_mut() = status;
    answer(&mut respond, response);
}

/// An answer without a body. A peer that has gone meanwhile does not hear it.
fn answer(respond: &mut SendResponse<Bytes>, response: Response<()>) {
    if let Err(error) = respond.send_response(response, true) {
        tracing::debug!(%error, "Refusal of a stream not sent");
    }
}
