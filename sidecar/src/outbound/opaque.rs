//! One opaque connection of the application: resolved, carried as a stream, or broken off.

use http::StatusCode;
use tokio::net::TcpStream;

use super::outgoing::Outgoing;
use super::resolve::{Choice, choose, permitted};
use super::stream::{self, Opened};
use crate::detect::Replayed;
use crate::identity_log::{BY_PEER, OpenCall};
use crate::refusal::{DENIAL_HEADER, DenialId, Refusal};
use crate::stream_request;
use crate::tunnel::{self, Far, Near};
use crate::worker::Worker;

/// Carries the connection to its end. Every path ends in exactly one line of the log.
pub(super) async fn connection(worker: &Worker, outgoing: &Outgoing, stream: Replayed<TcpStream>) {
    let shared = &worker.shared;
    let (stream, first) = stream.into_parts();
    // From here on the connection ends in a reset unless the stream ends well.
    let near = match Near::new(stream, first) {
        Ok(near) => near,
        Err(error) => {
            return tracing::debug!(%error, from = %outgoing.from, "Connection of the application failed");
        }
    };
    let enforced = outgoing.in_force(shared).await;
    let choice = choose(worker, &worker.streams, &enforced, outgoing);
    let mut open = outgoing.begin_line(shared, &enforced, outgoing.head(shared, choice.as_ref().ok()));
    let choice = choice.and_then(|choice| permitted(&enforced, &shared.identity, choice));
    let opened = match choice {
        Ok(choice) => answered(worker, choice, &mut open).await,
        Err(refusal) => Err(Failed::Refused(refusal)),
    };
    match opened {
        Ok(opened) => carry(near, opened, open, worker).await,
        Err(Failed::Refused(refusal)) => {
            // The log has the id; bytes have no place for it.
            open.refuse(&refusal);
        }
        Err(Failed::ByPeer) => open.finish(None),
    }
}

enum Failed {
    /// By this side.
    Refused(Refusal),
    /// The line has it already.
    ByPeer,
}

async fn answered(worker: &Worker, choice: Choice<'_>, open: &mut OpenCall) -> Result<Opened, Failed> {
    let request = stream_request::opaque(choice.target).map_err(Failed::Refused)?;
    let opened = stream::open(worker, choice, request, open).await.map_err(Failed::Refused)?;
    let (status, headers) = (opened.response.status(), opened.response.headers());
    open.answered(status.as_u16());
    if status == StatusCode::OK {
        return Ok(opened);
    }
    match headers.get(DENIAL_HEADER).and_then(DenialId::of_peer) {
        Some(id) => open.refused_by_peer(&id),
        None => open.failed(BY_PEER),
    }
    Err(Failed::ByPeer)
}

async fn carry(near: Near, opened: Opened, open: OpenCall, worker: &Worker) {
    let far = Far { send: opened.send, receive: opened.response.into_body() };
    // A session that ends breaks its streams; the process that stops cuts them.
    let carried = tunnel::carry(near, far, worker.shared.stop.forced()).await;
    open.tunnelled(carried);
}
