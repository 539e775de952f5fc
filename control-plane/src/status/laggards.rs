//! Who has something in force, and who has not: a policy, or who is cut off. Owns who counts: whoever has a sidecar that may still be serving by an
//! older word. A sidecar that never came has nothing older: it refuses everything until it was told.

use std::time::SystemTime;

use kith_policy::Revision;

use crate::index::Workload;
use crate::stream::acks::Acks;

use super::document::{PROGRAMMED, Statement};
use super::since::Since;

/// Names that a message has at most.
const MOST_NAMES: usize = 10;
/// Of what a sidecar says when it refuses.
const MOST_REASON_CHARS: usize = 300;

/// What is known of sidecars now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sidecars<'a> {
    pub(super) acks: &'a Acks,
    pub(super) since: &'a Since,
    pub(super) now: SystemTime,
    /// Until when somebody may hold an svid of an earlier start of the control plane.
    pub(super) strangers_until: SystemTime,
}

/// What a sidecar has to have confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Required {
    /// A snapshot, which has the policies.
    Snapshot(Revision),
    /// Who is cut off, which travels apart.
    Quarantines(Revision),
}

/// How one sidecar stands to a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Standing {
    Has,
    Waits,
    Refuses(String),
    /// There is none that could serve by anything older.
    Nobody,
}

/// How all of them stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Roll {
    has: usize,
    waiting: Vec<String>,
    refusing: Vec<(String, String)>,
}

impl Sidecars<'_> {
    /// Calls the roll of workloads, each with what it has to have.
    pub(super) fn roll<'w>(&self, workloads: impl Iterator<Item = (&'w Workload, Required)>) -> Roll {
        let mut roll = Roll::default();
        for (workload, required) in workloads {
            match self.standing(workload, required) {
                Standing::Has => roll.has += 1,
                Standing::Waits => roll.waiting.push(workload.name.clone()),
                Standing::Refuses(reason) => roll.refusing.push((workload.name.clone(), reason)),
                Standing::Nobody => {}
            }
        }
        roll.waiting.sort_unstable();
        roll.refusing.sort_unstable();
        roll
    }

    fn standing(&self, workload: &Workload, required: Required) -> Standing {
        let standing = self.acks.standing(&workload.id);
        let (revision, confirmed, refusal) = match required {
            Required::Snapshot(revision) => (revision, standing.acknowledged, standing.refusals.snapshot),
            Required::Quarantines(revision) => {
                (revision, standing.quarantines, standing.refusals.quarantines)
            }
        };
        if confirmed >= Some(revision) {
            return Standing::Has;
        }
        if let Some((_, reason)) = refusal.filter(|(refused, _)| *refused >= revision) {
            return Standing::Refuses(reason.chars().take(MOST_REASON_CHARS).collect());
        }
        let holds_svid = match standing.svid {
            Some((_, not_after)) => not_after > self.now,
            None => self.since.is_from_the_start(&workload.id) && self.strangers_until > self.now,
        };
        if standing.connected || holds_svid { Standing::Waits } else { Standing::Nobody }
    }
}

impl Roll {
    /// Whether nobody is missing.
    fn is_complete(&self) -> bool {
        self.waiting.is_empty() && self.refusing.is_empty()
    }

    /// Whether all of them have it; `nobody` is said where there is no sidecar to ask.
    pub(super) fn programmed(&self, nobody: &str) -> Statement {
        let holds = self.is_complete();
        let reason = if holds { PROGRAMMED } else { "Reconciling" };
        Statement { kind: PROGRAMMED, holds, reason, message: self.told(nobody) }
    }

    /// In a sentence: who refused and why, then who is waited for. `nobody` is said where there is no sidecar to ask.
    fn told(&self, nobody: &str) -> String {
        if self.is_complete() {
            return match self.has {
                0 => nobody.to_owned(),
                1 => "in force at 1 sidecar".to_owned(),
                count => format!("in force at {count} sidecars"),
            };
        }
        let mut told = Vec::new();
        let refusing = self.refusing.iter().take(MOST_NAMES);
        told.extend(refusing.map(|(name, reason)| format!("refused by {name}: {reason}")));
        let left = MOST_NAMES - told.len();
        let named: Vec<_> = self.waiting.iter().take(left).map(String::as_str).collect();
        if !named.is_empty() {
            told.push(format!("waiting for {}", named.join(", ")));
        }
        let missing = self.waiting.len() + self.refusing.len();
        if missing > MOST_NAMES {
            told.push(format!("and {} more", missing - MOST_NAMES));
        }
        format!("{} ({} of {} sidecars have it)", told.join("; "), self.has, self.has + missing)
    }
}

#[cfg(test)]
mod tests;
