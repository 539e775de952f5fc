//! Keeps the statuses of our objects equal to what is so. Owns when it looks again; what is said is `policy`'s and
//! `quarantine`'s, and how often it may be said, `desk`'s.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use k8s_openapi::jiff::Timestamp;
use kith_identity::TrustDomain;
use kith_policy::document::quarantine::QuarantineTarget;
use kith_runtime::Clock;
use kube::Client;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::index::Worlds;
use crate::index::cluster::{Facts, Key};
use crate::kubernetes::kinds::{AUTHORIZATION_POLICY, QUARANTINE};
use crate::stream::acks::Acks;

use super::desk::{Desk, Open};
use super::document::{PolicyStatus, QuarantineStatus};
use super::laggards::Sidecars;
use super::objects::Objects;
use super::policy::{self, View};
use super::quarantine;
use super::since::Since;

/// Between two looks: what happens meanwhile is seen together.
const GAP: Duration = Duration::from_millis(250);
/// Svids end without anybody saying so.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// What sidecars may take to come back after a start of the control plane. Until then, what was in force before is not
/// said to be in force no more.
const SETTLING: Duration = Duration::from_secs(30);

/// What it looks at.
pub(crate) struct StatusWriter {
    worlds: Arc<Worlds>,
    acks: Acks,
    facts: watch::Receiver<Arc<Facts>>,
    clock: Clock,
    trust_domain: TrustDomain,
    strangers_until: SystemTime,
    settled: Instant,
    since: Since,
    policies: Desk<PolicyStatus, ()>,
    quarantines: Desk<QuarantineStatus, QuarantineTarget>,
}

impl StatusWriter {
    /// `svid_lifetime` is how long svids of an earlier start of the control plane may last.
    pub(crate) fn new(
        client: &Client,
        worlds: Arc<Worlds>,
        acks: Acks,
        facts: watch::Receiver<Arc<Facts>>,
        clock: Clock,
        svid_lifetime: Duration,
    ) -> Self {
        let objects = |kind| Objects::new(client.clone(), kind);
        Self {
            trust_domain: worlds.now().trust_domain.clone(),
            strangers_until: clock.now() + svid_lifetime,
            settled: Instant::now() + SETTLING,
            since: Since::default(),
            policies: Desk::new(objects(AUTHORIZATION_POLICY), |_, _| None),
            quarantines: Desk::new(objects(QUARANTINE), quarantine::target),
            worlds,
            acks,
            facts,
            clock,
        }
    }

    /// Ends when nobody tells of objects any more.
    pub(crate) async fn run(mut self) {
        let (mut worlds, mut acks) = (self.worlds.watch(), self.acks.watch());
        let mut facts = self.facts.clone();
        loop {
            worlds.mark_unchanged();
            acks.mark_unchanged();
            facts.mark_unchanged();
            let began = Instant::now();
            self.look().await;
            let looked = Instant::now();
            let later = looked + LOOK_AGAIN;
            let turns = [self.policies.next_turn(looked), self.quarantines.next_turn(looked)];
            let next = turns.into_iter().flatten().fold(later, Instant::min);
            let told = tokio::select! {
                told = facts.changed() => told,
                told = worlds.changed() => told,
                told = acks.changed() => told,
                () = sleep_until(next) => Ok(()),
            };
            if told.is_err() {
                return;
            }
            // Where there is so much to look at that it takes its time, half the time is left for other work.
            sleep_until(looked + GAP.max(looked - began)).await;
        }
    }

    /// Says of every object what is so, where that is not said already.
    async fn look(&mut self) {
        let facts = Arc::clone(&self.facts.borrow());
        self.policies.retain(|key| facts.policies.contains_key(key));
        self.quarantines.retain(|key| facts.quarantines.contains_key(&key.name));
        self.look_at_policies(&facts).await;
        self.look_at_quarantines(&facts).await;
    }

    async fn look_at_policies(&mut self, facts: &Facts) {
        let world = self.worlds.now();
        self.since.update(&world);
        for (key, object) in facts.policies.iter() {
            let open = Open { key, facts: object };
            if self.policies.open(&self.trust_domain, open).await.is_none() {
                continue;
            }
            let (now, stamp) = self.now();
            let view = View { world: &world, facts, sidecars: self.sidecars(now), now: &stamp.to_string() };
            let Some(wanted) = policy::status(&view, key, object) else { continue };
            if !self.policies.keeps_quiet(key, &wanted, self.settled) {
                self.policies.settle(open, wanted, stamp).await;
            }
        }
    }

    async fn look_at_quarantines(&mut self, facts: &Facts) {
        let world = self.worlds.now();
        for (name, object) in facts.quarantines.iter() {
            let key = Key::new("", name);
            let open = Open { key: &key, facts: object };
            let Some(target) = self.quarantines.open(&self.trust_domain, open).await else { continue };
            let (now, stamp) = self.now();
            let view = View { world: &world, facts, sidecars: self.sidecars(now), now: &stamp.to_string() };
            let Some(wanted) = quarantine::status(&view, name, object, target.as_ref()) else { continue };
            if !self.quarantines.keeps_quiet(&key, &wanted, self.settled) {
                self.quarantines.settle(open, wanted, stamp).await;
            }
        }
    }

    fn sidecars(&self, now: SystemTime) -> Sidecars<'_> {
        Sidecars { acks: &self.acks, since: &self.since, now, strangers_until: self.strangers_until }
    }

    /// The time; conditions have it in whole seconds.
    fn now(&self) -> (SystemTime, Timestamp) {
        let now = self.clock.now();
        let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let stamp = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
        (now, stamp.unwrap_or(Timestamp::UNIX_EPOCH))
    }
}

#[cfg(test)]
mod tests;
