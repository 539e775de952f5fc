//! All workloads, found by their id or by their identity. In local mode an identity has one workload; in a cluster it
//! has one for each pod of its service account.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use kith_identity::SpiffeId;

use super::Workload;

/// Names one workload for as long as it runs: a pod's uid, and in local mode the text of its identity. It says nothing
/// about who the workload is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct WorkloadId(Arc<str>);

impl WorkloadId {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WorkloadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A whole list of workloads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Workloads {
    by_id: BTreeMap<WorkloadId, Workload>,
    by_identity: BTreeMap<SpiffeId, Vec<WorkloadId>>,
}

impl Workloads {
    pub(crate) fn get(&self, id: &WorkloadId) -> Option<&Workload> {
        self.by_id.get(id)
    }

    /// Those that run under an identity, in the order of their ids.
    pub(crate) fn of_identity(&self, identity: &SpiffeId) -> impl Iterator<Item = &Workload> {
        self.by_identity.get(identity).into_iter().flatten().filter_map(|id| self.by_id.get(id))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Workload> {
        self.by_id.values()
    }

    /// Adds a workload; one of the same id makes room and is returned.
    pub(crate) fn insert(&mut self, workload: Workload) -> Option<Workload> {
        let (id, identity) = (workload.id.clone(), workload.identity.clone());
        let before = self.by_id.insert(id.clone(), workload);
        if let Some(before) = &before {
            self.forget(&before.identity, &id);
        }
        let ids = self.by_identity.entry(identity).or_default();
        let place = ids.partition_point(|other| *other < id);
        ids.insert(place, id);
        before
    }

    fn forget(&mut self, identity: &SpiffeId, id: &WorkloadId) {
        if let Some(ids) = self.by_identity.get_mut(identity) {
            ids.retain(|other| other != id);
            if ids.is_empty() {
                self.by_identity.remove(identity);
            }
        }
    }
}

impl FromIterator<Workload> for Workloads {
    fn from_iter<T: IntoIterator<Item = Workload>>(workloads: T) -> Self {
        let mut all = Self::default();
        for workload in workloads {
            all.insert(workload);
        }
        all
    }
}
