//! What a control plane counts: every name and every label is in this file. Who called whom is the sidecars' to count;
//! here is what was issued, who is connected, and what was lost.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kith_ca::Ca;
use kith_runtime::metrics::{Counters, Label, counter, gauge, unix_seconds};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use crate::index::{Unknown, Worlds};
use crate::observed::Observed;
use crate::stream::acks::Acks;
use crate::stream::issue::NotIssued;

#[cfg(test)]
mod tests;

const SVIDS_ISSUED: &str = "kith_svids_issued";
const ISSUANCE_REFUSED: &str = "kith_issuance_refused";
const SIDECARS_CONNECTED: &str = "kith_sidecars_connected";
const POLICIES: &str = "kith_policies";
const QUARANTINES: &str = "kith_quarantines";
const DENIALS_LOST: &str = "kith_denials_lost";
const ISSUING_NOT_AFTER: &str = "kith_issuing_authority_not_after_seconds";

/// What is counted while it happens.
#[derive(Debug)]
pub(crate) struct Metrics {
    svids_issued: AtomicU64,
    issuance_refused: Counters<1>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self { svids_issued: AtomicU64::new(0), issuance_refused: Counters::new([Label::Closed("reason")]) }
    }

    /// Counts an answer to `Issue`.
    pub(crate) fn count<T>(&self, answer: &Result<T, NotIssued>) {
        match answer {
            Ok(_) => {
                self.svids_issued.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => self.issuance_refused.count([reason(error)]),
        }
    }
}

/// A stable code.
fn reason(error: &NotIssued) -> &'static str {
    match error {
        NotIssued::NoEvidence => "no_evidence",
        NotIssued::Statement(_) => "statement",
        NotIssued::Unknown(Unknown::NotYet) => "not_ready",
        NotIssued::Unknown(Unknown::Stranger(_)) => "stranger",
        NotIssued::OtherPeer { .. } => "other_peer",
        NotIssued::Quarantined(_) => "quarantined",
        NotIssued::TooOften(_) => "too_often",
        NotIssued::Csr(_) => "csr",
        NotIssued::OtherKey(_) => "other_key",
        NotIssued::Issue(_) => "authority",
    }
}

/// All figures of the process, as they are when somebody asks.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) ca: Arc<Ca>,
    pub(crate) worlds: Arc<Worlds>,
    pub(crate) acks: Acks,
    pub(crate) observed: Observed,
}

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (encoder, world) = (&mut encoder, self.worlds.now());
        let issued = self.metrics.svids_issued.load(Ordering::Relaxed);
        counter(encoder, SVIDS_ISSUED, "Svids issued to workloads", issued)?;
        let refused = &self.metrics.issuance_refused;
        refused.encode(encoder, ISSUANCE_REFUSED, "Requests for an svid that were refused")?;
        let connected = world.workloads().filter(|it| self.acks.standing(&it.identity).connected).count();
        gauge(encoder, SIDECARS_CONNECTED, "Workloads whose sidecar is connected", whole(connected))?;
        gauge(encoder, POLICIES, "Policies in force", u64::from(world.count_policies()))?;
        gauge(encoder, QUARANTINES, "Identities that are cut off", whole(world.quarantines.len()))?;
        let lost = self.observed.lost_in_all();
        counter(encoder, DENIALS_LOST, "Denials that can no longer be asked about, for want of room", lost)?;
        let ends = unix_seconds(self.ca.issuing_not_after());
        gauge(encoder, ISSUING_NOT_AFTER, "When the issuing authority ends, since 1970", ends)
    }
}

fn whole(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
