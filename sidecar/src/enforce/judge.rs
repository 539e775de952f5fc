//! The judgement of what is open, the first time and every time after.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kith_identity::{BundleSet, SpiffeId};
use kith_policy::{Call, UnprovenCall};
use kith_runtime::Clock;
use tokio::sync::watch;
use tokio::time::Instant;

use super::registry::InboundCall;
use super::{Registry, Subject};
use crate::enforced::{Allowed, Enforced};
use crate::refusal::Refusal;

/// What is cut gets so long to say so before its connection is gone.
pub(crate) const LAST_WORDS: Duration = Duration::from_millis(100);

/// What decides, as it is now.
#[derive(Debug, Clone)]
pub(crate) struct Law {
    /// The workload.
    pub(crate) own: SpiffeId,
    pub(crate) enforced: watch::Receiver<Arc<Enforced>>,
    pub(crate) bundles: watch::Receiver<Arc<BundleSet>>,
    pub(crate) clock: Clock,
}

/// Decides about one call to the workload.
pub(crate) fn decide_call(
    enforced: &Enforced,
    call: &InboundCall,
    now: SystemTime,
) -> Result<Allowed, Refusal> {
    let (destination, port, request) = (&call.destination, call.port, call.asked.as_request());
    match &call.caller {
        Some(caller) => {
            enforced.check_serial(&caller.serial)?;
            enforced.decide(&Call { source: &caller.identity, destination, port, request }, now)
        }
        None => enforced.decide_unproven(&UnprovenCall { destination, port, request }, now),
    }
}

impl Law {
    /// Decides about anything that is open, by what is in force now.
    pub(crate) fn check(&self, subject: &Subject) -> Result<(), Refusal> {
        self.judge(subject, &self.enforced.borrow(), &self.bundles.borrow())
    }

    fn judge(&self, subject: &Subject, enforced: &Enforced, bundles: &BundleSet) -> Result<(), Refusal> {
        let now = self.clock.now();
        match subject {
            Subject::Call(call) => decide_call(enforced, call, now).map(drop),
            Subject::Session(peer) => {
                enforced.check_pair(peer.identity(), &self.own)?;
                enforced.check_serial(peer.serial())?;
                peer.check_again(bundles, now)
                    .map_err(|refusal| Refusal::unavailable(refusal.reason(), refusal.to_string()))
            }
            Subject::Egress(to) => enforced.check_self().and_then(|()| enforced.check_egress(to, now)),
            Subject::Names => enforced.check_self(),
            Subject::Plaintext => enforced.check_self().and_then(|()| enforced.check_plaintext(now)),
        }
    }

    /// Calls first: a call that its session takes along has its own reason by then.
    fn judge_all(&self, registry: &Registry, enforced: &Enforced, bundles: &BundleSet) -> usize {
        let mut open = registry.open();
        open.sort_by_key(|(subject, _)| !matches!(subject, Subject::Call(_)));
        let refused = open
            .into_iter()
            .filter_map(|(subject, cut)| Some((cut, self.judge(&subject, enforced, bundles).err()?)));
        refused.map(|(cut, refusal)| cut.cut(refusal)).count()
    }
}

/// Judges everything that is open in a worker again whenever policies, quarantines or bundles change or Observe ends, and
/// says up to which generation that was done. What is cut and does not end takes its session along.
pub(crate) async fn keep_judging(registry: Registry, mut law: Law, judged: watch::Sender<u64>) {
    let mut last_words = None;
    let mut change_by_time = law.enforced.borrow().next_change(law.clock.now());
    loop {
        // An error means that the control tasks are gone, and that is this very process ending.
        let changed = tokio::select! {
            changed = law.enforced.changed() => changed,
            changed = law.bundles.changed() => changed,
            () = at(&law.clock, change_by_time) => Ok(()),
            () = until(last_words) => {
                last_words = None;
                end_stuck(&registry);
                continue;
            }
        };
        if changed.is_err() {
            return;
        }
        let enforced = law.enforced.borrow_and_update().clone();
        let bundles = law.bundles.borrow_and_update().clone();
        // Asked before it is judged: a time that comes in between is judged once more, and never missed.
        change_by_time = enforced.next_change(law.clock.now());
        let cut = law.judge_all(&registry, &enforced, &bundles);
        if cut > 0 {
            tracing::info!(cut, "Open calls and sessions cut: they are not allowed any more");
            last_words = Some(Instant::now() + LAST_WORDS);
        }
        judged.send_replace(enforced.generation());
    }
}

async fn at(clock: &Clock, time: Option<SystemTime>) {
    match time {
        Some(time) => clock.until(time).await,
        None => std::future::pending().await,
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

fn end_stuck(registry: &Registry) {
    let stuck = registry.stuck();
    if !stuck.is_empty() {
        tracing::info!(
            stuck = stuck.len(),
            "Sessions cut: calls in them were cut, and their readers stand still"
        );
    }
    let because =
        Refusal::unavailable("reader_stands_still", "a call of this session was cut and could not end");
    stuck.iter().for_each(|session| session.cut(because.clone()));
}

#[cfg(test)]
mod tests;
