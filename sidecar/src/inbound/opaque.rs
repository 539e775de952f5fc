//! One opaque stream of a verified peer, to the application.

use http::{Response, StatusCode};

use super::application::ApplicationError;
use super::stream::{Admitted, bad_gateway, refuse};
use crate::tunnel::{self, Far, Near};
use crate::worker::Worker;

/// Connects to the application, and carries bytes only then.
pub(super) async fn carry(worker: &Worker, admitted: Admitted) {
    let Admitted { receive, mut respond, mut open, .. } = admitted;
    let Some(cut) = open.cut_signal().cloned() else { return };
    let near = tokio::select! {
        biased;
        because = cut.reason() => return refuse(respond, open, &because).await,
        connected = worker.application.connect() => connected,
    };
    let near = near.and_then(|stream| Near::new(stream, Vec::new()).map_err(ApplicationError::Unreachable));
    let near = match near {
        Ok(near) => near,
        Err(error) => {
            tracing::debug!(%error, "Stream not taken by the application");
            return bad_gateway(respond, open, error.code());
        }
    };
    let Ok(send) = respond.send_response(Response::new(()), false) else {
        return open.finish(Some("caller_gone"));
    };
    open.answered(StatusCode::OK.as_u16());
    open.tunnelled(tunnel::carry(near, Far { send, receive }, cut.over()).await);
}
