//! The status of one policy (GEP-713). Owns which conditions it has and what they say; it asks nobody and writes nothing.

use std::borrow::Cow;

use kith_policy::Revision;
use kith_policy::document::{AuthorizationPolicy, Target, object};

use crate::index::cluster::{Facts, Key, ObjectFacts, Present};
use crate::index::{Workload, World};

use super::document::{ACCEPTED, Ancestor, AncestorRef, CONTROLLER, PROGRAMMED, PolicyStatus, Statement};
use super::laggards::{Required, Sidecars};

const POLICY: &str = "policy";
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

impl View<'_> {
    /// Who can be meant; `None` until somebody said it.
    pub(super) fn present(&self) -> Option<Present<'_>> {
        let workloads = self.world.workloads.as_deref()?;
        Some(Present { trust_domain: &self.world.trust_domain, facts: self.facts, workloads })
    }
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
    let sources: Vec<_> =
        view.present().into_iter().flat_map(|present| present.unmatched_sources(policy)).collect();
    let conditions = |statements: Vec<Statement>| {
        statements.into_iter().map(|statement| statement.at(stored.generation, view.now)).collect()
    };
    // Nowhere to be programmed is everywhere not accepted; else what is found counts.
    let whole = match told.iter().all(|statements| !statements[0].holds) {
        true => vec![told[0][0].clone()],
        false => whole(view, key, &sources, &selected, &told),
    };
    let ancestors = targets.iter().zip(told).map(|(target, told)| Ancestor {
        ancestor_ref: ancestor_ref(key, *target),
        controller_name: CONTROLLER.to_owned(),
        conditions: conditions(with_sources(told, &sources)),
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
    let by_it: Vec<_> = by_it.collect();
    let unmatched = match by_it.is_empty() {
        true => view.present().and_then(|present| present.unmatched_target(&key.namespace, target)),
        false => None,
    };
    let unmatched: Vec<_> = unmatched.into_iter().collect();
    vec![
        Statement::accepted(POLICY),
        programmed(view, key, &by_it, &unmatched),
        Statement::resolved(&unmatched),
    ]
}

/// What is to be said of a policy that is accepted somewhere: whoever it is for, and whoever it names, may be missing.
fn whole(
    view: &View<'_>,
    key: &Key,
    sources: &[String],
    selected: &[(&Workload, Revision)],
    told: &[Vec<Statement>],
) -> Vec<Statement> {
    let missing = |statements: &Vec<Statement>| {
        let last = statements.last().filter(|statement| !statement.holds)?;
        Some(last.message.clone())
    };
    let mut unmatched: Vec<_> = told.iter().filter_map(missing).collect();
    let programmed = match told {
        // Whom the only target selects is whom the policy selects.
        [only] => only[1].clone(),
        _ => programmed(view, key, selected, &unmatched),
    };
    unmatched.extend_from_slice(sources);
    vec![Statement::accepted(POLICY), programmed, Statement::resolved(&unmatched)]
}

/// The same of one target: whom the rules name and who is missing is missing for each.
fn with_sources(mut statements: Vec<Statement>, sources: &[String]) -> Vec<Statement> {
    if sources.is_empty() || !statements[0].holds {
        return statements;
    }
    let own = statements.pop().filter(|resolved| !resolved.holds).map(|resolved| resolved.message);
    let unmatched: Vec<_> = own.into_iter().chain(sources.iter().cloned()).collect();
    statements.push(Statement::resolved(&unmatched));
    statements
}

/// `unmatched` says why nobody is selected, where nobody is.
fn programmed(
    view: &View<'_>,
    key: &Key,
    selected: &[(&Workload, Revision)],
    unmatched: &[String],
) -> Statement {
    let closed = view.world.namespace(&key.namespace).and_then(|namespace| namespace.refuse_all.clone());
    if let Some(reason) = closed {
        let message = format!("every call in the namespace is refused: {reason}");
        return Statement { kind: PROGRAMMED, holds: false, reason: "Overridden", message };
    }
    if let Some(closed) = closed_pods(view.world, selected) {
        return Statement { kind: PROGRAMMED, holds: false, reason: "Overridden", message: closed };
    }
    let required = selected.iter().map(|(workload, since)| (*workload, Required::Snapshot(*since)));
    let nobody = match (selected, unmatched) {
        ([], [_, ..]) => unmatched.join("; "),
        _ => "no sidecar is selected now".to_owned(),
    };
    view.sidecars.roll(required).programmed(&nobody)
}

/// Those of the selected that no policy decides for: how many, and why the first of them.
fn closed_pods(world: &World, selected: &[(&Workload, Revision)]) -> Option<String> {
    let closed = selected.iter().filter_map(|(workload, _)| Some((workload, world.refuse_all(workload)?)));
    let closed: Vec<_> = closed.collect();
    let ((first, reason), count) = (closed.first()?, closed.len());
    Some(format!("every call to {count} of the selected pods is refused, such as {}: {reason}", first.name))
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
