//! Calls of the workload: from its application, over a session, to another sidecar.
//!
//! ```text
//! accept ──► detect ──► each request: resolve ──► session (expected identity proven) ──► peer
//! ```

mod http;
mod resolve;

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::service::service_fn;
use tokio::net::TcpStream;

use crate::detect::{Spoken, detect};
use crate::http_server;
use crate::worker::Worker;

/// One connection of the application to an outbound port.
pub(crate) async fn connection(
    worker: Arc<Worker>,
    destination: Arc<str>,
    stream: TcpStream,
    from: SocketAddr,
) {
    let detected = tokio::select! {
        detected = detect(stream) => detected,
        () = worker.shared.stop.graceful() => return,
    };
    let (spoken, stream) = match detected {
        Ok(Some(detected)) => detected,
        Ok(None) => return,
        Err(error) => {
            tracing::debug!(%error, %from, "Connection of the application failed");
            return;
        }
    };
    let stop = worker.shared.stop.clone();
    let tasks = worker.tasks.clone();
    let service = service_fn(move |request| {
        let (worker, destination) = (Arc::clone(&worker), Arc::clone(&destination));
        async move { Ok(http::call(&worker, &destination, from, request).await) }
    });
    let served = match spoken {
        Spoken::Http1 => http_server::http1(stream, service, &stop).await,
        Spoken::Http2 => http_server::http2(stream, service, &tasks, &stop).await,
    };
    if let Err(error) = served {
        tracing::debug!(%error, %from, "Connection of the application ended badly");
    }
}
