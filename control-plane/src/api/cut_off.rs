//! Single workloads that are cut off although others of their identity are not. Owns how that is told: by the pod, and by
//! the objects that cut it off. Whoever is cut off by identity is the engine's to refuse.

use std::collections::BTreeSet;

use super::named;
use super::quarantine::target;
use crate::index::{Workload, World};
use crate::quarantine::{CutOff, Target};

/// Those of them that are cut off by themselves.
pub(super) fn among<'a>(world: &World, workloads: &[&'a Workload]) -> Vec<&'a Workload> {
    workloads.iter().filter(|workload| world.cut.workloads.contains(&workload.id)).copied().collect()
}

/// Each with what cuts it off, for a sentence.
pub(super) fn told(world: &World, cut: &[&Workload]) -> String {
    let told: Vec<_> = cut.iter().map(|workload| one(world, workload)).collect();
    named::list(told.iter().map(String::as_str))
}

fn one(world: &World, workload: &Workload) -> String {
    let by = objects(world, |target| target::means(target, workload));
    // An object that cannot be made out any more may hold whom it cut off before.
    let by = if by.is_empty() { String::new() } else { format!(" by {}", by.join(" and ")) };
    format!("{}{by}", workload.name)
}

/// Quarantines of pods and nodes, as people are told of them.
pub(super) fn objects(world: &World, wanted: impl Fn(&Target) -> bool) -> Vec<String> {
    let objects = world.quarantine_objects.iter();
    let objects = objects.filter(|(_, object)| object.target.identity().is_none() && wanted(&object.target));
    objects.map(|(name, object)| shown(name, object)).collect()
}

fn shown(name: &str, CutOff { target, reason, .. }: &CutOff) -> String {
    let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    format!("Quarantine/{name} ({target}{reason})")
}

/// How they are let in again.
pub(super) fn lift(world: &World, cut: &[&Workload]) -> String {
    let meant = |target: &Target| cut.iter().any(|workload| target::means(target, workload));
    let targets =
        world.quarantine_objects.values().map(|object| &object.target).filter(|target| meant(target));
    let commands: BTreeSet<_> = targets.filter_map(command).collect();
    match commands.is_empty() {
        true => "kith quarantine list shows what is in force".to_owned(),
        false => format!("lift it with: {}", commands.into_iter().collect::<Vec<_>>().join("; ")),
    }
}

fn command(target: &Target) -> Option<String> {
    match target {
        Target::Identity(_) => None,
        Target::Pod { namespace, name } => Some(format!("kith quarantine remove --pod {namespace}/{name}")),
        Target::Node(node) => Some(format!("kith quarantine remove --node {node}")),
    }
}
