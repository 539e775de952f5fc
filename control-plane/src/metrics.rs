//! What a control plane counts: every name and every label is in this file. Who called whom is the sidecars' to count;
//! here is what was issued, who is connected, and what was lost.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kith_ca::Ca;
use kith_runtime::metrics::{Counters, Label, counter, gauge, unix_seconds};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use crate::attest::NotAttested;
use crate::index::{Unknown, Worlds};
use crate::observed::Observed;
use crate::source::kubernetes::KubernetesSource;
use crate::stream::acks::Acks;
use crate::stream::issue::NotIssued;

#[cfg(test)]
mod tests;

const SVIDS_ISSUED: &str = "kith_svids_issued";
const ISSUANCE_REFUSED: &str = "kith_issuance_refused";
const KINDS_SILENT: &str = "kith_kubernetes_kinds_silent";
const SIDECARS_CONNECTED: &str = "kith_sidecars_connected";
const POLICIES: &str = "kith_policies";
const QUARANTINES: &str = "kith_quarantines";
const DENIALS_LOST: &str = "kith_denials_lost";
const TOKEN_REVIEWS: &str = "kith_token_reviews";
const TOKENS_FROM_ELSEWHERE: &str = "kith_pod_tokens_from_elsewhere";
const UNREVIEWED: &str = "kith_svids_renewed_without_review";
const ISSUING_NOT_AFTER: &str = "kith_issuing_authority_not_after_seconds";

/// What is counted while it happens.
#[derive(Debug)]
pub(crate) struct Metrics {
    svids_issued: AtomicU64,
    issuance_refused: Counters<1>,
    token_reviews: Counters<1>,
    tokens_from_elsewhere: AtomicU64,
    unreviewed: AtomicU64,
}

/// What came of a question about a pod's token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Review {
    Accepted,
    Refused,
    /// No answer.
    Away,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            svids_issued: AtomicU64::new(0),
            issuance_refused: Counters::new([Label::Closed("reason")]),
            token_reviews: Counters::new([Label::Closed("outcome")]),
            tokens_from_elsewhere: AtomicU64::new(0),
            unreviewed: AtomicU64::new(0),
        }
    }

    /// Counts what the API server said of a pod's token.
    pub(crate) fn token_reviewed(&self, outcome: Review) {
        self.token_reviews.count([match outcome {
            Review::Accepted => "accepted",
            Review::Refused => "refused",
            Review::Away => "no_answer",
        }]);
    }

    /// A pod's token came from an address that is not known as the pod's (U11).
    pub(crate) fn token_came_from_elsewhere(&self) {
        self.tokens_from_elsewhere.fetch_add(1, Ordering::Relaxed);
    }

    /// An svid was renewed by itself, because the API server did not answer.
    pub(crate) fn renewed_without_review(&self) {
        self.unreviewed.fetch_add(1, Ordering::Relaxed);
    }

    #[cfg(test)]
    pub(crate) fn count_from_elsewhere(&self) -> u64 {
        self.tokens_from_elsewhere.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    pub(crate) fn renewals_without_review(&self) -> u64 {
        self.unreviewed.load(Ordering::Relaxed)
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
        NotIssued::NotAttested(error) => not_attested(error),
        NotIssued::Reserved(_) => "reserved",
        NotIssued::OtherPeer { .. } => "other_peer",
        NotIssued::Quarantined(_) | NotIssued::WorkloadQuarantined(_) => "quarantined",
        NotIssued::TooOften(_) => "too_often",
        NotIssued::Csr(_) => "csr",
        NotIssued::OtherKey(_) => "other_key",
        NotIssued::Issue(_) => "authority",
    }
}

fn not_attested(error: &NotAttested) -> &'static str {
    match error {
        NotAttested::NoEvidence => "no_evidence",
        NotAttested::OtherKind => "other_kind",
        NotAttested::Statement(_) => "statement",
        NotAttested::PodToken(error) => error.code(),
        NotAttested::Unknown(Unknown::NotYet) => "not_ready",
        NotAttested::Unknown(Unknown::Stranger(_)) => "stranger",
        NotAttested::Unknown(Unknown::Gone(_)) => "gone",
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
    /// `None` in local mode.
    pub(crate) cluster: Option<KubernetesSource>,
}

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (encoder, world) = (&mut encoder, self.worlds.now());
        let issued = self.metrics.svids_issued.load(Ordering::Relaxed);
        counter(encoder, SVIDS_ISSUED, "Svids issued to workloads", issued)?;
        let refused = &self.metrics.issuance_refused;
        refused.encode(encoder, ISSUANCE_REFUSED, "Requests for an svid that were refused")?;
        let reviews = &self.metrics.token_reviews;
        reviews.encode(encoder, TOKEN_REVIEWS, "Reviews of pods' tokens, by what the API server said")?;
        let elsewhere = self.metrics.tokens_from_elsewhere.load(Ordering::Relaxed);
        counter(
            encoder,
            TOKENS_FROM_ELSEWHERE,
            "Tokens that did not come from a known address of their pod",
            elsewhere,
        )?;
        let unreviewed = self.metrics.unreviewed.load(Ordering::Relaxed);
        counter(encoder, UNREVIEWED, "Svids renewed while the API server did not answer", unreviewed)?;
        let connected = world.workloads().filter(|it| self.acks.standing(&it.id).connected).count();
        gauge(encoder, SIDECARS_CONNECTED, "Workloads whose sidecar is connected", whole(connected))?;
        gauge(encoder, POLICIES, "Policies in force", u64::from(world.count_policies()))?;
        gauge(encoder, QUARANTINES, "Identities that are cut off", whole(world.quarantines.len()))?;
        let silent = self.cluster.as_ref().map_or(0, |cluster| cluster.failing().len());
        gauge(
            encoder,
            KINDS_SILENT,
            "Kinds of objects of which the API server says nothing new",
            whole(silent),
        )?;
        let lost = self.observed.lost_in_all();
        counter(encoder, DENIALS_LOST, "Denials that can no longer be asked about, for want of room", lost)?;
        let ends = unix_seconds(self.ca.issuing_not_after());
        gauge(encoder, ISSUING_NOT_AFTER, "When the issuing authority ends, since 1970", ends)
    }
}

fn whole(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
