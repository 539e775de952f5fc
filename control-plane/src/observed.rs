//! What sidecars report about calls: the denials that can still be asked about, and who called whom how often.
//!
//! Owns the bounds. A reporter is a sidecar, known by its svid; a source is whom it refused. A source that floods one
//! reporter evicts only its own denials there, and a reporter that floods evicts only its own reports.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kith_identity::SpiffeId;

/// Denials kept of one source at one reporter.
const DENIALS_PER_SOURCE: usize = 64;
/// Sources kept at one reporter; those without an identity count as one.
const SOURCES_PER_REPORTER: usize = 64;
/// Pairs of source and destination that one reporter may count.
const EDGES_PER_REPORTER: usize = 1024;

/// One refused call, as its sidecar reported it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// 32 hexadecimal digits.
    pub id: String,
    /// Whom the sidecar refused; `None` when it proved no identity.
    pub source: Option<SpiffeId>,
    /// The identity-log line.
    pub line: String,
}

/// How often one workload called another, since this process began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Let through.
    pub allowed: u64,
    /// Refused.
    pub denied: u64,
    /// Let through, and not ended well.
    pub failed: u64,
    /// Let through, and a stricter posture would have refused it; among none of the others.
    pub would_deny: u64,
}

impl Counts {
    fn add(&mut self, more: Self) {
        self.allowed = self.allowed.saturating_add(more.allowed);
        self.denied = self.denied.saturating_add(more.denied);
        self.failed = self.failed.saturating_add(more.failed);
        self.would_deny = self.would_deny.saturating_add(more.would_deny);
    }

    /// What is believed of them: all to the destination, which decided; to the source, only what it refused itself.
    fn by(self, reporter: &SpiffeId, destination: &SpiffeId) -> Self {
        if reporter == destination { self } else { Self { denied: self.denied, ..Self::default() } }
    }
}

/// Everything reported. Cheap to clone; all clones are one memory.
#[derive(Debug, Clone, Default)]
pub struct Observed(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    reporters: Mutex<Reporters>,
    /// Of all reporters, those that are gone included: a figure that goes back would read as a restart.
    lost_in_all: AtomicU64,
}

type Reporters = BTreeMap<SpiffeId, Reports>;

/// Who called, where they proved who they are, and who was called.
pub(crate) type Pair = (Option<SpiffeId>, SpiffeId);

/// What one sidecar reported.
#[derive(Debug, Default)]
struct Reports {
    denials: BTreeMap<Option<SpiffeId>, VecDeque<Denial>>,
    /// Which source was heard of last, oldest first.
    recent: VecDeque<Option<SpiffeId>>,
    /// Denials that somebody dropped for want of room, the sidecar or we.
    lost: u64,
    edges: BTreeMap<Pair, Counts>,
}

impl Observed {
    /// Remembers denials, and how many the sidecar could not keep.
    pub fn denied(&self, reporter: &SpiffeId, denials: Vec<Denial>, lost: u64) {
        let mut reporters = self.lock();
        let reports = reporters.entry(reporter.clone()).or_default();
        let before = reports.lost;
        reports.lost = reports.lost.saturating_add(lost);
        for denial in denials {
            reports.remember(denial);
        }
        self.0.lost_in_all.fetch_add(reports.lost - before, Ordering::Relaxed);
    }

    /// Adds to an edge's counters. `false` when the reporter counts too many edges already.
    pub fn counted(
        &self,
        reporter: &SpiffeId,
        source: Option<SpiffeId>,
        destination: SpiffeId,
        more: Counts,
    ) -> bool {
        let mut reporters = self.lock();
        let edges = &mut reporters.entry(reporter.clone()).or_default().edges;
        let edge = (source, destination);
        if !edges.contains_key(&edge) && edges.len() >= EDGES_PER_REPORTER {
            return false;
        }
        edges.entry(edge).or_default().add(more);
        true
    }

    /// The denials whose ids begin so, and the identities whose sidecars reported them. A call that is refused has one
    /// id on both of its sides, so there may be more than one report of it.
    pub fn denials(&self, beginning: &str) -> Vec<(SpiffeId, Denial)> {
        let reporters = self.lock();
        let of = |(reporter, reports): (&SpiffeId, &Reports)| {
            let all = reports.denials.values().flatten();
            let found = all.filter(|denial| denial.id.starts_with(beginning));
            found.map(|denial| (reporter.clone(), denial.clone())).collect::<Vec<_>>()
        };
        reporters.iter().flat_map(of).collect()
    }

    /// The wanted pairs of source and destination, in order: as the destination's own sidecar counted them, and what
    /// the source's own refused, which the destination's never saw.
    pub(crate) fn edges(&self, wanted: impl Fn(Option<&SpiffeId>, &SpiffeId) -> bool) -> Vec<(Pair, Counts)> {
        let reporters = self.lock();
        let mut sums: BTreeMap<_, Counts> = BTreeMap::new();
        let all = reporters.iter().flat_map(|(reporter, reports)| {
            reports.edges.iter().map(move |(edge, counts)| (reporter, edge, counts))
        });
        for (reporter, edge @ (source, destination), counts) in all {
            let counts = counts.by(reporter, destination);
            if counts != Counts::default() && wanted(source.as_ref(), destination) {
                sums.entry(edge).or_default().add(counts);
            }
        }
        sums.into_iter().map(|(edge, counts)| (edge.clone(), counts)).collect()
    }

    /// How many denials were dropped for want of room since this process began.
    pub fn lost_in_all(&self) -> u64 {
        self.0.lost_in_all.load(Ordering::Relaxed)
    }

    /// How many denials of this reporter were dropped for want of room.
    pub fn lost(&self, reporter: &SpiffeId) -> u64 {
        self.lock().get(reporter).map_or(0, |reports| reports.lost)
    }

    /// Calls that reached a workload, by its own sidecar's account: the one that decided about them.
    pub fn reached(&self, workload: &SpiffeId) -> Counts {
        let reporters = self.lock();
        let mut sum = Counts::default();
        for ((_, destination), counts) in reporters.get(workload).iter().flat_map(|reports| &reports.edges) {
            if destination == workload {
                sum.add(*counts);
            }
        }
        sum
    }

    /// Forgets what the sidecars of workloads that are gone reported.
    pub fn retain(&self, mut exists: impl FnMut(&SpiffeId) -> bool) {
        self.lock().retain(|reporter, _| exists(reporter));
    }

    fn lock(&self) -> MutexGuard<'_, Reporters> {
        // Every change is made of whole entries, so a panic elsewhere cannot have left half of one.
        self.0.reporters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reports {
    fn remember(&mut self, denial: Denial) {
        let source = denial.source.clone();
        self.recent.retain(|other| *other != source);
        self.recent.push_back(source.clone());
        let of_source = self.denials.entry(source).or_default();
        of_source.push_back(denial);
        if of_source.len() > DENIALS_PER_SOURCE {
            of_source.pop_front();
            self.lost = self.lost.saturating_add(1);
        }
        if self.denials.len() > SOURCES_PER_REPORTER {
            self.evict_source();
        }
    }

    /// The source that was heard of longest ago makes room. Sources are verified identities, so nobody can invent
    /// many to push the others out.
    fn evict_source(&mut self) {
        if let Some(oldest) = self.recent.pop_front() {
            let dropped = self.denials.remove(&oldest).map_or(0, |denials| denials.len() as u64);
            self.lost = self.lost.saturating_add(dropped);
        }
    }
}

#[cfg(test)]
mod tests;
