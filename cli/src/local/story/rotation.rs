//! Step 4: svids are replaced while calls go on. A rotation counts when calls travel on a session of new svids, on
//! both of its ends.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use kith_sidecar::identity_log::{Direction, Event as Logged};
use tokio::time::timeout;

use super::Measured;
use super::load::during;
use super::stage::Stage;
use crate::local::check::{CHAIN, Mark};
use crate::local::{Event, Events};

pub(super) async fn run(stage: &Stage<'_>) -> anyhow::Result<Measured> {
    let mut events = stage.mesh.events();
    let (rotations, total) = during(stage, async {
        let watched = timeout(stage.patience, watch(&mut events)).await;
        watched.with_context(|| format!("not every svid was replaced within {:?}", stage.patience))?
    })
    .await?;
    stage.journal.mark(Mark::Rotated(CHAIN.into_iter().map(|name| rotations.renewals(name)).sum()));
    let renewed: Vec<String> =
        CHAIN.iter().map(|name| format!("{name} {}", rotations.renewals(name))).collect();
    Ok(Measured {
        held: total.failed == 0,
        lines: vec![
            format!("svids replaced: {}", renewed.join(", ")),
            format!(
                "sessions that carried calls: {}, all hops on svids new at both ends",
                rotations.sessions()
            ),
            total.sentence(),
        ],
    })
}

/// Serials seen so far.
#[derive(Default)]
struct Rotations {
    renewed: BTreeMap<String, u64>,
    /// For each inbound side: the pairs of own and peer serial that carried an allowed call.
    pairs: BTreeMap<String, BTreeSet<(String, String)>>,
}

impl Rotations {
    fn renewals(&self, service: &str) -> u64 {
        self.renewed.get(service).copied().unwrap_or(0)
    }

    fn sessions(&self) -> usize {
        self.pairs.values().map(BTreeSet::len).sum()
    }

    /// Whether every svid was replaced, and every hop then carried calls between two that were not there before.
    fn complete(&self) -> bool {
        CHAIN.iter().all(|name| self.renewals(name) > 0)
            && CHAIN[1..].iter().all(|name| self.both_ends_new(name))
    }

    fn both_ends_new(&self, service: &str) -> bool {
        let Some(pairs) = self.pairs.get(service) else { return false };
        pairs
            .iter()
            .any(|(own, peer)| pairs.iter().any(|(old_own, old_peer)| own != old_own && peer != old_peer))
    }

    fn note(&mut self, service: &str, event: &Logged) {
        match event {
            Logged::SvidRenewed(renewed) if renewed.previous.is_some() => {
                *self.renewed.entry(service.to_owned()).or_default() += 1;
            }
            Logged::Call(call) if call.direction == Direction::Inbound => {
                if let Some(facts) = &call.session {
                    let pair = (facts.own_serial.clone(), facts.peer_serial.clone());
                    // The intruder's calls are denied; they prove nothing about the chain.
                    if call.denial_id.is_none() {
                        self.pairs.entry(service.to_owned()).or_default().insert(pair);
                    }
                }
            }
            Logged::Call(_)
            | Logged::SvidRenewed(_)
            | Logged::SessionRefused(_)
            | Logged::SessionOpened(_)
            | Logged::SessionEnded(_)
            | Logged::Quarantine(_) => {}
        }
    }
}

async fn watch(events: &mut Events) -> anyhow::Result<Rotations> {
    let mut rotations = Rotations::default();
    while !rotations.complete() {
        if let Event::Line { service, line } = events.next().await.context("the mesh is gone")? {
            rotations.note(&service, &line.event);
        }
    }
    Ok(rotations)
}
