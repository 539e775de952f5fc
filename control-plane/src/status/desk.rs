//! What is known of the statuses of one kind of object, and when each may be written again. Owns that nothing is written
//! that is there already, that no object is written twice within two seconds, and that what failed is tried again later.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kith_identity::TrustDomain;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::index::cluster::{Key, ObjectFacts};

use super::merge::Merge;
use super::objects::{Objects, Stored, WriteError};

/// Between two writes of one object.
const PACE: Duration = Duration::from_secs(2);
/// After something failed.
const TRY_AGAIN: Duration = Duration::from_secs(5);
/// What a sidecar may take to confirm what it was sent: one that starts, or comes back, is waited for so long before it is
/// said that a policy is in force no more.
const PATIENCE: Duration = Duration::from_secs(2);

/// Reads from a whole object whom it means, where its status is about that.
pub(super) type ReadTarget<T> = fn(&TrustDomain, &Value) -> Option<T>;

/// The statuses of one kind.
pub(super) struct Desk<S, T> {
    objects: Objects,
    target: ReadTarget<T>,
    known: BTreeMap<Key, Known<S, T>>,
}

/// One object.
#[derive(Debug)]
struct Known<S, T> {
    uid: String,
    /// The version that others told of last.
    told: String,
    /// Of the last version that was read or written here; empty before.
    version: String,
    generation: i64,
    status: S,
    target: Option<T>,
    not_before: Instant,
    /// Since when sidecars are waited for that are new to what was in force.
    waits_since: Option<Instant>,
}

/// An object that may be written now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Open<'a> {
    pub(super) key: &'a Key,
    pub(super) facts: &'a ObjectFacts,
}

impl<S, T> Desk<S, T>
where
    S: Merge + Default + PartialEq + Serialize + DeserializeOwned,
    T: Clone,
{
    pub(super) fn new(objects: Objects, target: ReadTarget<T>) -> Self {
        Self { objects, target, known: BTreeMap::new() }
    }

    /// Forgets objects that are gone.
    pub(super) fn retain(&mut self, exists: impl Fn(&Key) -> bool) {
        self.known.retain(|key, _| exists(key));
    }

    /// When the next object that waits for its turn may be written; `None` when none waits.
    pub(super) fn next_turn(&self, now: Instant) -> Option<Instant> {
        let patience = |known: &Known<S, T>| known.waits_since.map(|since| since + PATIENCE);
        let turns = self.known.values().flat_map(|known| [Some(known.not_before), patience(known)]);
        turns.flatten().filter(|turn| *turn > now).min()
    }

    /// Whom an object means, once the object was read. Reads it where what is known of it is old; `None` while it
    /// is not to be written: it is not its turn, or nobody could read it, or it is another version than the facts are about.
    pub(super) async fn open(&mut self, own: &TrustDomain, open: Open<'_>) -> Option<Option<T>> {
        let Open { key, facts } = open;
        if let Some(known) = self.known.get_mut(key) {
            if known.not_before > Instant::now() {
                return None;
            }
            if known.is_current(facts) {
                known.told.clone_from(&facts.resource_version);
                return Some(known.target.clone());
            }
        }
        match self.objects.get(key).await {
            Ok(stored) => {
                let target = (self.target)(own, &stored.object);
                let known = Known::of(stored, facts, target.clone());
                let matches = known.generation == facts.generation && known.uid == facts.uid;
                self.known.insert(key.clone(), known);
                matches.then_some(target)
            }
            Err(error) => {
                self.failed(key, facts, &error);
                None
            }
        }
    }

    /// Writes a status over the one that is stored, if that is another one. An object that was refused is told of in an event
    /// first.
    pub(super) async fn settle(&mut self, open: Open<'_>, wanted: S, now: Timestamp) {
        let Open { key, facts } = open;
        let Some(known) = self.known.get_mut(key) else { return };
        let status = wanted.over(&known.status);
        if status == known.status {
            return;
        }
        if let Some(note) = status.refuses(facts.generation)
            && known.status.refuses(facts.generation).is_none()
            && let Err(error) = self.objects.tell_refusal(key, &facts.uid, facts.generation, now, note).await
        {
            warn!(kind = self.objects.kind(), object = %key, %error, "Event not written");
        }
        match self.objects.write(key, &known.version, &status).await {
            Ok(version) => {
                debug!(kind = self.objects.kind(), object = %key, "Status written");
                (known.version, known.status) = (version, status);
                known.not_before = Instant::now() + PACE;
            }
            Err(error) => self.failed(key, facts, &error),
        }
    }

    /// Whether it is better to say nothing yet: an object was in force, and only sidecars are missing that had no time to
    /// confirm it. Right after a start of the control plane that is all of them, until `settled`.
    pub(super) fn keeps_quiet(&mut self, key: &Key, wanted: &S, settled: Instant) -> bool {
        self.known.get_mut(key).is_some_and(|known| known.keeps_quiet(wanted, settled))
    }

    fn failed(&mut self, key: &Key, facts: &ObjectFacts, error: &WriteError) {
        let wait = match error {
            // Somebody who deletes or edits an object meanwhile is no failure: the facts will say so.
            WriteError::Gone | WriteError::Changed => PACE,
            WriteError::Late | WriteError::Kube(_) => {
                warn!(kind = self.objects.kind(), object = %key, %error, "Status not written");
                TRY_AGAIN
            }
        };
        let known = Known {
            uid: facts.uid.clone(),
            told: String::new(),
            version: String::new(),
            generation: facts.generation,
            status: S::default(),
            target: None,
            not_before: Instant::now() + wait,
            waits_since: None,
        };
        self.known.insert(key.clone(), known);
    }
}

impl<S: DeserializeOwned + Default, T> Known<S, T> {
    fn of(stored: Stored, facts: &ObjectFacts, target: Option<T>) -> Self {
        // One that does not read is not ours, and is replaced.
        let status = stored.object.get("status").cloned();
        let status = status.and_then(|status| serde_json::from_value(status).ok()).unwrap_or_default();
        Self {
            uid: stored.uid,
            told: facts.resource_version.clone(),
            version: stored.resource_version,
            generation: stored.generation,
            status,
            target,
            not_before: Instant::now(),
            waits_since: None,
        }
    }
}

impl<S: Merge, T> Known<S, T> {
    fn keeps_quiet(&mut self, wanted: &S, settled: Instant) -> bool {
        if !wanted.only_waits(&self.status) {
            self.waits_since = None;
            return false;
        }
        let now = Instant::now();
        let since = *self.waits_since.get_or_insert(now);
        now < settled.max(since + PATIENCE)
    }

    /// Whether nobody changed the object since, as far as the facts say.
    fn is_current(&self, facts: &ObjectFacts) -> bool {
        let version = &facts.resource_version;
        let same = self.uid == facts.uid && self.generation == facts.generation;
        same && !self.version.is_empty() && (*version == self.told || *version == self.version)
    }
}

#[cfg(test)]
mod tests;
