//! One HTTP call of the application: resolved, carried over a session, answered or refused.

use http::header::{CONNECTION, HeaderValue};
use http::request::Parts;
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;

use super::once_more::{self, Unanswered};
use super::outgoing::Outgoing;
use super::resolve::{Choice, LEFT_THE_MESH, choose, permitted};
use super::websocket;
use crate::answer;
use crate::body::Body;
use crate::forward;
use crate::http_call::{is_grpc, protocol};
use crate::identity_log::{Head, OpenCall};
use crate::plaintext;
use crate::refusal::{DENIAL_HEADER, DenialId, Refusal};
use crate::session::{Calls, Carrier, SessionTarget};
use crate::worker::Worker;

/// Answers one request. Every path ends in a response and in exactly one line of the log.
pub(super) async fn call(worker: &Worker, outgoing: &Outgoing, request: Request<Incoming>) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    let (grpc, came_in) = (is_grpc(&parts.headers), parts.version);
    let enforced = outgoing.in_force(&worker.shared).await;
    let on_upgrade = plaintext::on_upgrade(&mut parts);
    let choice = match on_upgrade {
        Some(_) => choose(worker, &worker.streams, &enforced, outgoing),
        None => choose(worker, &worker.calls, &enforced, outgoing),
    };
    let head = Head {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        protocol: if on_upgrade.is_some() { "websocket" } else { protocol(parts.version) },
        grpc,
        ..outgoing.head(&worker.shared, choice.as_ref().ok())
    };
    let mut open = outgoing.begin_line(&worker.shared, &enforced, head);
    let left_the_mesh = choice.as_ref().is_err_and(|refusal| refusal.reason == LEFT_THE_MESH);
    let choice = choice.and_then(|choice| permitted(&enforced, &worker.shared.identity, choice));
    if let (Some(on_upgrade), Ok(choice)) = (on_upgrade, &choice) {
        // On the heap: calls that are none would carry its size along.
        return match Box::pin(websocket::call(worker, *choice, parts, on_upgrade, open)).await {
            Ok(response) => response,
            Err((refusal, open)) => answer::refused(&refusal, &open.refuse(&refusal), grpc),
        };
    }
    match carry(worker, choice, parts, body, &mut open).await {
        Ok(response) => answered(response, open),
        Err(Failed::Refused(refusal)) => {
            let mut answer = answer::refused(&refusal, &open.refuse(&refusal), grpc);
            if left_the_mesh && came_in != Version::HTTP_2 {
                // A connection goes in the clear as a whole: only a new one can.
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            answer
        }
        Err(Failed::Broken) => {
            open.answered(StatusCode::BAD_GATEWAY.as_u16());
            open.finish(Some("session_broke_off"));
            answer::bad_gateway()
        }
    }
}

enum Failed {
    /// The caller gets a denial id.
    Refused(Refusal),
    /// No answer came, and nothing says why.
    Broken,
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

async fn carry(
    worker: &Worker,
    choice: Result<Choice<'_>, Refusal>,
    mut parts: Parts,
    body: Incoming,
    open: &mut OpenCall,
) -> Result<Response<Incoming>, Failed> {
    let authority = forward::checked(&parts)?;
    let choice = choice?;
    let came_in = parts.version;
    forward::into_session(&mut parts, authority);
    let request = Request::from_parts(parts, Body::through(body, came_in));
    let sent = once_more::send(&worker.calls, choice, open, request, send).await;
    sent.map_err(|failed| match failed {
        once_more::Failed::Refused(refusal) => Failed::Refused(refusal),
        once_more::Failed::Unsent => open.cut_because().map_or(Failed::Broken, Failed::Refused),
        once_more::Failed::Sent(()) => {
            open.cut_because().map_or(Failed::Broken, |because| Failed::Refused(because.under_way()))
        }
    })
}

type Sender = <Calls as Carrier>::Sender;

async fn send(
    mut sender: Sender,
    _: SessionTarget,
    request: Request<Body>,
) -> Result<Response<Incoming>, Unanswered<Request<Body>, ()>> {
    sender.try_send_request(request).await.map_err(|mut error| {
        tracing::debug!(error = %error.error(), "Call not answered by the session");
        error.take_message().map_or(Unanswered::Sent(()), Unanswered::Unsent)
    })
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
