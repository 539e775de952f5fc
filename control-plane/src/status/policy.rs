//! The status of one policy (GEP-713). Owns which conditions it has and what they say; it asks nobody and writes nothing.

use std::borrow::Cow;

use kith_policy::Revision;
use kith_policy::document::{AuthorizationPolicy, Target, object};

use crate::index::cluster::{Facts, Key, ObjectFacts};
use crate::index::{Workload, World};

use super::document::{ACCEPTED, Ancestor, AncestorRef, CONTROLLER, PROGRAMMED, PolicyStatus, Statement};
use super::laggards::Sidecars;

/// Of a text that people wrote, in a column.
const MOST_CHARS: usize = 253;

/// What a status is made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) world: &'a World,
    pub(super) facts: &'a Facts,
    pub(super) sidecars: Sidecars<'a>,
    /// The time, as conditions have it.
    pub(super) now: &'a str,
}

/// What became of a stored policy. `None` while the world is of another version of it: nothing true can be said yet.
pub(super) fn status(view: &View<'_>, key: &Key, stored: &ObjectFacts) -> Option<PolicyStatus> {
    let in_force = view.sidecars.since.policy(key);
    if let Err(reason) = &stored.read {
        return Some(refused(view, key, stored, in_force, reason));
    }
    let origin = object::origin(&key.namespace, &key.name, stored.generation);
    let policy = in_force.filter(|policy| policy.origin.as_ref() == Some(&origin))?;
    let selected: Vec<_> = selected(view, key).collect();
    let targets = targets(policy);
    let told: Vec<_> = targets.iter().map(|target| told_of(view, key, *target, &selected)).collect();
    let conditions = |statements: Vec<Statement>| {
        statements.into_iter().map(|statement| statement.at(stored.generation, view.now)).collect()
    };
    // Nowhere to be programmed is everywhere not accepted; else what is found counts.
    let whole = match told.iter().all(|statements| !statements[0].holds) {
        true => vec![told[0][0].clone()],
        false => vec![accepted(), programmed(view, key, selected.iter().copied())],
    };
    let ancestors = targets.iter().zip(told).map(|(target, told)| Ancestor {
        ancestor_ref: ancestor_ref(key, *target),
        controller_name: CONTROLLER.to_owned(),
        conditions: conditions(told),
    });
    Some(PolicyStatus {
        target: Some(summary(key, policy)),
        ancestors: ancestors.collect(),
        conditions: conditions(whole),
    })
}

/// A policy that cannot be read. There is nothing to say of its targets: nobody knows them.
fn refused(
    view: &View<'_>,
    key: &Key,
    stored: &ObjectFacts,
    in_force: Option<&AuthorizationPolicy>,
    reason: &str,
) -> PolicyStatus {
    let instead = match in_force.and_then(|policy| policy.origin.as_ref()) {
        Some(origin) => format!("{origin} stays in force"),
        None => format!(
            "until it is corrected or deleted every call in the namespace {} is refused",
            key.namespace
        ),
    };
    let message = format!("{reason}; {instead}");
    let statement = Statement { kind: ACCEPTED, holds: false, reason: "Invalid", message };
    let condition = statement.at(stored.generation, view.now);
    let ancestor = Ancestor {
        ancestor_ref: ancestor_ref(key, None),
        controller_name: CONTROLLER.to_owned(),
        conditions: vec![condition.clone()],
    };
    PolicyStatus {
        target: in_force.map(|policy| summary(key, policy)),
        conditions: vec![condition],
        ancestors: vec![ancestor],
    }
}

/// What is to be said of one target: first whether it is accepted.
fn told_of(
    view: &View<'_>,
    key: &Key,
    target: Option<&Target>,
    selected: &[(&Workload, Revision)],
) -> Vec<Statement> {
    if let Some(Target::ServiceAccount(name)) = target
        && view.facts.service_account_uid(&key.namespace, name).is_none()
    {
        let message = format!(
            "there is no service account {}/{name}; once there is, the policy holds for it",
            key.namespace
        );
        return vec![Statement { kind: ACCEPTED, holds: false, reason: "TargetNotFound", message }];
    }
    let by_it = selected.iter().copied().filter(|(workload, _)| {
        target.is_none_or(|target| target.selects(&workload.service_account, &workload.labels))
    });
    vec![accepted(), programmed(view, key, by_it)]
}

fn accepted() -> Statement {
    let message = "the policy is valid".to_owned();
    Statement { kind: ACCEPTED, holds: true, reason: ACCEPTED, message }
}

fn programmed<'w>(
    view: &View<'_>,
    key: &Key,
    selected: impl Iterator<Item = (&'w Workload, Revision)>,
) -> Statement {
    let closed = view.world.namespace(&key.namespace).and_then(|namespace| namespace.refuse_all.clone());
    if let Some(reason) = closed {
        let message = format!("every call in the namespace is refused: {reason}");
        return Statement { kind: PROGRAMMED, holds: false, reason: "Overridden", message };
    }
    let roll = view.sidecars.roll(selected);
    let holds = roll.is_complete();
    let reason = if holds { PROGRAMMED } else { "Reconciling" };
    Statement { kind: PROGRAMMED, holds, reason, message: roll.told() }
}

fn selected<'a>(view: &View<'a>, key: &'a Key) -> impl Iterator<Item = (&'a Workload, Revision)> {
    let world = view.world;
    view.sidecars.since.selected(key).filter_map(move |(id, since)| Some((world.workload(id).ok()?, since)))
}

/// Each target; `None` is the whole namespace.
fn targets(policy: &AuthorizationPolicy) -> Vec<Option<&Target>> {
    match policy.targets.any_of() {
        Some(targets) => targets.iter().map(Some).collect(),
        None => vec![None],
    }
}

fn ancestor_ref(key: &Key, target: Option<&Target>) -> AncestorRef {
    let (kind, name) = named(key, target);
    let namespace = target.map(|_| key.namespace.clone());
    AncestorRef { group: String::new(), kind: kind.to_owned(), namespace, name }
}

/// For a column: `Pod app=payments`, `ServiceAccount payments`, `Namespace shop`.
fn summary(key: &Key, policy: &AuthorizationPolicy) -> String {
    let named = targets(policy).into_iter().map(|target| named(key, target));
    shown(&named.map(|(kind, name)| format!("{kind} {name}")).collect::<Vec<_>>().join("; ")).into_owned()
}

fn named(key: &Key, target: Option<&Target>) -> (&'static str, String) {
    match target {
        None => ("Namespace", key.namespace.clone()),
        Some(Target::ServiceAccount(name)) => ("ServiceAccount", name.to_string()),
        Some(Target::Labels(labels)) => {
            let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
            ("Pod", shown(&labels.join(",")).into_owned())
        }
    }
}

/// Labels in a selector are any text: as much of it as a column has, without what would break its line.
fn shown(text: &str) -> Cow<'_, str> {
    if text.chars().count() <= MOST_CHARS && !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let kept = text.chars().take(MOST_CHARS - 3).map(|c| if c.is_control() { '?' } else { c });
    Cow::Owned(kept.chain("...".chars()).collect())
}

#[cfg(test)]
mod tests;
