//! Sidecars of which nothing is expected, or not yet: those of pods that just start, and those that are cut off on purpose.
//! Owns who is excused, and that it is said; whether the others are well is for the checks.

use std::collections::BTreeMap;
use std::time::SystemTime;

use kith_policy::document::quarantine::QuarantineTarget;
use kith_proto::v1::WorkloadStatus;

use super::facts::{Facts, Pod, Quarantine};
use super::{Judgement, Outcome};

/// Members that go on.
fn members(facts: &Facts) -> impl Iterator<Item = &Pod> {
    facts.pods.iter().flatten().filter(|pod| pod.is_member())
}

/// Who is excused in these facts.
pub(super) struct Excused {
    now: SystemTime,
    /// By the pod's full name: `quarantined by sa-shop-web`.
    cut_off: BTreeMap<String, String>,
}

impl Excused {
    /// What the control plane says of a pod that it knows is so; of others, and where it does not answer, the objects speak.
    pub(super) fn of(facts: &Facts) -> Self {
        let workloads = facts.status.iter().flat_map(|status| &status.workloads);
        let known: BTreeMap<_, _> = workloads.map(|workload| (workload.name.as_str(), workload)).collect();
        let cut_off = members(facts).filter_map(|pod| {
            let name = pod.full_name();
            let told = cut_off(facts, pod, known.get(name.as_str()).copied())?;
            Some((name, told))
        });
        Self { now: facts.now, cut_off: cut_off.collect() }
    }

    /// Whether its sidecar is to be ready, and known to the control plane, by now.
    pub(super) fn is_settled(&self, pod: &Pod) -> bool {
        pod.is_member() && !pod.is_starting(self.now) && self.cut_off(pod).is_none()
    }

    /// Why nobody is to be reached by its sidecar, if so.
    pub(super) fn cut_off(&self, pod: &Pod) -> Option<&str> {
        self.cut_off.get(&pod.full_name()).map(String::as_str)
    }
}

fn cut_off(facts: &Facts, pod: &Pod, known: Option<&WorkloadStatus>) -> Option<String> {
    let identity = known.map(|workload| workload.identity.as_str());
    let by = facts.quarantines.iter().flatten().filter(|it| means(it, pod, identity));
    let by: Vec<_> = by.map(|quarantine| quarantine.name.as_str()).collect();
    let is_cut_off = known.map_or(!by.is_empty(), |workload| workload.quarantined);
    is_cut_off.then(|| match by.is_empty() {
        true => "quarantined".to_owned(),
        false => format!("quarantined by {}", by.join(", ")),
    })
}

fn means(quarantine: &Quarantine, pod: &Pod, identity: Option<&str>) -> bool {
    let runs_as = |namespace: &str, name: &str| pod.namespace == namespace && pod.service_account == name;
    match &quarantine.target {
        Some(QuarantineTarget::Pod { namespace, name }) => {
            pod.namespace == namespace.as_str() && pod.name == name.as_str()
        }
        Some(QuarantineTarget::ServiceAccount { namespace, name }) => {
            runs_as(namespace.as_str(), name.as_str())
        }
        Some(QuarantineTarget::Node(name)) => pod.node == name.as_str(),
        Some(QuarantineTarget::Identity(meant)) => match identity {
            Some(identity) => meant.as_str() == identity,
            None => meant.service_account().is_some_and(|it| runs_as(it.namespace, it.name)),
        },
        None => false,
    }
}

/// Where all is well: how many were not counted, and why.
pub(super) fn beside_excused(mut judgement: Judgement, facts: &Facts) -> Judgement {
    let cut_off = Excused::of(facts).cut_off;
    let starting =
        members(facts).filter(|pod| pod.is_starting(facts.now) && !cut_off.contains_key(&pod.full_name()));
    let (starting, cut_off) = (starting.count(), cut_off.len());
    let mut told = Vec::new();
    if starting > 0 {
        told.push(format!("{starting} just starting, and not counted yet"));
    }
    if cut_off > 0 {
        told.push(format!("{cut_off} quarantined, and not counted"));
    }
    if judgement.outcome == Outcome::Ok && !told.is_empty() {
        judgement.detail = Some(told.join("; "));
    }
    judgement
}
