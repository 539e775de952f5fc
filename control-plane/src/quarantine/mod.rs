//! Who is cut off, durably. Owns the record on disk and the order of every change: on disk first, in the world after.
//! What a quarantine does to a call is the sidecars' and `kith-policy`'s; who is told, the streams'.
//!
//! ```text
//! api ─► ledger ─► store (file, synced) ─► index::World ─► stream::sync ─► sidecars
//! ```

mod ledger;
mod quarantining;
mod store;
mod target;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use kith_identity::SpiffeId;
use kith_policy::Revision;

pub(crate) use ledger::{Change, ChangeError, Ledger};
pub(crate) use quarantining::Quarantining;
pub(crate) use store::Store;
pub(crate) use target::Target;

/// One identity that is cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Quarantine {
    pub(crate) since: SystemTime,
    /// One line, for people; may be empty.
    pub(crate) reason: Arc<str>,
    /// The revision in which it came into the world; after a restart the first of the new epoch.
    pub(crate) revision: Revision,
}

/// Everybody who is cut off.
pub(crate) type QuarantineList = BTreeMap<SpiffeId, Quarantine>;

/// One stored quarantine of a cluster, as far as it is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CutOff {
    pub(crate) target: Target,
    pub(crate) since: SystemTime,
    pub(crate) reason: Arc<str>,
}

/// All of them, by the names of their objects.
pub(crate) type QuarantineObjects = BTreeMap<String, CutOff>;
