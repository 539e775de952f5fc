//! Who is connected, which revision each sidecar has, and why one refused. Owns the rule that a workload has one
//! stream: a newer one replaces the older, because the older is what a crashed sidecar left behind.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use kith_identity::svid::Serial;
use kith_policy::Revision;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::index::WorkloadId;

/// What is known of one workload's sidecar.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) connected: bool,
    pub(crate) acknowledged: Option<Revision>,
    /// The revision of the quarantines that its present stream acknowledged; apart from snapshots', because
    /// quarantines travel apart from them.
    pub(crate) quarantines: Option<Revision>,
    pub(crate) refusals: Refusals,
    pub(crate) svid: Option<(Serial, SystemTime)>,
}

/// What a sidecar refused on its present stream and did not get over since; each heals by an answer of its own kind,
/// because none says anything of the others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Refusals {
    pub(crate) snapshot: Option<(Revision, String)>,
    /// In part, or as a whole: somebody who is cut off may not be, there.
    pub(crate) quarantines: Option<(Revision, String)>,
    /// A message that it does not know the kind of. There is no answer by which that would be over.
    pub(crate) message: Option<String>,
}

/// What a refusal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    Snapshot(Revision),
    Quarantines(Revision),
    Message,
}

/// Every sidecar's standing. Cheap to clone; all clones are one memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Acks(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<State>,
    /// Wakes those who wait for a standing to change.
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    streams: u64,
    sidecars: BTreeMap<WorkloadId, Entry>,
}

#[derive(Debug, Default)]
struct Entry {
    stream: Option<Open>,
    standing: Standing,
}

/// The stream that counts.
#[derive(Debug)]
struct Open {
    number: u64,
    replaced: CancellationToken,
    renewal: Arc<Notify>,
}

/// Which of the connected sidecars have a revision's quarantines in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Roll {
    pub(crate) in_force_at: Vec<WorkloadId>,
    pub(crate) waiting_for: Vec<Laggard>,
}

/// A sidecar that does not have them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Laggard {
    pub(crate) workload: WorkloadId,
    /// Why it refused them; `None` when it said nothing yet.
    pub(crate) refusal: Option<String>,
}

/// One open stream. Dropping it says that the sidecar is gone, unless a newer stream has taken its place.
#[derive(Debug)]
pub(crate) struct Registration {
    acks: Acks,
    workload: WorkloadId,
    number: u64,
    replaced: CancellationToken,
    renewal: Arc<Notify>,
}

impl Acks {
    /// A sidecar's stream began; one that it had before ends.
    pub(crate) fn connect(&self, workload: &WorkloadId) -> Registration {
        let (replaced, renewal) = (CancellationToken::new(), Arc::new(Notify::new()));
        let mut state = self.lock();
        state.streams += 1;
        let number = state.streams;
        let entry = state.sidecars.entry(workload.clone()).or_default();
        let open = Open { number, replaced: replaced.clone(), renewal: renewal.clone() };
        if let Some(older) = entry.stream.replace(open) {
            older.replaced.cancel();
        }
        // It may be another process than before, which has nothing in force yet and has refused nothing. Its svid was
        // issued all the same.
        let svid = entry.standing.svid.take();
        entry.standing = Standing { connected: true, svid, ..Standing::default() };
        drop(state);
        self.0.changed.send_replace(());
        Registration { acks: self.clone(), workload: workload.clone(), number, replaced, renewal }
    }

    /// Has a sidecar asked to renew its svid now. `false` when it is not connected.
    pub(crate) fn ask_renewal(&self, workload: &WorkloadId) -> bool {
        let state = self.lock();
        let open = state.sidecars.get(workload).and_then(|entry| entry.stream.as_ref());
        open.inspect(|open| open.renewal.notify_one()).is_some()
    }

    /// Which connected sidecars have the quarantines of `revision`, or newer ones, in force; in order.
    pub(crate) fn quarantines_at(&self, revision: Revision) -> Roll {
        let mut roll = Roll::default();
        for (workload, entry) in self.lock().sidecars.iter().filter(|(_, entry)| entry.standing.connected) {
            if entry.standing.quarantines >= Some(revision) {
                roll.in_force_at.push(workload.clone());
                continue;
            }
            let refusal = entry.standing.refusals.quarantines.as_ref();
            let refusal =
                refusal.filter(|(refused, _)| *refused >= revision).map(|(_, reason)| reason.clone());
            roll.waiting_for.push(Laggard { workload: workload.clone(), refusal });
        }
        roll
    }

