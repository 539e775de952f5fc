//! What a sidecar counts: every name and every label is in this file.
//!
//! Whatever becomes a line of the identity log is counted where it becomes one, so that the two never disagree. The
//! rest is read when somebody asks. Labels are identities of the mesh, policies, rules and codes, bounded by
//! `kith_runtime::metrics` (D8); what a peer chooses freely (paths, hosts, addresses) is never one, and a peer that has
//! proven nothing has an empty name.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kith_mtls::Svid;
use kith_runtime::metrics::{Counters, Durations, Label, counter, gauge, gauges, unix_seconds};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use tokio::sync::watch;

use crate::enforced::Enforced;
use crate::identity_log::{Call, Direction, Event, SvidRenewed, Verdict, Writer};

#[cfg(test)]
mod tests;

const CALLS: &str = "kith_calls";
const CALL_DURATION: &str = "kith_call_duration_seconds";
const CALLS_OPEN: &str = "kith_calls_open";
const WOULD_DENIALS: &str = "kith_would_denials";
const HANDSHAKES: &str = "kith_handshakes";
const SESSIONS_OPEN: &str = "kith_sessions_open";
const SESSIONS_REFUSED: &str = "kith_sessions_refused";
const SVID_NOT_AFTER: &str = "kith_svid_not_after_seconds";
const SVID_RENEWALS: &str = "kith_svid_renewals";
const REVISION_EPOCH: &str = "kith_revision_epoch";
const REVISION_COUNTER: &str = "kith_revision_counter";
const SNAPSHOTS_REFUSED: &str = "kith_snapshots_refused";
const LINES_LOST: &str = "kith_identity_log_lines_lost";
const REFUSALS_LOST: &str = "kith_identity_log_refusals_lost";
const LABEL_SETS_DROPPED: &str = "kith_label_sets_dropped";

const DIRECTION: &str = "direction";
const VERDICT: &str = "verdict";
/// What became of a handshake: a session, or none.
const ESTABLISHED: &str = "established";
const REFUSED: &str = "refused";
const DIRECTIONS: [Direction; 2] = [Direction::Inbound, Direction::Outbound];
const VERDICTS: [Verdict; 2] = [Verdict::Allow, Verdict::Deny];

/// What is counted while it happens. One for the process; workers count into it without waiting for each other.
#[derive(Debug)]
pub(crate) struct Metrics {
    calls: Counters<7>,
    /// By direction and verdict.
    durations: [[Durations; 2]; 2],
    calls_open: [Open; 2],
    would_denials: Counters<2>,
    handshakes: Counters<3>,
    sessions_open: [Open; 2],
    sessions_refused: Counters<2>,
    svid_renewals: AtomicU64,
    snapshots_refused: AtomicU64,
}

/// How many are open, as what was opened and what was closed: so it never goes below zero in between.
#[derive(Debug, Default)]
struct Open {
    opened: AtomicU64,
    closed: AtomicU64,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            calls: Counters::new([
                Label::Closed(DIRECTION),
                Label::Open("source"),
                Label::Open("destination"),
                Label::Closed(VERDICT),
                Label::Open("policy"),
                Label::Open("rule"),
                Label::Open("reason"),
            ]),
            durations: Default::default(),
            calls_open: Default::default(),
            would_denials: Counters::new([Label::Closed(DIRECTION), Label::Open("reason")]),
            handshakes: Counters::new([
                Label::Closed(DIRECTION),
                Label::Closed("group"),
                Label::Closed("outcome"),
            ]),
            sessions_open: Default::default(),
            sessions_refused: Counters::new([Label::Closed(DIRECTION), Label::Open("reason")]),
            svid_renewals: AtomicU64::new(0),
            snapshots_refused: AtomicU64::new(0),
        }
    }

    /// A call began; its line ends it.
    pub(crate) fn call_opened(&self, direction: Direction) {
        self.calls_open[index(direction)].opened();
    }

    /// A snapshot, or a list of quarantines, was refused.
    pub(crate) fn snapshot_refused(&self) {
        self.snapshots_refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts what a line says.
    pub(crate) fn count(&self, event: &Event) {
        match event {
            Event::Call(call) => self.count_call(call),
            Event::SessionOpened(opened) => {
                self.handshakes.count([direction(opened.direction), &opened.facts.group, ESTABLISHED]);
                self.sessions_open[index(opened.direction)].opened();
            }
            Event::SessionEnded(ended) => self.sessions_open[index(ended.direction)].closed(),
            Event::SessionRefused(refused) => {
                // Which group it would have been is not known: most never get that far.
                self.handshakes.count([direction(refused.direction), "", REFUSED]);
                self.sessions_refused.count([direction(refused.direction), &refused.reason]);
            }
            Event::SvidRenewed(SvidRenewed { previous: Some(_), .. }) => {
                self.svid_renewals.fetch_add(1, Ordering::Relaxed);
            }
            Event::SvidRenewed(SvidRenewed { previous: None, .. }) | Event::Quarantine(_) => {}
        }
    }

    fn count_call(&self, call: &Call) {
        self.calls.count([
            direction(call.direction),
            or_empty(&call.source),
            or_empty(&call.destination),
            verdict(call.verdict),
            or_empty(&call.policy),
            or_empty(&call.rule),
            or_empty(&call.denial_reason),
        ]);
        if let Some(would_deny) = &call.would_deny {
            self.would_denials.count([direction(call.direction), &would_deny.reason]);
        }
        let durations = &self.durations[index(call.direction)][usize::from(call.verdict == Verdict::Deny)];
        durations.observe(Duration::from_micros(call.duration_us));
        self.calls_open[index(call.direction)].closed();
    }

    fn encode_calls(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        self.calls.encode(encoder, CALLS, "Calls, by who called whom and what decided")?;
        let help = "From a request's head to the last byte of its answer";
        let mut family = encoder.encode_descriptor(CALL_DURATION, help, None, MetricType::Histogram)?;
        for (way, by_verdict) in DIRECTIONS.into_iter().zip(&self.durations) {
            for (decided, durations) in VERDICTS.into_iter().zip(by_verdict) {
                let labels = [(DIRECTION, direction(way)), (VERDICT, verdict(decided))];
                durations.encode(&mut family, &labels)?;
            }
        }
        let help = "Calls that were let through, and that a stricter posture or egress would have refused";
        self.would_denials.encode(encoder, WOULD_DENIALS, help)?;
        gauges(encoder, CALLS_OPEN, "Calls that are open now", DIRECTION, &by_direction(&self.calls_open))
    }

    fn encode_sessions(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Handshakes, by the key exchange that the two agreed on and what became of them";
        self.handshakes.encode(encoder, HANDSHAKES, help)?;
        let open = by_direction(&self.sessions_open);
        gauges(encoder, SESSIONS_OPEN, "Sessions that are open now", DIRECTION, &open)?;
        self.sessions_refused.encode(encoder, SESSIONS_REFUSED, "Connections that never became a session")
    }
}

