//! One HTTP call to the workload, of a verified peer or in the clear: read, judged, forwarded or refused.

use http::request::Parts;
use http::uri::Authority;
use http::{Request, Response, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;

use super::application::ApplicationError;
use super::judged::{self, Judged};
use super::session::Peer;
use super::websocket;
use crate::answer;
use crate::body::Body;
use crate::enforce::Cut;
use crate::forward;
use crate::http_call::{is_grpc, protocol};
use crate::identity_log::OpenCall;
use crate::plaintext;
use crate::worker::Worker;

/// Answers one request. Every path ends in a response and in exactly one line of the log.
pub(super) async fn call(worker: &Worker, peer: &Peer, request: Request<Incoming>) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    let grpc = is_grpc(&parts.headers);
    // Between sidecars a WebSocket is a stream; only a caller in the clear asks for one here.
    let on_upgrade = if peer.proven.is_none() { plaintext::on_upgrade(&mut parts) } else { None };
    let version = forward::application_version(&parts, peer.is_sidecar);
    let request = judged::Request {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        protocol: if on_upgrade.is_some() { "websocket" } else { protocol(version) },
        grpc,
    };
    let mut judged = Judged::begin(worker, peer, request);
    // What the request is comes before what it may do: one that can be read in two ways is not evaluated.
    let decided = forward::checked(&parts).and_then(|authority| judged.decide(worker).map(|()| authority));
    let authority = match decided {
        Ok(authority) => authority,
        Err(refusal) => return answer::refused(&refusal, &judged.refuse(&refusal), grpc),
    };
    if let Some(on_upgrade) = on_upgrade {
        // On the heap: calls that are none would carry its size along.
        return Box::pin(websocket::in_the_clear(worker, peer, authority, parts, on_upgrade, judged)).await;
    }
    let Judged { open, cut, .. } = judged;
    tokio::select! {
        biased;
        because = cut.reason() => answer::refused(&because, &open.refuse(&because), grpc),
        answer = to_application(worker, peer, parts, body, authority, &cut) => answered(answer, open),
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
    forward::into_application(&mut parts, authority, version, &worker.shared.identity, peer.identity());
    forward::frame_http1(&mut parts, !body.is_end_stream());
    let request = Request::from_parts(parts, Body::through(body, came_in).until_over(cut));
    let address = peer.ends.application;
    let (mut parts, body) = worker.application.send(address, request, &peer.link).await?.into_parts();
    forward::response(&mut parts.headers, false);
    match parts.status {
        // Nobody asked for another protocol: the request had no upgrade any more (H27).
        StatusCode::SWITCHING_PROTOCOLS => Err(ApplicationError::Switched),
        _ if !forward::fits(&parts.headers) => Err(ApplicationError::HeadTooLarge),
        _ => Ok((parts, body)),
    }
}

/// Ends the call with the application's answer, or without one.
pub(super) fn answered(
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