    /// Shows that a stream began, ended or acknowledged something.
    pub(crate) fn watch(&self) -> watch::Receiver<()> {
        self.0.changed.subscribe()
    }

    /// An svid was issued, or presented. The one that ends last is the newest.
    pub(crate) fn has_svid(&self, workload: &WorkloadId, serial: &Serial, not_after: SystemTime) {
        let mut state = self.lock();
        let standing = &mut state.sidecars.entry(workload.clone()).or_default().standing;
        if standing.svid.as_ref().is_none_or(|(_, newest)| *newest <= not_after) {
            standing.svid = Some((serial.clone(), not_after));
        }
    }

    /// What is known of a sidecar; nothing, if it was never heard of.
    pub(crate) fn standing(&self, workload: &WorkloadId) -> Standing {
        self.lock().sidecars.get(workload).map(|entry| entry.standing.clone()).unwrap_or_default()
    }

    /// Forgets sidecars of workloads that are gone.
    pub(crate) fn retain(&self, mut exists: impl FnMut(&WorkloadId) -> bool) {
        self.lock().sidecars.retain(|workload, entry| entry.stream.is_some() || exists(workload));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is made of whole entries, so a panic elsewhere cannot have left half of one.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registration {
    /// Ends when a newer stream took this one's place.
    pub(crate) async fn replaced(&self) {
        self.replaced.cancelled().await;
    }

    /// Ends when somebody asked for this sidecar's renewal; once for each time.
    pub(crate) async fn renewal_asked(&self) {
        self.renewal.notified().await;
    }

    /// Every worker of the sidecar has these quarantines, and has cut what they forbid.
    pub(crate) fn quarantines_acknowledged(&self, revision: Revision) {
        self.change(|standing| {
            standing.quarantines = standing.quarantines.max(Some(revision));
            heal(&mut standing.refusals.quarantines, revision);
        });
    }

    /// Every worker of the sidecar has this revision.
    pub(crate) fn acknowledged(&self, revision: Revision) {
        self.change(|standing| {
            standing.acknowledged = standing.acknowledged.max(Some(revision));
            heal(&mut standing.refusals.snapshot, revision);
        });
    }

    /// The sidecar cannot use this and keeps what it had.
    pub(crate) fn refused(&self, what: Refused, reason: String) {
        self.change(|Standing { refusals, .. }| match what {
            Refused::Snapshot(revision) => refusals.snapshot = Some((revision, reason)),
            Refused::Quarantines(revision) => refusals.quarantines = Some((revision, reason)),
            Refused::Message => refusals.message = Some(reason),
        });
    }

    /// A stream that was replaced has nothing to say any more.
    fn change(&self, change: impl FnOnce(&mut Standing)) {
        self.change_entry(|entry| change(&mut entry.standing));
    }

    fn change_entry(&self, change: impl FnOnce(&mut Entry)) {
        let mut state = self.acks.lock();
        if let Some(entry) = state.sidecars.get_mut(&self.workload)
            && entry.stream.as_ref().is_some_and(|open| open.number == self.number)
        {
            change(entry);
        }
        drop(state);
        self.acks.0.changed.send_replace(());
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.change_entry(|entry| {
            entry.stream = None;
            entry.standing.connected = false;
        });
    }
}

impl Refusals {
    /// All of them in one line, the most urgent first; `None` when there are none.
    pub(crate) fn told(&self) -> Option<String> {
        let quarantines = self.quarantines.as_ref().map(|(_, reason)| format!("quarantines: {reason}"));
        let snapshot = self.snapshot.as_ref().map(|(_, reason)| reason.clone());
        let told: Vec<_> = [quarantines, snapshot, self.message.clone()].into_iter().flatten().collect();
        (!told.is_empty()).then(|| told.join("; "))
    }
}

/// What is in force now is not refused any more, nor is what came before it.
fn heal(refusal: &mut Option<(Revision, String)>, revision: Revision) {
    if refusal.as_ref().is_some_and(|(refused, _)| *refused <= revision) {
        *refusal = None;
    }
}

#[cfg(test)]
mod tests;
