//! What people call things: a workload by its name or its identity. Owns the search, and what is said when there is
//! no such thing.

use kith_identity::{SpiffeId, SpiffeIdError};
use kith_policy::closest;
use tonic::Status;

use crate::index::{Workload, World};

/// Names in one error; a mesh may have thousands.
const MAX_NAMES: usize = 20;
/// What an identity begins with; no name of a workload is taken for one.
const IDENTITY: &str = "spiffe://";

/// Nothing is called so.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoSuch {
    #[error("there is no workload {name:?}{meant}; there are: {names}")]
    Workload { name: String, meant: String, names: String },
    #[error("{text:?} is not an identity: {error}")]
    Identity { text: String, error: SpiffeIdError },
}

impl From<NoSuch> for Status {
    fn from(error: NoSuch) -> Self {
        let text = error.to_string();
        match error {
            NoSuch::Workload { .. } => Self::not_found(text),
            NoSuch::Identity { .. } => Self::invalid_argument(text),
        }
    }
}

/// The workload that a person means: its name, or its identity.
pub(super) fn find<'a>(world: &'a World, name: &str) -> Option<&'a Workload> {
    world.workloads().find(|workload| workload.name == name || workload.identity.as_str() == name)
}

/// The workload that a person means, or which there are.
pub(super) fn workload<'a>(world: &'a World, name: &str) -> Result<&'a Workload, NoSuch> {
    find(world, name).ok_or_else(|| NoSuch::Workload {
        name: name.to_owned(),
        meant: meant(name, world.workloads().map(|workload| workload.name.as_str())),
        names: names(world),
    })
}

/// The identity that a person means: a workload's, or any that is written out, whether it runs or not.
pub(super) fn identity(world: &World, text: &str) -> Result<SpiffeId, NoSuch> {
    if text.starts_with(IDENTITY) {
        let wrong = |error| NoSuch::Identity { text: text.to_owned(), error };
        return SpiffeId::parse(text).map_err(wrong);
    }
    workload(world, text).map(|workload| workload.identity.clone())
}

/// What people call an identity: its workload's name, if it runs.
pub(super) fn name_of(world: &World, identity: &SpiffeId) -> String {
    world.workload(identity).map_or_else(|_| identity.to_string(), |workload| workload.name.clone())
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
