//! One HTTP call of a verified peer: read, judged, forwarded or refused.

use http::request::Parts;
use http::uri::Authority;
use http::{Request, Response, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;

use super::application::ApplicationError;
use super::session::Peer;
use crate::answer;
use crate::body::Body;
use crate::enforce::{Asked, Cut, decide_call};
use crate::forward;
use crate::http_call::{is_grpc, protocol};
use crate::identity_log::{Direction, Head, OpenCall};
use crate::worker::{Shared, Worker};

/// Answers one request. Every path ends in a response and in exactly one line of the log.
pub(super) async fn call(worker: &Worker, peer: &Peer, request: Request<Incoming>) -> Response<Body> {
    let shared = &worker.shared;
    let (parts, body) = request.into_parts();
    let grpc = is_grpc(&parts.headers);
    let mut open = OpenCall::begin(&shared.log, head(shared, peer, &parts, grpc));
    open.carried_by(&peer.state);
    let asked = Asked::Http { method: parts.method.to_string(), path: parts.uri.path().to_owned(), grpc };
    let (call, entered) = worker.enter_call(&peer.identity, asked, &peer.session);
    let cut = entered.cut.clone();
    open.entered(entered);
    let enforced = shared.enforced.borrow().clone();
    open.decided_at(enforced.revision().map(|revision| revision.to_string()));
    // What the request is comes before what it may do: one that can be read in two ways is not evaluated.
    let decided = forward::checked(&parts)
        .and_then(|authority| Ok((authority, decide_call(&enforced, &call, shared.clock.now())?)));
    let (authority, by) = match decided {
        Ok(allowed) => allowed,
        Err(refusal) => return answer::refused(&refusal, &open.refuse(&refusal), grpc),
    };
    open.allowed_by(by.policy(), by.rule());
    tokio::select! {
        biased;
        because = cut.reason() => answer::refused(&because, &open.refuse(&because), grpc),
        answer = to_application(worker, peer, parts, body, authority, &cut) => answered(answer, open),
    }
}

fn head(shared: &Shared, peer: &Peer, parts: &Parts, grpc: bool) -> Head {
    Head {
        direction: Direction::Inbound,
        source: Some(peer.identity.to_string()),
        destination: Some(shared.identity.to_string()),
        client_address: peer.address.to_string(),
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        protocol: protocol(forward::application_version(parts, peer.is_sidecar)),
        grpc,
    }
}

async fn to_application(
    worker: &Worker,
    peer: &Peer,
    mut parts: Parts,
    body: Incoming,
    authority: Authority,
    cut: &Cut,
) -> Result<(http::response::Parts, Incoming), ApplicationError> {
    let (came_in, version) = (parts.version, forward::application_version(&parts, peer.is_sidecar));
    forward::into_application(&mut parts, authority, version, &worker.shared.identity, &peer.identity);
    forward::frame_http1(&mut parts, !body.is_end_stream());
    let request = Request::from_parts(parts, Body::through(body, came_in).until_over(cut));
    let (mut parts, body) = worker.application.send(request, &peer.link).await?.into_parts();
    forward::response(&mut parts.headers, false);
    match parts.status {
        // Nobody asked for another protocol: the request had no upgrade any more (H27).
        StatusCode::SWITCHING_PROTOCOLS => Err(ApplicationError::Switched),
        _ if !forward::fits(&parts.headers) => Err(ApplicationError::HeadTooLarge),
        _ => Ok((parts, body)),
    }
}

fn answered(
    answer: Result<(http::response::Parts, Incoming), ApplicationError>,
    mut open: OpenCall,
) -> Response<Body> {
    match answer {
        Ok((mut parts, body)) => {
            let version = std::mem::take(&mut parts.version);
            open.answered(parts.status.as_u16());
            // A gRPC failure without a message has its status in the head.
            open.note_trailers(&parts.headers);
            Response::from_parts(parts, Body::through(body, version).ending(open))
        }
        Err(error) => {
            tracing::debug!(%error, "Call not answered by the application");
            open.answered(StatusCode::BAD_GATEWAY.as_u16());
            open.finish(Some(error.code()));
            answer::bad_gateway()
        }
    }
}
