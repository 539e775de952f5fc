//! One HTTP call of the application: resolved, carried over a session, answered or refused.

use std::net::SocketAddr;

use http::request::Parts;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;

use super::once_more::{self, Unanswered};
use super::resolve::{permitted, resolve};
use super::websocket;
use crate::answer;
use crate::body::Body;
use crate::forward;
use crate::http_call::{is_grpc, protocol};
use crate::identity_log::{Direction, Head, OpenCall};
use crate::refusal::{DENIAL_HEADER, DenialId, Refusal};
use crate::session::{Calls, Carrier, SessionTarget};
use crate::worker::{Shared, Worker};

/// Answers one request. Every path ends in a response and in exactly one line of the log.
pub(super) async fn call(
    worker: &Worker,
    destination: &str,
    from: SocketAddr,
    request: Request<Incoming>,
) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    let grpc = is_grpc(&parts.headers);
    let enforced = worker.shared.enforced.borrow().clone();
    let target = resolve(&enforced, destination);
    let on_upgrade = websocket::on_upgrade(&mut parts);
    let mut head = head(&worker.shared, target.as_ref().ok(), from, &parts, grpc);
    if on_upgrade.is_some() {
        head.protocol = "websocket";
    }
    let mut open = OpenCall::begin(&worker.shared.log, head);
    open.decided_at(enforced.revision().map(|revision| revision.to_string()));
    let target = target.and_then(|target| permitted(&enforced, &worker.shared.identity, target));
    if let (Some(on_upgrade), Ok(target)) = (on_upgrade, &target) {
        // On the heap: calls that are none would carry its size along.
        return match Box::pin(websocket::call(worker, target, parts, on_upgrade, open)).await {
            Ok(response) => response,
            Err((refusal, open)) => answer::refused(&refusal, &open.refuse(&refusal), grpc),
        };
    }
    match carry(worker, target, parts, body, &mut open).await {
        Ok(response) => answered(response, open),
        Err(Failed::Refused(refusal)) => answer::refused(&refusal, &open.refuse(&refusal), grpc),
        Err(Failed::Broken) => {
            open.answered(StatusCode::BAD_GATEWAY.as_u16());
            open.finish(Some("session_broke_off"));
            answer::bad_gateway()
        }
    }
}

fn head(
    shared: &Shared,
    target: Option<&SessionTarget>,
    from: SocketAddr,
    parts: &Parts,
    grpc: bool,
) -> Head {
    Head {
        direction: Direction::Outbound,
        source: Some(shared.identity.to_string()),
        destination: target.map(|target| target.identity.to_string()),
        client_address: from.to_string(),
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        protocol: protocol(parts.version),
        grpc,
    }
}

enum Failed {
    /// Nothing was sent: the caller gets a denial id.
    Refused(Refusal),
    /// It was sent, and no answer came.
    Broken,
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

async fn carry(
    worker: &Worker,
    target: Result<SessionTarget, Refusal>,
    mut parts: Parts,
    body: Incoming,
    open: &mut OpenCall,
) -> Result<Response<Incoming>, Failed> {
    let authority = forward::checked(&parts)?;
    let target = target?;
    let came_in = parts.version;
    forward::into_session(&mut parts, authority);
    let request = Request::from_parts(parts, Body::through(body, came_in));
    let sent = once_more::send(&worker.calls, &target, open, request, send).await;
    sent.map_err(|failed| match failed {
        once_more::Failed::Refused(refusal) => Failed::Refused(refusal),
        once_more::Failed::Unsent | once_more::Failed::Sent(()) => cut_or_broken(open),
    })
}

type Sender = <Calls as Carrier>::Sender;

async fn send(
    mut sender: Sender,
    request: Request<Body>,
) -> Result<Response<Incoming>, Unanswered<Request<Body>, ()>> {
    sender.try_send_request(request).await.map_err(|mut error| {
        tracing::debug!(error = %error.error(), "Call not answered by the session");
        error.take_message().map_or(Unanswered::Sent(()), Unanswered::Unsent)
    })
}

/// A call that its session's end took with it is refused with that reason; it may have reached the peer.
fn cut_or_broken(open: &OpenCall) -> Failed {
    open.cut_because().map_or(Failed::Broken, Failed::Refused)
}

fn answered(response: Response<Incoming>, mut open: OpenCall) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    forward::response(&mut parts.headers, true);
    let version = std::mem::take(&mut parts.version);
    open.answered(parts.status.as_u16());
    open.note_trailers(&parts.headers);
    // Inbound sidecars strip this header from what applications answer, so it is the peer's own.
    if let Some(id) = parts.headers.get(DENIAL_HEADER).and_then(DenialId::of_peer) {
        open.refused_by_peer(&id);
    }
    Response::from_parts(parts, Body::through(body, version).ending(open))
}
