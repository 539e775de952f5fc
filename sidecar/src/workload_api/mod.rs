//! The own svid for the application beside the sidecar: SPIFFE's Workload API and Envoy's SDS on a unix socket.
//!
//! It hands out the very svid that the sidecar proves itself with, so that there is one lineage and one quarantine. Owns
//! who may ask and what is answered; where svids and bundles come from is `control`'s.
//!
//! ```text
//! socket ──► caller ──► gate ──► x509 | sds ──► stream of whole answers
//!                                      ▲
//!                       svid, bundles, quarantine: Source
//! ```

mod authority;
mod caller;
mod complaints;
mod connection;
mod gate;
mod pem;
mod places;
mod sds;
mod socket;
mod source;
mod stream;
mod x509;

use std::path::PathBuf;

use anyhow::Context;
use kith_runtime::{Limits, Stop, Tasks, serve_unix};

pub(crate) use caller::{Application, Callers};
pub(crate) use source::Source;

use connection::Connections;

/// Connections open at once, whoever they are of; `connection` gives one user a share of them.
const LIMITS: Limits = Limits { connections: 1_024 };

/// Where it listens, and who may ask.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The socket's path, at most 107 bytes long. Its folder is made if it is missing.
    pub(crate) socket: PathBuf,
    pub(crate) callers: Callers,
}

/// Listens; what is accepted is served by `tasks` until the stop begins. An error if the socket cannot be made safely.
pub(crate) fn serve(settings: &Settings, source: Source, tasks: &Tasks, stop: &Stop) -> anyhow::Result<()> {
    let bound = socket::bind(&settings.socket, settings.callers.modes());
    let (listener, file) = bound.context("the socket for applications")?;
    let connections = Connections::new(settings.callers.clone(), source, tasks, stop);
    let (stop, own_tasks) = (stop.clone(), tasks.clone());
    tasks.spawn(async move {
        serve_unix(listener, LIMITS, stop, &own_tasks, move |stream| connections.clone().serve(stream)).await;
        drop(file);
    });
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
