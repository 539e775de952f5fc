//! The way to the control plane: svid and snapshot come in here, acknowledgements and reports go out.
//!
//! ```text
//! supervisor ──► statement ──► Issue ──► svid, bundle ─┐
//!                              Sync  ──► snapshot ─────┴──► watch channels ──► workers
//! ```

mod channel;
mod keeper;
mod schedule;
mod supervisor;
mod sync;

pub(crate) use keeper::keep_svid;
use keeper::serial_of;
use supervisor::Attestation;
pub(crate) use supervisor::Supervisor;
pub(crate) use sync::keep_synced;

use std::sync::Arc;

use kith_identity::{BundleSet, SpiffeId};
use kith_mtls::Svid;
use kith_runtime::{Clock, Stop};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::enforced::Enforced;
use crate::identity_log::Log;
use crate::metrics::Metrics;
use crate::report::Reports;

/// The sending ends of what workers see, and what it takes to fill them.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) identity: SpiffeId,
    pub(crate) supervisor: Arc<Supervisor>,
    pub(crate) svid: watch::Sender<Option<Arc<Svid>>>,
    pub(crate) bundles: watch::Sender<Arc<BundleSet>>,
    pub(crate) enforced: watch::Sender<Arc<Enforced>>,
    /// Up to which generation of what is enforced each worker has judged again what is open.
    pub(crate) judged: Vec<watch::Receiver<u64>>,
    pub(crate) reports: Arc<Reports>,
    /// Somebody asks for a new svid now.
    pub(crate) renew: Notify,
    /// The workers have ended: there is nothing left to enforce, and one last report to make.
    pub(crate) finished: CancellationToken,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) log: Log,
    pub(crate) clock: Clock,
    pub(crate) stop: Stop,
}

/// Publishes a value unless it is the one that is there: whoever watches is not woken for nothing.
fn put<T: PartialEq>(to: &watch::Sender<Arc<T>>, value: T) {
    to.send_if_modified(|current| {
        let changed = **current != value;
        if changed {
            *current = Arc::new(value);
        }
        changed
    });
}
