//! A request of the application that asks for a WebSocket: carried as a stream, and switched only when the other
//! application did.

use http::request::Parts;
use http::{Response, Version};
use hyper::upgrade::OnUpgrade;

use super::resolve::Choice;
use super::stream::{self, Opened};
use crate::body::Body;
use crate::forward;
use crate::identity_log::OpenCall;
use crate::plaintext;
use crate::refusal::{DENIAL_HEADER, DenialId, Refusal};
use crate::stream_request;
use crate::tunnel::{self, Far};
use crate::worker::Worker;

/// Answers the request: with what the other application answered, or with a refusal.
pub(super) async fn call(
    worker: &Worker,
    choice: Choice<'_>,
    parts: Parts,
    on_upgrade: OnUpgrade,
    mut open: OpenCall,
) -> Result<Response<Body>, (Refusal, OpenCall)> {
    let request = forward::checked(&parts)
        .and_then(|authority| stream_request::websocket(parts, authority, &choice.target.identity));
    let opened = match request {
        Ok(request) => stream::open(worker, choice, request, &mut open).await,
        Err(refusal) => Err(refusal),
    };
    match opened {
        Ok(opened) => Ok(answered(worker, opened, on_upgrade, open)),
        Err(refusal) => Err((refusal, open)),
    }
}

fn answered(worker: &Worker, opened: Opened, on_upgrade: OnUpgrade, mut open: OpenCall) -> Response<Body> {
    let (mut parts, receive) = opened.response.into_parts();
    forward::response(&mut parts.headers, true);
    parts.version = Version::default();
    let switched = stream_request::take_switched(&mut parts);
    open.answered(parts.status.as_u16());
    if let Some(id) = parts.headers.get(DENIAL_HEADER).and_then(DenialId::of_peer) {
        open.refused_by_peer(&id);
    }
    if !switched {
        // Nothing of the application follows its request.
        drop(opened.send);
        return Response::from_parts(parts, Body::of_stream(receive).ending(open));
    }
    let far = Far { send: opened.send, receive };
    let forced = worker.shared.stop.clone();
    worker.tasks.spawn(async move {
        match on_upgrade.await.map_err(|error| error.to_string()).and_then(plaintext::switched) {
            Ok(near) => open.tunnelled(tunnel::carry(near, far, forced.forced()).await),
            Err(error) => {
                tracing::debug!(error, "Connection of the application did not switch");
                open.finish(Some("caller_gone"));
            }
        }
    });
    Response::from_parts(parts, Body::empty())
}