/// All figures of the process, as they are when somebody asks.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) svid: watch::Receiver<Option<Arc<Svid>>>,
    pub(crate) enforced: watch::Receiver<Arc<Enforced>>,
    pub(crate) writer: Writer,
}

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        let metrics = &self.metrics;
        metrics.encode_calls(encoder)?;
        metrics.encode_sessions(encoder)?;
        if let Some(svid) = &*self.svid.borrow() {
            let ends = unix_seconds(svid.not_after());
            gauge(encoder, SVID_NOT_AFTER, "When the own svid ends, since 1970", ends)?;
        }
        let renewals = metrics.svid_renewals.load(Ordering::Relaxed);
        counter(encoder, SVID_RENEWALS, "Svids that took the place of another", renewals)?;
        if let Some(revision) = self.enforced.borrow().revision() {
            gauge(encoder, REVISION_EPOCH, "Epoch of the snapshot in force", revision.epoch)?;
            gauge(encoder, REVISION_COUNTER, "Counter of the snapshot in force", revision.counter)?;
        }
        let refused = metrics.snapshots_refused.load(Ordering::Relaxed);
        counter(encoder, SNAPSHOTS_REFUSED, "Snapshots that could not be used", refused)?;
        let lost = self.writer.lost();
        counter(encoder, LINES_LOST, "Lines of allowed calls and events that nobody read in time", lost)?;
        let lost = self.writer.lost_refusals();
        counter(encoder, REFUSALS_LOST, "Lines of refusals that nobody read in time", lost)?;
        let families = [
            metrics.calls.dropped(),
            metrics.would_denials.dropped(),
            metrics.handshakes.dropped(),
            metrics.sessions_refused.dropped(),
        ];
        let dropped = families.into_iter().sum();
        counter(encoder, LABEL_SETS_DROPPED, "Counted as `other`: a family had all its label sets", dropped)
    }
}

impl Open {
    fn opened(&self) {
        self.opened.fetch_add(1, Ordering::Relaxed);
    }

    fn closed(&self) {
        self.closed.fetch_add(1, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        let closed = self.closed.load(Ordering::Relaxed);
        self.opened.load(Ordering::Relaxed).saturating_sub(closed)
    }
}

fn by_direction(open: &[Open; 2]) -> [(&'static str, u64); 2] {
    DIRECTIONS.map(|way| (direction(way), open[index(way)].now()))
}

fn index(direction: Direction) -> usize {
    match direction {
        Direction::Inbound => 0,
        Direction::Outbound => 1,
    }
}

fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Inbound => "inbound",
        Direction::Outbound => "outbound",
    }
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "allow",
        Verdict::Deny => "deny",
    }
}

fn or_empty(text: &Option<String>) -> &str {
    text.as_deref().unwrap_or_default()
}
