//! Changes who is cut off. Owns the order: the file is synced before the world knows, so that nothing was ever in
//! force, or answered, that a crash could undo. One change at a time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use kith_identity::{SpiffeId, TrustDomain};
use kith_policy::Revision;
use kith_policy::document::quarantine::MAX_REASON_BYTES;
use tracing::info;

use super::store::{Full, Store, StoreError, check_room};
use super::target::Target;
use crate::index::Worlds;

/// The record and the world. Cheap to clone; all clones are one ledger.
#[derive(Debug, Clone)]
pub(crate) struct Ledger(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Locked for a whole change: what is on disk and what is in the world follow each other in one order.
    store: Mutex<Store>,
    worlds: Arc<Worlds>,
}

/// A change that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// The world's revision since which it is so.
    pub(crate) revision: Revision,
    /// It was so already.
    pub(crate) unchanged: bool,
}

/// Why nothing is in force that was not before.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    #[error("{0} is the control plane's own identity; without it nobody hears of any quarantine")]
    Reserved(SpiffeId),
    #[error(
        "{identity} is not of the trust domain {ours}; only its own control plane can cut it off everywhere"
    )]
    Foreign { identity: SpiffeId, ours: TrustDomain },
    #[error("{0} is a trust domain and no workload; name an identity in it")]
    NoPath(SpiffeId),
    #[error("the reason has {0} bytes; say it in at most {MAX_REASON_BYTES}")]
    LongReason(usize),
    #[error("the reason has a control character in it; say it in one line of text")]
    ControlCharacter,
    #[error("{0}; remove one that is not needed")]
    Full(#[from] Full),
    #[error("{0} is not quarantined")]
    NotQuarantined(SpiffeId),
    #[error(
        "no Quarantine object cuts {0} off yet; in a cluster it is an object, written with your own rights"
    )]
    NoObject(Target),
    #[error("a Quarantine object still cuts {0} off; delete it")]
    ObjectLeft(Target),
    #[error(
        "{0} is nothing that this mesh has; pods and nodes are a cluster's, name a workload or an identity"
    )]
    OnlyInCluster(Target),
    #[error("nothing changed, because it could not be written down: {0}")]
    Store(StoreError),
    #[error("nothing changed now, but it may have after a restart of the control plane: {0}")]
    Unsettled(StoreError),
    #[error("nothing is known of the change, its task ended: {0}; ask for the list")]
    Task(#[from] tokio::task::JoinError),
}

impl From<StoreError> for ChangeError {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::Unsettled { .. }) {
            Self::Unsettled(error)
        } else {
            Self::Store(error)
        }
    }
}

impl Ledger {
    pub(crate) fn new(store: Store, worlds: Arc<Worlds>) -> Self {
        Self(Arc::new(Inner { store: Mutex::new(store), worlds }))
    }

    /// Cuts an identity off. Once begun it is finished, also when nobody waits for it any more.
    pub(crate) async fn quarantine(
        &self,
        identity: SpiffeId,
        reason: String,
        since: SystemTime,
    ) -> Result<Change, ChangeError> {
        check(&self.0.worlds.now().trust_domain, &identity, &reason)?;
        let inner = Arc::clone(&self.0);
        // It writes to disk.
        tokio::task::spawn_blocking(move || inner.quarantine(&identity, &reason.into(), since)).await?
    }

    /// Lets an identity in again.
    pub(crate) async fn lift(&self, identity: SpiffeId) -> Result<Change, ChangeError> {
        let inner = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || inner.lift(&identity)).await?
    }
}

/// Whether an identity may be cut off for this reason, by what they are.
pub(super) fn check(ours: &TrustDomain, identity: &SpiffeId, reason: &str) -> Result<(), ChangeError> {
    if identity.trust_domain() != ours {
        return Err(ChangeError::Foreign { identity: identity.clone(), ours: ours.clone() });
    }
    if identity.is_reserved() {
        return Err(ChangeError::Reserved(identity.clone()));
    }
    if identity.path().is_empty() {
        return Err(ChangeError::NoPath(identity.clone()));
    }
    check_reason(reason)
}

/// Whether a reason is one.
pub(super) fn check_reason(reason: &str) -> Result<(), ChangeError> {
    if reason.len() > MAX_REASON_BYTES {
        return Err(ChangeError::LongReason(reason.len()));
    }
    if reason.contains(char::is_control) { Err(ChangeError::ControlCharacter) } else { Ok(()) }
}

impl Inner {
    fn quarantine(
        &self,
        identity: &SpiffeId,
        reason: &Arc<str>,
        since: SystemTime,
    ) -> Result<Change, ChangeError> {
        // A panic cannot leave half a change behind: the file is replaced whole, and so is the world.
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        let world = self.worlds.now();
        let Some(next) = world.quarantine(identity, since, reason) else {
            let revision = world.quarantines.get(identity).map_or(world.revision, |entry| entry.revision);
            return Ok(Change { revision, unchanged: true });
        };
        check_room(&next.quarantines)?;
        store.write(&next.quarantines, &world.quarantines)?;
        // The rest of the world may have changed since; quarantines change only under this lock.
        let mut revision = next.revision;
        self.worlds.update(|world| {
            let next = world.quarantine(identity, since, reason)?;
            revision = next.revision;
            Some(next)
        });
        info!(%identity, reason = &**reason, %revision, "Quarantined");
        Ok(Change { revision, unchanged: false })
    }

    fn lift(&self, identity: &SpiffeId) -> Result<Change, ChangeError> {
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        let not_quarantined = || ChangeError::NotQuarantined(identity.clone());
        let world = self.worlds.now();
        let next = world.lift(identity).ok_or_else(not_quarantined)?;
        store.write(&next.quarantines, &world.quarantines)?;
        let mut revision = next.revision;
        self.worlds.update(|world| {
            let next = world.lift(identity)?;
            revision = next.revision;
            Some(next)
        });
        info!(%identity, %revision, "Quarantine lifted");
        Ok(Change { revision, unchanged: false })
    }
}

#[cfg(test)]
mod tests;
