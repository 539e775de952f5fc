//! One opaque stream of a verified peer, to the application; and what opaque bytes may be, whoever sends them.

use http::{Response, StatusCode};

use super::application::ApplicationError;
use super::session::Peer;
use super::stream::{Admitted, not_taken, refuse};
use crate::detect::may_begin_http;
use crate::enforced::Protocol;
use crate::refusal::Refusal;
use crate::tunnel::{self, Admits, End, Far, Near};
use crate::worker::Worker;

/// Connects to the application, and carries bytes only then.
pub(super) async fn carry(worker: &Worker, peer: &Peer, protocol: Protocol, admitted: Admitted) {
    let Admitted { receive, mut respond, mut open, cut, .. } = admitted;
    let near = tokio::select! {
        biased;
        because = cut.reason() => return refuse(respond, open, &because),
        near = near(worker, peer) => near,
    };
    let near = match near {
        Ok(near) => near,
        Err(error) => {
            tracing::debug!(%error, "Stream not taken by the application");
            return not_taken(respond, open, StatusCode::SERVICE_UNAVAILABLE, error.code());
        }
    };
    let Ok(send) = respond.send_response(Response::new(()), false) else {
        return open.finish(Some("caller_gone"));
    };
    open.answered(StatusCode::OK.as_u16());
    let far = Far { send, receive };
    let carried = tunnel::carry_admitted(near, far, cut.over(), admits(protocol)).await;
    if carried.end == End::NotAdmitted {
        cut.cut(http_in_stream());
    }
    open.tunnelled(carried);
}

/// A connection to the application that the call is for.
pub(super) async fn near(worker: &Worker, peer: &Peer) -> Result<Near, ApplicationError> {
    let stream = worker.application.connect(peer.ends.application).await?;
    Near::new(stream, Vec::new()).map_err(ApplicationError::Unreachable)
}

/// HTTP that nobody reads would reach the application with whatever claims its sender wrote into it.
pub(super) fn admits(protocol: Protocol) -> Admits {
    match protocol {
        Protocol::Opaque | Protocol::Tls => |_| true,
        Protocol::Detected | Protocol::Http => |first| !may_begin_http(first),
    }
}

/// Why bytes that were not admitted are cut.
pub(super) fn http_in_stream() -> Refusal {
    Refusal::bad_request(
        "http_in_stream",
        "the stream begins like HTTP, which is not carried unread; declare protocol tcp if it is not HTTP",
    )
}
