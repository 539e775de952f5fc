//! The one who writes: takes every change into the cluster, and makes a world of it. Owns that nothing is published before
//! everything was listed, and that what comes together is published together.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info};

use super::health::Hearing;
use crate::index::Worlds;
use crate::index::cluster::{Change, Cluster, Facts, Kind};

/// Two worlds are at least so far apart; a single change after a silence is published at once.
const BURST: Duration = Duration::from_millis(10);
/// Changes that make one world at most: whoever never stops must not keep it back.
const MOST_CHANGES: usize = 4096;

pub(super) struct Writer {
    cluster: Cluster,
    worlds: Arc<Worlds>,
    facts_out: watch::Sender<Arc<Facts>>,
    facts: Facts,
    hearing: Hearing,
    /// What changed since the last time that anything was published.
    changed: Vec<Kind>,
}

impl Writer {
    pub(super) fn new(
        cluster: Cluster,
        worlds: Arc<Worlds>,
        facts_out: watch::Sender<Arc<Facts>>,
        hearing: Hearing,
    ) -> Self {
        Self { cluster, worlds, facts_out, facts: Facts::default(), hearing, changed: Vec::new() }
    }

    /// Ends when nobody can tell of changes any more.
    pub(super) async fn run(mut self, mut changes: mpsc::Receiver<Change>) {
        let mut earliest = Instant::now();
        while let Some(first) = changes.recv().await {
            sleep_until(earliest).await;
            self.take(first);
            for _ in 1..MOST_CHANGES {
                match changes.try_recv() {
                    Ok(change) => self.take(change),
                    Err(_) => break,
                }
            }
            let began = Instant::now();
            self.publish();
            // Where the cluster is so large that this takes its time, half the time is left for other work.
            earliest = Instant::now() + BURST.max(began.elapsed());
        }
    }

    fn take(&mut self, change: Change) {
        let kind = change.kind();
        if change.is_whole() {
            self.hearing.listed(kind);
        }
        if self.cluster.take(change) && !self.changed.contains(&kind) {
            self.changed.push(kind);
        }
    }

    fn publish(&mut self) {
        if !self.hearing.is_whole() {
            return;
        }
        let changed = std::mem::take(&mut self.changed);
        // An empty cluster makes a first world as well.
        if changed.is_empty() && self.hearing.is_in_the_world() {
            return;
        }
        self.publish_facts(&changed);
        let view = self.cluster.view();
        let (policies, workloads) = (view.policies.len(), view.workloads.iter().count());
        if self.worlds.update(|world| world.replace_cluster(view)) {
            let revision = self.worlds.now().revision;
            debug!(policies, workloads, %revision, ?changed, "World replaced");
        }
        if self.hearing.in_the_world() {
            info!(policies, workloads, "Everything was listed");
        }
    }

    /// Before the world: whoever is woken by the world finds the facts that belong to it. Whoever waits for facts is not
    /// woken by what they do not tell.
    fn publish_facts(&mut self, changed: &[Kind]) {
        let mut told = false;
        for kind in changed {
            told |= self.facts.refresh(&self.cluster, *kind);
        }
        if told {
            self.facts_out.send_replace(Arc::new(self.facts.clone()));
        }
    }
}

#[cfg(test)]
mod tests;
