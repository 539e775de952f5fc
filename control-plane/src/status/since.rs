//! Since which revision each workload has to have each policy that selects it. Owns the memory of that: a world says what
//! is so, not since when, and a workload that confirmed an older world may lack what came later.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kith_policy::Revision;
use kith_policy::document::AuthorizationPolicy;

use crate::index::cluster::Key;
use crate::index::{Workload, WorkloadId, Workloads, World};

/// By policy and workload. The default knows no world.
#[derive(Debug, Default)]
pub(super) struct Since {
    world: Option<(Arc<[AuthorizationPolicy]>, Arc<Workloads>)>,
    policies: BTreeMap<Key, Selected>,
    from_the_start: BTreeSet<WorkloadId>,
}

#[derive(Debug)]
struct Selected {
    /// Where the policy stands in the world's list.
    place: usize,
    workloads: BTreeMap<WorkloadId, Revision>,
}

impl Since {
    /// Takes in a world.
    pub(super) fn update(&mut self, world: &World) {
        let (Some(policies), Some(workloads)) = (&world.policies, &world.workloads) else { return };
        match &self.world {
            Some((before, _)) if Arc::ptr_eq(before, policies) && self.knows(workloads) => return,
            Some(_) => {}
            None => self.from_the_start = workloads.iter().map(|workload| workload.id.clone()).collect(),
        }
        let in_namespace = by_namespace(workloads);
        let of = |(place, policy): (usize, &AuthorizationPolicy)| {
            let key = Key::new(&policy.namespace, &policy.name);
            let before = self.same(&key, policy);
            let of_namespace = in_namespace.get(policy.namespace.as_str()).into_iter().flatten();
            let selected = of_namespace.filter(|workload| selects(policy, workload)).map(|workload| {
                let since = before.and_then(|before| before.workloads.get(&workload.id));
                (workload.id.clone(), since.copied().unwrap_or(world.revision))
            });
            let workloads = selected.collect();
            (key, Selected { place, workloads })
        };
        let next = policies.iter().enumerate().map(of).collect();
        self.policies = next;
        self.from_the_start.retain(|id| workloads.get(id).is_some());
        self.world = Some((policies.clone(), workloads.clone()));
    }

    /// Whom a policy selects, each with the revision that it has to have.
    pub(super) fn selected(&self, policy: &Key) -> impl Iterator<Item = (&WorkloadId, Revision)> {
        let selected = self.policies.get(policy).map(|selected| &selected.workloads);
        selected.into_iter().flatten().map(|(id, since)| (id, *since))
    }

    /// The version of a policy that holds.
    pub(super) fn policy(&self, key: &Key) -> Option<&AuthorizationPolicy> {
        let (policies, _) = self.world.as_ref()?;
        policies.get(self.policies.get(key)?.place)
    }

    /// Whether a workload was there before this control plane: it may hold an svid that nobody here knows of.
    pub(super) fn is_from_the_start(&self, workload: &WorkloadId) -> bool {
        self.from_the_start.contains(workload)
    }

    fn knows(&self, workloads: &Arc<Workloads>) -> bool {
        self.world.as_ref().is_some_and(|(_, known)| Arc::ptr_eq(known, workloads))
    }

    /// What is known of a policy, if it is the same as it was.
    fn same(&self, key: &Key, policy: &AuthorizationPolicy) -> Option<&Selected> {
        self.policies.get(key).filter(|_| self.policy(key) == Some(policy))
    }
}

fn selects(policy: &AuthorizationPolicy, workload: &Workload) -> bool {
    policy.targets.selects(&workload.namespace, &workload.service_account, &workload.labels)
}

fn by_namespace(workloads: &Workloads) -> BTreeMap<&str, Vec<&Workload>> {
    let mut in_namespace: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for workload in workloads.iter() {
        in_namespace.entry(workload.namespace.as_str()).or_default().push(workload);
    }
    in_namespace
}

#[cfg(test)]
mod tests;
