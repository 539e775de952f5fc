//! What the control plane knows, as one immutable value. Sources change it, streams read it; nothing here does I/O
//! or looks at a clock.
//!
//! Owns the revision: it grows when, and only when, the content changes, so that whoever has a revision has
//! everything that was decided up to it.

mod workload;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use kith_identity::{BundleSet, SpiffeId, TrustDomain};
use kith_policy::Revision;
use kith_policy::document::AuthorizationPolicy;
use tokio::sync::watch;

use crate::quarantine::{Quarantine, QuarantineList};

#[cfg(test)]
use workload::WorkloadsError;
pub(crate) use workload::{Workload, workloads_from_wire};

/// Everything that snapshots are computed from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct World {
    pub(crate) revision: Revision,
    pub(crate) trust_domain: TrustDomain,
    pub(crate) bundles: BundleSet,
    /// `None` until the first readable folder. Nothing is distributed until then: a sidecar that has a snapshot of an
    /// earlier epoch keeps it, and one that has none refuses everything.
    pub(crate) policies: Option<Arc<[AuthorizationPolicy]>>,
    /// `None` until the supervisor said which there are: an unknown workload is then not yet a stranger.
    pub(crate) workloads: Option<Arc<Workloads>>,
    /// Who is cut off: in force before anything else is, and whatever else is known.
    pub(crate) quarantines: Arc<QuarantineList>,
}

/// Workloads by identity.
pub(crate) type Workloads = BTreeMap<SpiffeId, Workload>;

impl World {
    /// What is known at the start of an epoch, apart from who is cut off.
    pub(crate) fn new(epoch: u64, trust_domain: TrustDomain, bundles: BundleSet) -> Self {
        let (revision, quarantines) = (Self::first_revision(epoch), Arc::default());
        Self { revision, trust_domain, bundles, policies: None, workloads: None, quarantines }
    }

    /// That of the first world of an epoch.
    pub(crate) fn first_revision(epoch: u64) -> Revision {
        Revision { epoch, counter: 1 }
    }

    /// The world with exactly these policies; `None` when nothing changes by it.
    pub(crate) fn replace_policies(&self, policies: Vec<AuthorizationPolicy>) -> Option<Self> {
        if self.policies.as_deref() == Some(&*policies) {
            return None;
        }
        Some(Self { policies: Some(policies.into()), revision: self.next(), ..self.clone() })
    }

    /// The world with exactly these workloads; `None` when nothing changes by it.
    pub(crate) fn replace_workloads(&self, workloads: Workloads) -> Option<Self> {
        if self.workloads.as_deref() == Some(&workloads) {
            return None;
        }
        Some(Self { workloads: Some(Arc::new(workloads)), revision: self.next(), ..self.clone() })
    }

    /// The world in which an identity is cut off; `None` when it is so already, whatever the reason was.
    pub(crate) fn quarantine(
        &self,
        identity: &SpiffeId,
        since: SystemTime,
        reason: &Arc<str>,
    ) -> Option<Self> {
        if self.quarantines.contains_key(identity) {
            return None;
        }
        let revision = self.next();
        let mut quarantines = QuarantineList::clone(&self.quarantines);
        quarantines.insert(identity.clone(), Quarantine { since, reason: reason.clone(), revision });
        Some(Self { quarantines: Arc::new(quarantines), revision, ..self.clone() })
    }

    /// The world in which an identity is let in again; `None` when it is not cut off.
    pub(crate) fn lift(&self, identity: &SpiffeId) -> Option<Self> {
        let mut quarantines = QuarantineList::clone(&self.quarantines);
        quarantines.remove(identity)?;
        Some(Self { quarantines: Arc::new(quarantines), revision: self.next(), ..self.clone() })
    }

    /// Whether an identity is cut off.
    pub(crate) fn is_quarantined(&self, identity: &SpiffeId) -> bool {
        self.quarantines.contains_key(identity)
    }

    /// The workload with this identity.
    pub(crate) fn workload(&self, identity: &SpiffeId) -> Result<&Workload, Unknown> {
        let workloads = self.workloads.as_deref().ok_or(Unknown::NotYet)?;
        workloads.get(identity).ok_or_else(|| Unknown::Stranger(identity.clone()))
    }

    /// All workloads, in the order of their identities.
    pub(crate) fn workloads(&self) -> impl Iterator<Item = &Workload> {
        self.workloads.iter().flat_map(|workloads| workloads.values())
    }

    /// The policies that apply to a workload, in the order of their files.
    pub(crate) fn policies_of(&self, workload: &Workload) -> impl Iterator<Item = &AuthorizationPolicy> {
        self.policies.iter().flat_map(|policies| policies.iter()).filter(|policy| {
            policy.targets.selects(&workload.namespace, &workload.service_account, &workload.labels)
        })
    }

    /// How many policies there are in all.
    pub(crate) fn count_policies(&self) -> u32 {
        u32::try_from(self.policies.as_deref().unwrap_or_default().len()).unwrap_or(u32::MAX)
    }

    fn next(&self) -> Revision {
        Revision { counter: self.revision.counter + 1, ..self.revision }
    }
}

/// Why there is no workload for an identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unknown {
    /// The list has not come yet: ask again.
    #[error("the list of workloads has not arrived yet; try again")]
    NotYet,
    /// It is not in the list.
    #[error("{0} is not one of the workloads of this mesh")]
    Stranger(SpiffeId),
}

impl From<Unknown> for tonic::Status {
    fn from(unknown: Unknown) -> Self {
        match unknown {
            Unknown::NotYet => Self::unavailable(unknown.to_string()),
            Unknown::Stranger(_) => Self::permission_denied(unknown.to_string()),
        }
    }
}

/// The newest world: written by the sources, watched by the streams.
#[derive(Debug)]
pub(crate) struct Worlds(watch::Sender<Arc<World>>);

impl Worlds {
    pub(crate) fn new(world: World) -> Self {
        Self(watch::Sender::new(Arc::new(world)))
    }

    /// Replaces the world by what `change` makes of it; watchers wake only when it makes something.
    pub(crate) fn update(&self, change: impl FnOnce(&World) -> Option<World>) -> bool {
        self.0.send_if_modified(|world| match change(world) {
            Some(next) => {
                *world = Arc::new(next);
                true
            }
            None => false,
        })
    }

    pub(crate) fn now(&self) -> Arc<World> {
        self.0.borrow().clone()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Arc<World>> {
        self.0.subscribe()
    }
}

#[cfg(test)]
mod tests;
