//! One HTTP call of a verified peer: read, judged, forwarded or refused.

use http::request::Parts;
use http::uri::Authority;
use http::{Request, Response, StatusCode, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use kith_policy::{Call, Denial, Revision, RuleRef, Verdict, evaluate};

use super::application::ApplicationError;
use super::session::Peer;
use crate::body::Body;
use crate::forward;
use crate::http_call::{is_grpc, protocol};
use crate::identity_log::{Direction, Head, OpenCall};
use crate::refusal::Refusal;
use crate::worker::{Shared, Worker};

/// Answers one request. Every path ends in a response and in exactly one line of the log.
pub(super) async fn call(worker: &Worker, peer: &Peer, request: Request<Incoming>) -> Response<Body> {
    let shared = &worker.shared;
    let (parts, body) = request.into_parts();
    let mut open = OpenCall::begin(&shared.log, head(shared, peer, &parts));
    open.carried_by(&peer.state);
    let grpc = is_grpc(&parts.headers);
    let judged = judge(shared, peer, &parts, grpc);
    open.decided_at(judged.revision.map(|revision| revision.to_string()));
    match judged.outcome {
        Ok((by, authority)) => {
            open.allowed_by(by.policy(), by.rule());
            to_application(worker, peer, parts, body, authority, open).await
        }
        Err(refusal) => refusal.response(&open.refuse(&refusal).await, grpc),
    }
}

fn head(shared: &Shared, peer: &Peer, parts: &Parts) -> Head {
    Head {
        direction: Direction::Inbound,
        source: Some(peer.identity.to_string()),
        destination: Some(shared.identity.to_string()),
        client_address: peer.address.to_string(),
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        protocol: protocol(forward::application_version(parts, peer.is_sidecar)),
    }
}

struct Judged {
    revision: Option<Revision>,
    outcome: Result<(RuleRef, Authority), Refusal>,
}

/// What the request is comes before what it may do: a request that can be read in two ways is not evaluated.
fn judge(shared: &Shared, peer: &Peer, parts: &Parts, grpc: bool) -> Judged {
    let enforced = shared.enforced.borrow().clone();
    let outcome = forward::checked(parts).and_then(|authority| {
        let call = Call {
            source: &peer.identity,
            port: shared.application.port(),
            request: kith_policy::Request::Http {
                method: parts.method.as_str(),
                path: parts.uri.path(),
                grpc,
            },
        };
        match evaluate(&enforced.policies, &call, shared.clock.now()) {
            Verdict::Allow { by } => Ok((by, authority)),
            Verdict::Deny { because } => Err(refusal(&because)),
        }
    });
    Judged { revision: enforced.revision(), outcome }
}

fn refusal(because: &Denial) -> Refusal {
    let status = match because {
        Denial::AmbiguousPath { .. } => StatusCode::BAD_REQUEST,
        Denial::NotReady { .. } => StatusCode::SERVICE_UNAVAILABLE,
        Denial::Rule { .. } | Denial::Default { .. } => StatusCode::FORBIDDEN,
    };
    let mut refusal = Refusal::new(status, because.code(), because.to_string());
    refusal.policy = because.policy().map(str::to_owned);
    refusal.rule = because.rule().map(str::to_owned);
    refusal
}

async fn to_application(
    worker: &Worker,
    peer: &Peer,
    mut parts: Parts,
    body: Incoming,
    authority: Authority,
    mut open: OpenCall,
) -> Response<Body> {
    let version = forward::application_version(&parts, peer.is_sidecar);
    forward::into_application(&mut parts, authority, version, &worker.shared.identity, &peer.identity);
    forward::frame_http1(&mut parts, !body.is_end_stream());
    let request = Request::from_parts(parts, Body::through(body));
    let answer = worker.application.send(request).await.and_then(|response| {
        let (mut parts, body) = response.into_parts();
        forward::response(&mut parts.headers, false);
        match parts.status {
            // Nobody asked for another protocol: the request had no upgrade any more (H27).
            StatusCode::SWITCHING_PROTOCOLS => Err(ApplicationError::Switched),
            _ if !forward::fits(&parts.headers) => Err(ApplicationError::HeadTooLarge),
            _ => Ok((parts, body)),
        }
    });
    match answer {
        Ok((mut parts, body)) => {
            parts.version = Version::default();
            open.answered(parts.status.as_u16());
            Response::from_parts(parts, Body::through(body).ending(open))
        }
        Err(error) => {
            tracing::debug!(%error, "Call not answered by the application");
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            open.answered(StatusCode::BAD_GATEWAY.as_u16());
            open.finish(Some(error.code()));
            response
        }
    }
}
