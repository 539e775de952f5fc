//! The svids that each workload holds: the newest that was issued, how many were, and the serials of all that still hold.
//! Owns what people and quarantines are told about them; it decides nothing. Only attested workloads have an entry, and
//! those that are gone are forgotten with their last svid.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use kith_ca::Issued;
use kith_identity::svid::{KeyHash, Serial};
use tokio::sync::watch;

use crate::index::WorkloadId;

/// An svid, without its chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IssuedSvid {
    pub(crate) serial: Serial,
    pub(crate) key_hash: KeyHash,
    pub(crate) not_before: SystemTime,
    pub(crate) not_after: SystemTime,
    pub(crate) renew_from: SystemTime,
    pub(crate) renew_until: SystemTime,
    /// How many this start of the control plane issued to its workload, this one included.
    pub(crate) issued: u64,
}

/// Everybody's newest. Cheap to clone; all clones are one memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct IssuedSvids(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    held: Mutex<BTreeMap<WorkloadId, Held>>,
    changed: watch::Sender<()>,
}

/// What one workload has.
#[derive(Debug, Default)]
struct Held {
    newest: Option<IssuedSvid>,
    /// Of every svid that may still hold, also of those from before this start, as they are presented.
    serials: BTreeMap<Serial, SystemTime>,
}

impl IssuedSvids {
    /// An svid goes out.
    pub(crate) fn record(&self, workload: &WorkloadId, issued: &Issued, key_hash: KeyHash) {
        let mut held = self.lock();
        let entry = held.entry(workload.clone()).or_default();
        let before = entry.newest.as_ref().map_or(0, |svid| svid.issued);
        entry.newest = Some(IssuedSvid {
            serial: issued.serial.clone(),
            key_hash,
            not_before: issued.not_before,
            not_after: issued.not_after,
            renew_from: issued.renew_from,
            renew_until: issued.renew_until,
            issued: before.saturating_add(1),
        });
        entry.serials.insert(issued.serial.clone(), issued.not_after);
        drop(held);
        self.0.changed.send_replace(());
    }

    /// A workload proved itself by this svid.
    pub(crate) fn presented(&self, workload: &WorkloadId, serial: &Serial, not_after: SystemTime) {
        let mut held = self.lock();
        let entry = held.entry(workload.clone()).or_default();
        let new = entry.serials.insert(serial.clone(), not_after).is_none();
        drop(held);
        if new {
            self.0.changed.send_replace(());
        }
    }

    /// Whether a workload was issued the svid of this serial, or proved itself by it, and it may still hold.
    pub(crate) fn holds(&self, workload: &WorkloadId, serial: &Serial) -> bool {
        self.lock().get(workload).is_some_and(|held| held.serials.contains_key(serial))
    }

    /// The newest of a workload; `None` when it was issued none since this start.
    pub(crate) fn newest(&self, workload: &WorkloadId) -> Option<IssuedSvid> {
        self.lock().get(workload)?.newest.clone()
    }

    /// How many were issued to a workload since this start.
    pub(crate) fn count(&self, workload: &WorkloadId) -> u64 {
        self.newest(workload).map_or(0, |svid| svid.issued)
    }

    /// The serials of what these workloads hold, also of one that is gone.
    pub(crate) fn serials_of(&self, workloads: &BTreeSet<WorkloadId>) -> BTreeSet<Serial> {
        let held = self.lock();
        workloads.iter().filter_map(|id| held.get(id)).flat_map(|held| held.serials.keys().cloned()).collect()
    }

    /// Shows that an svid was issued or presented.
    pub(crate) fn watch(&self) -> watch::Receiver<()> {
        self.0.changed.subscribe()
    }

    /// Forgets svids that have ended, and workloads that are gone and hold none.
    pub(crate) fn forget(&self, now: SystemTime, mut exists: impl FnMut(&WorkloadId) -> bool) {
        self.lock().retain(|workload, held| {
            held.serials.retain(|_, not_after| *not_after > now);
            !held.serials.is_empty() || exists(workload)
        });
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<WorkloadId, Held>> {
        // Every change is of whole entries, so a panic elsewhere cannot have left half of one.
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
