//! What the control plane knows, as one immutable value. Sources change it, streams read it; nothing here does I/O
//! or looks at a clock.
//!
//! Owns the revision: it grows when, and only when, the content changes, so that whoever has a revision has
//! everything that was decided up to it.

pub(crate) mod cluster;
mod namespaces;
mod services;
mod workload;
mod workloads;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use kith_identity::svid::Serial;
use kith_identity::{BundleSet, SpiffeId, TrustDomain};
use kith_policy::Revision;
use kith_policy::document::AuthorizationPolicy;
use tokio::sync::watch;

use crate::quarantine::{Quarantine, QuarantineList, QuarantineObjects};

pub(crate) use namespaces::{Egress, Namespace, Namespaces, Posture};
pub(crate) use services::{PodAddress, ServiceEndpoint, ServicePort, Services};
#[cfg(test)]
use workload::WorkloadsError;
pub(crate) use workload::{Workload, workloads_from_wire};
pub(crate) use workloads::{WorkloadId, Workloads};

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
    /// Services and pods by their addresses; none in local mode, where destinations are declared.
    pub(crate) services: Arc<Services>,
    /// What the platform says of namespaces; none in local mode.
    pub(crate) namespaces: Arc<Namespaces>,
    /// Who is cut off: in force before anything else is, and whatever else is known.
    pub(crate) quarantines: Arc<QuarantineList>,
    /// Which single workloads are cut off, although others of their identity are not.
    pub(crate) cut: Arc<Cut>,
    /// The revision since which exactly these are cut off: whoever has it, or a later one, cuts off no others.
    pub(crate) cut_since: Revision,
    /// The objects that cut them off, for people; none in local mode.
    pub(crate) quarantine_objects: Arc<QuarantineObjects>,
}

/// Workloads that are cut off, whatever their identity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Those that a quarantine of a pod or a node means.
    pub(crate) workloads: BTreeSet<WorkloadId>,
    /// Of the svids that they hold: by these the others know them.
    pub(crate) serials: BTreeSet<Serial>,
}

/// Everything that a cluster says, as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ClusterView {
    pub(crate) policies: Vec<AuthorizationPolicy>,
    pub(crate) workloads: Workloads,
    pub(crate) services: Services,
    pub(crate) namespaces: Namespaces,
    /// Since when, and why; their revisions are the world's to give.
    pub(crate) quarantines: BTreeMap<SpiffeId, (SystemTime, Arc<str>)>,
    pub(crate) cut: BTreeSet<WorkloadId>,
    pub(crate) quarantine_objects: QuarantineObjects,
}

impl World {
    /// What is known at the start of an epoch, apart from who is cut off.
    pub(crate) fn new(epoch: u64, trust_domain: TrustDomain, bundles: BundleSet) -> Self {
        Self {
            revision: Self::first_revision(epoch),
            trust_domain,
            bundles,
            policies: None,
            workloads: None,
            services: Arc::default(),
            namespaces: Arc::default(),
            quarantines: Arc::default(),
            cut: Arc::default(),
            cut_since: Self::first_revision(epoch),
            quarantine_objects: Arc::default(),
        }
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
        Some(Self { quarantines: Arc::new(quarantines), revision, cut_since: revision, ..self.clone() })
    }

    /// The world in which an identity is let in again; `None` when it is not cut off.
    pub(crate) fn lift(&self, identity: &SpiffeId) -> Option<Self> {
        let mut quarantines = QuarantineList::clone(&self.quarantines);
        quarantines.remove(identity)?;
        let revision = self.next();
        Some(Self { quarantines: Arc::new(quarantines), revision, cut_since: revision, ..self.clone() })
    }

    /// The world as a cluster says it is; `None` when nothing changes by it. What is the same stays the same value, so
    /// that nobody is told it again.
    pub(crate) fn replace_cluster(&self, view: ClusterView) -> Option<Self> {
        let revision = self.next();
        let quarantines = view.quarantines.into_iter().map(|(identity, (since, reason))| {
            let known = self
                .quarantines
                .get(&identity)
                .filter(|known| known.since == since && known.reason == reason);
            let quarantine = known.cloned().unwrap_or(Quarantine { since, reason, revision });
            (identity, quarantine)
        });
        let cut = Cut { workloads: view.cut, serials: self.cut.serials.clone() };
        let policies = Arc::from(view.policies);
        let next = Self {
            policies: Some(self.policies.clone().filter(|known| *known == policies).unwrap_or(policies)),
            workloads: Some(kept(self.workloads.clone(), view.workloads)),
            services: kept(Some(self.services.clone()), view.services),
            namespaces: kept(Some(self.namespaces.clone()), view.namespaces),
            quarantines: kept(Some(self.quarantines.clone()), quarantines.collect()),
            cut: kept(Some(self.cut.clone()), cut),
            quarantine_objects: kept(Some(self.quarantine_objects.clone()), view.quarantine_objects),
            ..self.clone()
        };
        let same = next.quarantines == self.quarantines && next.cut == self.cut;
        let cut_since = if same { self.cut_since } else { revision };
        (next != *self).then_some(Self { revision, cut_since, ..next })
    }

