//! What people call things: a workload by its name or its identity, and in a cluster also by its service account, by
//! whatever made its pod, or by a service. Owns the search, and what is said when there is no such thing or more than one.
//! Where several workloads are meant they share one identity: no answer is ever about two. A name is whole: a slip of the
//! finger must not get somebody else's answer.
//!
//! | tried in this order | means |
//! | --- | --- |
//! | `spiffe://...` | that identity |
//! | `web` in local mode | the workload of that name |
//! | `shop/web-6b9c7d5f4d-x2x4z`, `web-6b9c7d5f4d-x2x4z` | that pod |
//! | `shop/web`, `web` | all pods of the service account (with its namespace), and of a Deployment, a StatefulSet, ... |
//! | `shop/web`, `web` | the pods behind the service |
//!
//! The third and the fourth are tried together: whoever may make a pod must not take a name away by it. A service, which
//! may lead to anybody's pods, comes last.

use std::collections::BTreeSet;

use kith_identity::{SpiffeId, SpiffeIdError};
use kith_policy::closest;
use tonic::Status;

use super::made_by::makers;
use crate::index::{Workload, World};

/// Names in one error; a mesh may have thousands.
const MAX_NAMES: usize = 20;
/// What an identity begins with; no name of a workload is taken for one.
const IDENTITY: &str = "spiffe://";

/// Nothing is called so, or more than one thing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoSuch {
    #[error("there is no workload {name:?}{meant}; there are: {names}")]
    Workload { name: String, meant: String, names: String },
    #[error("{text:?} is not an identity: {error}")]
    Identity { text: String, error: SpiffeIdError },
    #[error("{name:?} may mean workloads of different identities: {candidates}; give more of the name")]
    Ambiguous { name: String, candidates: String },
}

impl From<NoSuch> for Status {
    fn from(error: NoSuch) -> Self {
        let text = error.to_string();
        match error {
            NoSuch::Workload { .. } => Self::not_found(text),
            NoSuch::Identity { .. } | NoSuch::Ambiguous { .. } => Self::invalid_argument(text),
        }
    }
}

/// The workloads that a person means, at least one, all of one identity; `None` when nothing is called so.
pub(super) fn find<'a>(world: &'a World, name: &str) -> Result<Option<Vec<&'a Workload>>, NoSuch> {
    if name.is_empty() {
        return Ok(None);
    }
    for means in MEANINGS {
        let found: Vec<_> = world.workloads().filter(|workload| means(world, workload, name)).collect();
        if found.is_empty() {
            continue;
        }
        return if share_identity(&found) { Ok(Some(found)) } else { Err(ambiguous(name, &found)) };
    }
    Ok(None)
}

/// The workloads that a person means, or which there are.
pub(super) fn workloads<'a>(world: &'a World, name: &str) -> Result<Vec<&'a Workload>, NoSuch> {
    find(world, name)?.ok_or_else(|| no_workload(world, name))
}

/// One of the workloads that a person means: for questions whose answer is the same for all of an identity.
pub(super) fn any<'a>(world: &'a World, name: &str) -> Result<&'a Workload, NoSuch> {
    workloads(world, name).map(|found| found[0])
}

/// The identity that a person means: that of workloads, or any that is written out, whether it runs or not.
pub(super) fn identity(world: &World, text: &str) -> Result<SpiffeId, NoSuch> {
    if text.starts_with(IDENTITY) {
        let wrong = |error| NoSuch::Identity { text: text.to_owned(), error };
        return SpiffeId::parse(text).map_err(wrong);
    }
    any(world, text).map(|workload| workload.identity.clone())
}

/// What people call an identity: the name of its workload, if it runs. Where it has several it is none of them.
pub(super) fn name_of(world: &World, identity: &SpiffeId) -> String {
    match world.workloads_of(identity).as_deref() {
        Ok([only]) => only.name.clone(),
        _ => identity.to_string(),
    }
}

