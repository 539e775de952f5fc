//! Calls of the workload: from its application, over a session, to another sidecar; or out of the mesh, where the
//! namespace lets them.
//!
//! ```text
//! accept ──► what it is for (declared, or subscribed to) ─┬─► in the clear, as a whole ──────────────► address
//!                                                         └─► declared, or detect ─┐
//!     ┌────────────────────────────────────────────────────────────────────────────┘
//!     ├─► each request: resolve, balance ──► session for calls ─────► peer
//!     └─► the connection: resolve, balance ──► session for streams ──► peer
//! ```

mod balance;
mod http;
mod once_more;
mod opaque;
mod outgoing;
mod plain;
mod resolve;
mod stream;
mod websocket;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use balance::Balance;
use hyper::service::service_fn;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::capture::Accepted;
use crate::detect::{Replayed, Spoken, detect};
use crate::enforced::Protocol;
use crate::plaintext::{self, Version};
use crate::worker::Worker;
use outgoing::Outgoing;
use resolve::{Way, way};

/// What will be refused is answered in its own protocol, if it says within this time which that is. A client that waits
/// for its server to speak would wait for nothing.
const REFUSED_LIMIT: Duration = Duration::from_secs(1);

/// One connection of the application to an outbound port; `declared` is the destination that the port stands for.
pub(crate) async fn connection(
    worker: Arc<Worker>,
    declared: Option<Arc<str>>,
    stream: TcpStream,
    accepted: Accepted,
) {
    let outgoing = tokio::select! {
        outgoing = Outgoing::begin(&worker.shared, declared, accepted) => Arc::new(outgoing),
        () = worker.shared.stop.graceful() => return,
    };
    let enforced = worker.shared.enforced.borrow().clone();
    let refused = match way(&worker.shared, &enforced, &outgoing) {
        Ok(Way::Plain(to)) => return plain::connection(&worker, &enforced, &outgoing, to, stream).await,
        Ok(Way::Meshed) => false,
        Err(_) => outgoing.address.is_some(),
    };
    let protocol = enforced.destination(&outgoing.name).map(|known| known.protocol);
    drop(enforced);
    let told = tokio::select! {
        told = told(stream, protocol, refused) => told,
        () = worker.shared.stop.graceful() => return,
    };
    let (spoken, stream) = match told {
        Ok(Some(told)) => told,
        Ok(None) => return,
        Err(error) => {
            tracing::debug!(%error, from = %outgoing.from, "Connection of the application failed");
            return;
        }
    };
    match Version::of(spoken, protocol) {
        Some(version) => requests(worker, outgoing, stream, version).await,
        None => opaque::connection(&worker, &outgoing, stream).await,
    }
}

/// What the connection speaks. `None`: it ended before it said so.
async fn told(
    stream: TcpStream,
    protocol: Option<Protocol>,
    refused: bool,
) -> std::io::Result<Option<(Spoken, Replayed<TcpStream>)>> {
    let opaque = |stream| Ok(Some((Spoken::Opaque, Replayed::untouched(stream))));
    match protocol {
        Some(Protocol::Opaque | Protocol::Tls) => opaque(stream),
        Some(Protocol::Http | Protocol::Detected) | None if refused => {
            // It stays where it is. `readable` would not do: of a connection that is new it may say so too soon.
            let Ok(seen) = timeout(REFUSED_LIMIT, stream.peek(&mut [0])).await else {
                return opaque(stream);
            };
            seen?;
            detect(stream).await
        }
        Some(Protocol::Http | Protocol::Detected) | None => detect(stream).await,
    }
}

/// Until the connection is over.
async fn requests(
    worker: Arc<Worker>,
    outgoing: Arc<Outgoing>,
    stream: Replayed<TcpStream>,
    version: Version,
) {
    let (stop, tasks) = (worker.shared.stop.clone(), worker.tasks.clone());
    let from = outgoing.from;
    let service = service_fn(move |request| {
        let (worker, outgoing) = (Arc::clone(&worker), Arc::clone(&outgoing));
        // On the heap at once: every layer between here and its task would move it.
        Box::pin(async move { Ok(http::call(&worker, &outgoing, request).await) })
    });
    plaintext::serve(stream, from, version, service, &tasks, &stop).await;
}

#[cfg(test)]
mod tests;