    /// The world in which those that are cut off hold these svids; `None` when nothing changes by it.
    pub(crate) fn replace_cut_serials(&self, serials: BTreeSet<Serial>) -> Option<Self> {
        if self.cut.serials == serials {
            return None;
        }
        let cut = Cut { serials, ..Cut::clone(&self.cut) };
        let revision = self.next();
        Some(Self { cut: Arc::new(cut), revision, cut_since: revision, ..self.clone() })
    }

    /// Whether an identity is cut off.
    pub(crate) fn is_quarantined(&self, identity: &SpiffeId) -> bool {
        self.quarantines.contains_key(identity)
    }

    /// Whether a workload is cut off: its identity, or itself.
    pub(crate) fn is_cut_off(&self, workload: &Workload) -> bool {
        self.is_quarantined(&workload.identity) || self.cut.workloads.contains(&workload.id)
    }

    /// The workload of this id.
    pub(crate) fn workload(&self, id: &WorkloadId) -> Result<&Workload, Unknown> {
        let workloads = self.workloads.as_deref().ok_or(Unknown::NotYet)?;
        workloads.get(id).ok_or_else(|| Unknown::Gone(id.clone()))
    }

    /// The workloads of an identity; at least one.
    pub(crate) fn workloads_of(&self, identity: &SpiffeId) -> Result<Vec<&Workload>, Unknown> {
        let workloads = self.workloads.as_deref().ok_or(Unknown::NotYet)?;
        let of_identity: Vec<_> = workloads.of_identity(identity).collect();
        if of_identity.is_empty() { Err(Unknown::Stranger(identity.clone())) } else { Ok(of_identity) }
    }

    /// Any workload of an identity: for questions whose answer is the same for all of them, or needs one of them.
    pub(crate) fn any_of(&self, identity: &SpiffeId) -> Result<&Workload, Unknown> {
        Ok(self.workloads_of(identity)?[0])
    }

    /// All workloads, in the order of their ids.
    pub(crate) fn workloads(&self) -> impl Iterator<Item = &Workload> {
        self.workloads.iter().flat_map(|workloads| workloads.iter())
    }

    /// What the platform says of a namespace.
    pub(crate) fn namespace(&self, name: &str) -> Option<&Namespace> {
        self.namespaces.get(name)
    }

    /// The policies that apply to a workload, in the order of their files.
    pub(crate) fn policies_of(&self, workload: &Workload) -> impl Iterator<Item = &AuthorizationPolicy> {
        self.policies.iter().flat_map(|policies| policies.iter()).filter(|policy| {
            policy.targets.selects(&workload.namespace, &workload.service_account, &workload.labels)
        })
    }

    /// Why no call to a workload may be decided; `None` where its policies decide.
    pub(crate) fn refuse_all<'a>(&'a self, workload: &'a Workload) -> Option<&'a str> {
        let of_namespace = self.namespace(&workload.namespace).and_then(|it| it.refuse_all.as_deref());
        of_namespace.or(workload.closed.as_deref())
    }

    /// How many policies there are in all.
    pub(crate) fn count_policies(&self) -> u32 {
        u32::try_from(self.policies.as_deref().unwrap_or_default().len()).unwrap_or(u32::MAX)
    }

    fn next(&self) -> Revision {
        Revision { counter: self.revision.counter + 1, ..self.revision }
    }
}

/// The value that is there, if the new one is equal to it.
fn kept<T: PartialEq>(known: Option<Arc<T>>, new: T) -> Arc<T> {
    match known.filter(|known| **known == new) {
        Some(known) => known,
        None => Arc::new(new),
    }
}

/// Why there is no such workload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unknown {
    /// The list has not come yet: ask again.
    #[error("the list of workloads has not arrived yet; try again")]
    NotYet,
    /// It is not in the list.
    #[error("{0} is not one of the workloads of this mesh")]
    Stranger(SpiffeId),
    /// It is not in the list any more, or not yet.
    #[error("the workload {0} is not known; it is gone, or so new that nobody told of it yet")]
    Gone(WorkloadId),
}

impl From<Unknown> for tonic::Status {
    fn from(unknown: Unknown) -> Self {
        match unknown {
            Unknown::NotYet | Unknown::Gone(_) => Self::unavailable(unknown.to_string()),
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
