//! Sidecars and policies as the control plane sees them, held against the pods that there are.

use std::collections::{BTreeMap, BTreeSet};

use kith_proto::v1::{StatusResponse, WorkloadStatus};

use super::excused::{Excused, beside_excused};
use super::facts::{Facts, Pod};
use super::installed::undefined;
use super::pods::{RESTART, named, shortened};
use super::{Judgement, Outcome};

/// What the control plane says of each pod that is settled with a sidecar; without it, why it says nothing. It was asked
/// before the pods were: one that is gone by now was ending then.
fn of_sidecars(
    facts: &Facts,
    cause: impl Fn(&StatusResponse, &WorkloadStatus) -> Option<String>,
) -> Result<Vec<String>, &str> {
    let status = facts.status.as_ref().map_err(String::as_str)?;
    let pods = facts.pods.as_ref().map_err(String::as_str)?;
    let excused = Excused::of(facts);
    let settled = pods.iter().filter(|pod| excused.is_settled(pod));
    let settled: BTreeSet<_> = settled.map(Pod::full_name).collect();
    let workloads = status.workloads.iter().filter(|workload| settled.contains(&workload.name));
    Ok(shortened(workloads.filter_map(|workload| cause(status, workload)).collect()))
}

pub(super) fn connected(facts: &Facts) -> Judgement {
    let causes = of_sidecars(facts, |_, workload| {
        (!workload.connected).then(|| format!("the sidecar of {} is not connected", workload.name))
    });
    let unknown = facts.pods.as_ref().map(|pods| unknown_to_the_control_plane(facts, pods));
    let judgement = match (causes, unknown) {
        (Ok(causes), Ok(unknown)) => Judgement::from_causes(
            Outcome::Error,
            causes.into_iter().chain(unknown).collect(),
            "one that has a certificate goes on with what it has until that ends, and a new one lets nothing through; its log says why \
             it does not connect",
        ),
        (Err(reason), _) => Judgement::unknown(reason),
        (_, Err(reason)) => Judgement::unknown(reason),
    };
    beside_excused(judgement, facts)
}

fn unknown_to_the_control_plane(facts: &Facts, pods: &[Pod]) -> Vec<String> {
    let Ok(status) = &facts.status else { return Vec::new() };
    let known = |pod: &Pod| status.workloads.iter().any(|workload| workload.name == pod.full_name());
    let excused = Excused::of(facts);
    let settled = pods.iter().filter(|pod| excused.is_settled(pod));
    let strangers: Vec<_> = settled.filter(|pod| pod.sidecar_ready && !known(pod)).collect();
    named(&strangers, |pod| {
        format!("{} has a sidecar, and the control plane does not know it", pod.full_name())
    })
}

pub(super) fn current(facts: &Facts) -> Judgement {
    let refused = of_sidecars(facts, |_, workload| {
        (!workload.refusal.is_empty())
            .then(|| format!("the sidecar of {} refused them: {}", workload.name, workload.refusal))
    });
    let lagging = of_sidecars(facts, |status, workload| {
        let behind =
            workload.connected && workload.refusal.is_empty() && workload.acknowledged != status.revision;
        behind.then(|| format!("the sidecar of {} has not acknowledged the newest revision", workload.name))
    });
    let judgement = match (refused, lagging) {
        (Ok(refused), Ok(lagging)) if refused.is_empty() => Judgement::from_causes(
            Outcome::Warning,
            lagging,
            "it takes well under a second; if it stays so, the sidecar's log says why",
        ),
        (Ok(refused), Ok(lagging)) => Judgement::from_causes(
            Outcome::Error,
            refused.into_iter().chain(lagging).collect(),
            "it keeps what it had; bring its version and the control plane's together",
        ),
        (Err(reason), _) | (_, Err(reason)) => Judgement::unknown(reason),
    };
    beside_excused(judgement, facts)
}

pub(super) fn policies(facts: &Facts) -> Judgement {
    let status = match &facts.status {
        Ok(status) => status,
        Err(reason) => return Judgement::unknown(reason),
    };
    let refused = status.refused_policies.iter();
    let causes =
        refused.map(|it| format!("{} (generation {}): {}", it.name, it.generation, it.error)).collect();
    let hint =
        "correct it: its last good version stays in force, and without one its namespace refuses everything";
    Judgement::from_causes(Outcome::Error, shortened(causes), hint)
}

pub(super) fn unmatched(facts: &Facts) -> Judgement {
    let causes = match &facts.unmatched {
        Ok(unmatched) => unmatched.clone(),
        Err(reason) => return undefined(facts).unwrap_or_else(|| Judgement::unknown(reason)),
    };
    let hint = "nothing is wrong if what they mean is still to come; if a name is misspelt, correct it";
    Judgement::from_causes(Outcome::Warning, shortened(causes), hint)
}

pub(super) fn versions(facts: &Facts) -> Judgement {
    let (status, pods) = match (&facts.status, &facts.pods) {
        (Ok(status), Ok(pods)) => (status, pods),
        (Err(reason), _) | (_, Err(reason)) => return Judgement::unknown(reason),
    };
    let mut causes = Vec::new();
    if status.version != facts.version {
        causes.push(format!("the control plane is {}, and this command {}", status.version, facts.version));
    }
    let mut others: BTreeMap<&str, Vec<&Pod>> = BTreeMap::new();
    for pod in pods.iter().filter(|pod| pod.is_member()) {
        let version = pod.injected.as_deref().unwrap_or("unknown");
        if version != status.version {
            others.entry(version).or_default().push(pod);
        }
    }
    for (version, pods) in others {
        let names = shortened(pods.iter().map(|pod| pod.full_name()).collect()).join(", ");
        causes.push(format!(
            "sidecars of version {version}, beside a control plane of {}: {names}",
            status.version
        ));
    }
    Judgement::from_causes(Outcome::Warning, causes, RESTART)
}
