//! The newest svid that was issued to each workload, and how many were. Owns what people are told about them; it
//! decides nothing. There is an entry for each workload at most: others are not issued to, and the gone are forgotten.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use kith_ca::Issued;
use kith_identity::SpiffeId;
use kith_identity::svid::{KeyHash, Serial};
use tokio::sync::watch;

/// An svid, without its chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IssuedSvid {
    pub(crate) serial: Serial,
    pub(crate) key_hash: KeyHash,
    pub(crate) not_before: SystemTime,
    pub(crate) not_after: SystemTime,
    pub(crate) renew_from: SystemTime,
    pub(crate) renew_until: SystemTime,
    /// How many this start of the control plane issued to its identity, this one included.
    pub(crate) issued: u64,
}

/// Everybody's newest. Cheap to clone; all clones are one memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct IssuedSvids(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    newest: Mutex<BTreeMap<SpiffeId, IssuedSvid>>,
    changed: watch::Sender<()>,
}

impl IssuedSvids {
    /// An svid goes out.
    pub(crate) fn record(&self, identity: &SpiffeId, issued: &Issued, key_hash: KeyHash) {
        let mut newest = self.lock();
        let before = newest.get(identity).map_or(0, |svid| svid.issued);
        let svid = IssuedSvid {
            serial: issued.serial.clone(),
            key_hash,
            not_before: issued.not_before,
            not_after: issued.not_after,
            renew_from: issued.renew_from,
            renew_until: issued.renew_until,
            issued: before.saturating_add(1),
        };
        newest.insert(identity.clone(), svid);
        drop(newest);
        self.0.changed.send_replace(());
    }

    /// The newest of an identity; `None` when it was issued none since this start.
    pub(crate) fn newest(&self, identity: &SpiffeId) -> Option<IssuedSvid> {
        self.lock().get(identity).cloned()
    }

    /// How many were issued to an identity since this start.
    pub(crate) fn count(&self, identity: &SpiffeId) -> u64 {
        self.lock().get(identity).map_or(0, |svid| svid.issued)
    }

    /// Shows that an svid was issued.
    pub(crate) fn watch(&self) -> watch::Receiver<()> {
        self.0.changed.subscribe()
    }

    /// Forgets workloads that are gone.
    pub(crate) fn retain(&self, mut exists: impl FnMut(&SpiffeId) -> bool) {
        self.lock().retain(|identity, _| exists(identity));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SpiffeId, IssuedSvid>> {
        // Every change is of whole entries, so a panic elsewhere cannot have left half of one.
        self.0.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
