//! A namespace that is about to be stored. Owns which of its mistakes count, which are those that this change makes, and
//! what is allowed and said all the same; and which namespaces never have members. What keys and values mean is read where it always is (`index::cluster`): what
//! passes here is what the sidecars are told later.
//!
//! A mistake that is there already blocks nobody: whoever changes something else is not asked about it, and one label may
//! be put right before the next.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use crate::index::cluster::vocabulary::namespace_mistakes;
use crate::index::cluster::{Key, NamespaceObject};
use crate::index::{Posture, World};
use crate::inject::{CLUSTERS_OWN, INJECT_LABEL};

/// An end of Observe that is later than this is one that nobody plans by.
const FAR: Duration = Duration::from_hours(90 * 24);
const DAY: Duration = Duration::from_hours(24);

/// What is to be said of a namespace that may be stored, or why it may not. `before` is null where there was none, `own` is
/// that of the installation.
pub(super) fn review(
    before: &Value,
    after: &Value,
    own: &str,
    world: &World,
    now: SystemTime,
) -> Result<Vec<String>, String> {
    let (Key { name, .. }, after) = read(after)?;
    let before = if before.is_object() { read(before)?.1 } else { NamespaceObject::default() };
    let anew = after.since(&before);
    let mut mistakes = namespace_mistakes(&name, &anew.labels, &anew.annotations);
    mistakes.extend(never_injected(&name, own).filter(|_| anew.labels.contains_key(INJECT_LABEL)));
    let end = anew.end_of_observe(&name);
    if let Some(mistake) = wrong_end(&name, end.as_ref(), now)
        && !mistakes.contains(&mistake)
    {
        mistakes.push(mistake);
    }
    if !mistakes.is_empty() {
        return Err(mistakes.join("; "));
    }
    // Said once: the posture may follow its end.
    let set = end.filter(|end| before.end_of_observe(&name).as_ref() != Some(end));
    let far = set.and_then(Result::ok).and_then(|end| far_end(&name, end, now));
    Ok(far.into_iter().chain(membership(&name, &before, &after, world)).collect())
}

fn read(object: &Value) -> Result<(Key, NamespaceObject), String> {
    let metadata: ObjectMeta =
        serde_json::from_value(object["metadata"].clone()).map_err(|error| format!("metadata: {error}"))?;
    NamespaceObject::read(metadata).map_err(|error| error.to_string())
}

/// A label there would be without effect, and promise one.
fn never_injected(name: &str, own: &str) -> Option<String> {
    let carried = match name {
        CLUSTERS_OWN => "what the cluster itself runs on",
        name if name == own => "its own control plane",
        _ => return None,
    };
    Some(format!(
        "namespace {name}: metadata.labels[{INJECT_LABEL}]: pods here are never injected, the mesh cannot carry {carried}; \
         remove the label"
    ))
}

/// Also without Observe: whoever writes it means it to end some time.
fn wrong_end(name: &str, end: Option<&Result<SystemTime, String>>, now: SystemTime) -> Option<String> {
    match end? {
        Err(mistake) => Some(mistake.clone()),
        Ok(end) if *end <= now => Some(format!(
            "namespace {name}: metadata.annotations[config.kith.dev/observe-until] lies in the past; write a time to come, \
             or kith.dev/posture=Enforce to end Observe now"
        )),
        Ok(_) => None,
    }
}

fn far_end(name: &str, end: SystemTime, now: SystemTime) -> Option<String> {
    let ahead = end.duration_since(now).ok().filter(|ahead| *ahead > FAR)?;
    Some(format!(
        "config.kith.dev/observe-until lies {} days ahead: until then Observe refuses nothing in {name} for want of a rule \
         or of an identity",
        ahead.as_secs() / DAY.as_secs()
    ))
}

/// Pods become members, or cease to be, when they are made anew and not before.
fn membership(name: &str, before: &NamespaceObject, after: &NamespaceObject, world: &World) -> Vec<String> {
    let labelled = |object: &NamespaceObject| object.labels.contains_key(INJECT_LABEL);
    let restart = format!("kubectl -n {name} rollout restart deployment,statefulset,daemonset");
    let posture = after.meaning(name).posture;
    let mut said = Vec::new();
    match (labelled(before), labelled(after)) {
        (false, true) => {
            let plain = pods(plain_pods(world, name));
            said.extend(
                plain.map(|pods| format!("in {name} {pods} without a sidecar until restarted: {restart}")),
            );
            if posture == Posture::Enforce {
                let refuse =
                    if said.is_empty() { "its pods will refuse" } else { "once restarted, its pods refuse" };
                said.push(format!(
                    "the posture of {name} is Enforce: {refuse} every call that no policy allows \
                     (kith.dev/posture=Observe refuses none, and logs them)"
                ));
            }
        }
        (true, false) => {
            let members = world.workloads().filter(|workload| workload.namespace == name).count();
            said.extend(
                pods(members)
                    .map(|pods| format!("in {name} {pods} with a sidecar until restarted: {restart}")),
            );
            if !said.is_empty() && !matches!(posture, Posture::Observe { .. }) {
                said.push(format!(
                    "{name} is not in the posture Observe: until all are restarted, calls between its pods with a sidecar \
                     and those without one are refused"
                ));
            }
        }
        (true, true) | (false, false) => {}
    }
    said
}

/// Each once, whatever number of addresses it has; not those in their node's network, which never are members.
fn plain_pods(world: &World, namespace: &str) -> usize {
    let plain = world.services.pods.values().filter(|pod| pod.workload.is_none());
    let here = plain.filter(|pod| pod.pod.split_once('/').is_some_and(|(of, _)| of == namespace));
    here.map(|pod| pod.pod.as_str()).collect::<BTreeSet<_>>().len()
}

fn pods(number: usize) -> Option<String> {
    match number {
        0 => None,
        1 => Some("1 pod goes on".to_owned()),
        number => Some(format!("{number} pods go on")),
    }
}

#[cfg(test)]
mod tests;
