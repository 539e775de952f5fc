//! Calls of the workload: from its application, over a session, to another sidecar.
//!
//! ```text
//! accept ──► declared, or detect ─┬─► each request: resolve ──► session for calls ────► peer
//!                                 └─► the connection: resolve ──► session for streams ──► peer
//! ```

mod http;
mod once_more;
mod opaque;
mod resolve;
mod stream;
mod websocket;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use socket2::{SockRef, Socket};
use tokio::net::TcpStream;

use crate::detect::{Replayed, Spoken, detect};
use crate::enforced::Protocol;
use crate::http_server;
use crate::worker::Worker;

/// One connection of the application to an outbound port.
pub(crate) async fn connection(
    worker: Arc<Worker>,
    destination: Arc<str>,
    stream: TcpStream,
    from: SocketAddr,
) {
    let declared = worker.shared.enforced.borrow().destination(&destination).map(|known| known.protocol);
    let detected = match declared {
        Some(Protocol::Opaque) => Ok(Some((Spoken::Opaque, Replayed::untouched(stream)))),
        Some(Protocol::Http | Protocol::Detected) | None => tokio::select! {
            detected = detect(stream) => detected,
            () = worker.shared.stop.graceful() => return,
        },
    };
    let (spoken, stream) = match detected {
        Ok(Some(detected)) => detected,
        Ok(None) => return,
        Err(error) => {
            tracing::debug!(%error, %from, "Connection of the application failed");
            return;
        }
    };
    match spoken {
        // What was declared to be HTTP is held to it: hyper answers the rest with 400.
        Spoken::Opaque if declared != Some(Protocol::Http) => {
            opaque::connection(&worker, &destination, stream, from).await;
        }
        Spoken::Http2 => requests(worker, destination, stream, from, true).await,
        Spoken::Http1 | Spoken::Opaque => requests(worker, destination, stream, from, false).await,
    }
}

/// Until the connection is over. An answer that breaks off is a reset for the application: to a client of HTTP/1.0 the end
/// of the connection is the end of the answer, and one that was cut short must not look complete.
async fn requests(
    worker: Arc<Worker>,
    destination: Arc<str>,
    stream: Replayed<TcpStream>,
    from: SocketAddr,
    http2: bool,
) {
    let socket = match doomed(&stream) {
        Ok(socket) => socket,
        Err(error) => return tracing::debug!(%error, %from, "Connection of the application failed"),
    };
    let (stop, tasks) = (worker.shared.stop.clone(), worker.tasks.clone());
    let service = service_fn(move |request| {
        let (worker, destination) = (Arc::clone(&worker), Arc::clone(&destination));
        // On the heap at once: every layer between here and its task would move it.
        Box::pin(async move { Ok(http::call(&worker, &destination, from, request).await) })
    });
    let served = if http2 {
        http_server::http2(stream, service, &tasks, &stop).await
    } else {
        http_server::http1(stream, service, &stop).await
    };
    let cut_short = served.as_ref().is_err_and(hyper::Error::is_user);
    if let Err(error) = served {
        tracing::debug!(%error, %from, "Connection of the application ended badly");
    }
    if !cut_short {
        // An error means that the connection is gone, and nothing is left to be said on it.
        drop(socket.set_linger(None));
    }
}

/// From here on the connection ends in a reset, unless the handle that is returned takes that back.
fn doomed(stream: &Replayed<TcpStream>) -> io::Result<Socket> {
    let socket = SockRef::from(stream.inner()).try_clone()?;
    socket.set_linger(Some(Duration::ZERO))?;
    Ok(socket)
}
