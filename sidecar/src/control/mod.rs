//! The way to the control plane: svid and snapshot come in here, acknowledgements and reports go out.
//!
//! ```text
//! platform ──► evidence ──► Issue ──► svid, bundle ─┐
//!                           Sync  ──► snapshot ─────┴──► watch channels ──► workers
//! workers ──► addresses that are called ──► Subscriptions ──► Sync
//! ```

mod channel;
mod keeper;
mod platform;
mod pod;
mod schedule;
mod subscriptions;
mod supervisor;
mod sync;

pub(crate) use keeper::keep_svid;
use keeper::serial_of;
use platform::Attestation;
pub(crate) use platform::{Platform, PlatformError};
pub(crate) use pod::Pod;
pub(crate) use subscriptions::{Subscription, Subscriptions};
pub(crate) use supervisor::Supervisor;
pub(crate) use sync::keep_synced;

use std::sync::Arc;

use kith_identity::{BundleSet, SpiffeId};
use kith_mtls::{KeyExchange, Svid};
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
    pub(crate) key_exchange: KeyExchange,
    pub(crate) platform: Platform,
    pub(crate) svid: watch::Sender<Option<Arc<Svid>>>,
    pub(crate) bundles: watch::Sender<Arc<BundleSet>>,
    pub(crate) enforced: watch::Sender<Arc<Enforced>>,
    /// Up to which generation of what is enforced each worker has judged again what is open.
    pub(crate) judged: Vec<watch::Receiver<u64>>,
    pub(crate) subscriptions: Arc<Subscriptions>,
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

#[cfg(test)]
mod tests;