/// The ways in which a text may mean a workload, the exact ones first.
const MEANINGS: [fn(&World, &Workload, &str) -> bool; 3] = [
    |_, workload, text| workload.identity.as_str() == text,
    |_, workload, text| is_called(workload, text) || is_account(workload, text) || is_made_by(workload, text),
    is_behind,
];

/// Whether a text is the name of this very workload.
pub(super) fn is_called(workload: &Workload, text: &str) -> bool {
    workload.name == text || workload.pod() == Some(text)
}

fn is_account(workload: &Workload, text: &str) -> bool {
    let account = text.split_once('/');
    workload.pod().is_some()
        && account.is_some_and(|(namespace, name)| {
            workload.namespace == namespace && workload.service_account == name
        })
}

fn is_made_by(workload: &Workload, text: &str) -> bool {
    let Some(pod) = workload.pod() else { return false };
    match text.split_once('/') {
        Some((namespace, maker)) => namespace == workload.namespace && makers(pod).any(|it| it == maker),
        None => makers(pod).any(|maker| maker == text),
    }
}

/// Whether a service of this name leads to it; `namespace/name`, or the name alone.
fn is_behind(world: &World, workload: &Workload, text: &str) -> bool {
    let called =
        |service: &str| service == text || service.split_once('/').is_some_and(|(_, name)| name == text);
    let mut ports = world.services.by_address.values().filter(|port| called(&port.service));
    ports.any(|port| port.endpoints.iter().any(|it| it.workload.as_ref() == Some(&workload.id)))
}

fn share_identity(found: &[&Workload]) -> bool {
    found.windows(2).all(|pair| pair[0].identity == pair[1].identity)
}

fn ambiguous(name: &str, found: &[&Workload]) -> NoSuch {
    let shown: Vec<_> = found.iter().map(|it| format!("{} ({})", it.name, it.identity)).collect();
    NoSuch::Ambiguous { name: name.to_owned(), candidates: list(shown.iter().map(String::as_str)) }
}

/// What is said where nothing is called so.
pub(super) fn no_workload(world: &World, name: &str) -> NoSuch {
    NoSuch::Workload { name: name.to_owned(), meant: meant_by(world, name), names: names(world) }
}

/// What was probably meant of all that anything is called, as a part of a sentence; empty when there is none.
pub(super) fn meant_by(world: &World, name: &str) -> String {
    let whole = name.contains('/');
    let mut known = BTreeSet::new();
    let called = |namespace: &str, it: &str| {
        if whole { format!("{namespace}/{it}") } else { it.to_owned() }
    };
    for workload in world.workloads() {
        let Some(pod) = workload.pod() else {
            known.insert(workload.name.clone());
            continue;
        };
        let account = Some(workload.service_account.as_str()).filter(|_| whole);
        let names = makers(pod).chain([pod]).chain(account);
        known.extend(names.map(|it| called(&workload.namespace, it)));
    }
    let services = world.services.by_address.values().filter_map(|port| port.service.split_once('/'));
    known.extend(services.map(|(namespace, service)| called(namespace, service)));
    meant(name, known.iter().map(String::as_str))
}

/// The names to choose from, for an error.
pub(super) fn names(world: &World) -> String {
    list(world.workloads().map(|workload| workload.name.as_str()))
}

/// At most so many that a person reads them.
pub(super) fn list<'a>(all: impl Iterator<Item = &'a str>) -> String {
    let all: Vec<_> = all.collect();
    match all.len().checked_sub(MAX_NAMES) {
        None | Some(0) if all.is_empty() => "none".to_owned(),
        None | Some(0) => all.join(", "),
        Some(more) => format!("{} and {more} more", all[..MAX_NAMES].join(", ")),
    }
}

/// The word that was probably meant, as a part of a sentence; empty when there is none.
pub(super) fn meant<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<_> = known.collect();
    closest(word, &known).map(|meant| format!(" (did you mean {meant:?}?)")).unwrap_or_default()
}

#[cfg(test)]
mod tests;
