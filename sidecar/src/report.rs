//! What the sidecar tells the control plane: refusals, counters, and, while somebody watches, every line.
//!
//! Owns the bounds. Nothing here may grow with what a peer sends: refusals are kept for each peer apart, so that a
//! flood of one evicts only its own; what was evicted is counted.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use kith_proto::v1;
use kith_proto::v1::sync_up;

use crate::identity_log::{BY_PEER, Call, Direction, Verdict};
use crate::lock::lock;

const DENIALS_PER_PEER: usize = 64;
const PEERS: usize = 64;
const EDGES: usize = 4_096;
const TAP_LINES: usize = 4_096;
/// Of one message: far below what the control plane takes, so that no report ends the stream that carries it.
const MESSAGE_BYTES: usize = 512 * 1024;

/// What waits for the stream. Shared by all workers.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    denials: Mutex<Denials>,
    edges: Mutex<Edges>,
    tap: Mutex<Tap>,
    watched: AtomicBool,
}

#[derive(Debug, Default)]
struct Denials {
    by_peer: HashMap<String, VecDeque<v1::Denial>>,
    lost: u64,
}

/// By source and destination. Counting an edge that is known copies neither name.
#[derive(Debug, Default)]
struct Edges {
    by_source: HashMap<String, HashMap<String, v1::Edge>>,
    count: usize,
}

#[derive(Debug, Default)]
struct Tap {
    lines: VecDeque<String>,
    lost: u64,
}

impl Reports {
    /// Keeps a refusal, or one that a stricter posture would have made, under its peer; the empty peer is everybody without a
    /// verified identity.
    pub(crate) fn denial(&self, id: &str, source: &str, line: &str) {
        let mut denials = lock(&self.denials);
        let denials = &mut *denials;
        if denials.by_peer.len() >= PEERS && !denials.by_peer.contains_key(source) {
            denials.lost += 1;
            return;
        }
        let kept = denials.by_peer.entry(source.to_owned()).or_default();
        if kept.len() >= DENIALS_PER_PEER {
            kept.pop_front();
            denials.lost += 1;
        }
        kept.push_back(v1::Denial { id: id.to_owned(), source: source.to_owned(), line: line.to_owned() });
    }

    /// Counts a call where it was decided: at its destination, or here if it got no further.
    pub(crate) fn count(&self, call: &Call) {
        let refused_here = call.verdict == Verdict::Deny && call.denial_reason.as_deref() != Some(BY_PEER);
        if call.direction == Direction::Outbound && (!refused_here || call.destination.is_none()) {
            return;
        }
        let source = call.source.as_deref().unwrap_or_default();
        let destination = call.destination.as_deref().unwrap_or_default();
        let mut edges = lock(&self.edges);
        let Some(edge) = edges.of(source, destination) else { return };
        match (call.verdict, &call.would_deny, &call.error) {
            (Verdict::Deny, _, _) => edge.denied += 1,
            // However it ended: whoever makes the posture stricter has to see all of them.
            (Verdict::Allow, Some(_), _) => edge.would_deny += 1,
            (Verdict::Allow, None, Some(_)) => edge.failed += 1,
            (Verdict::Allow, None, None) => edge.allowed += 1,
        }
    }

    /// Keeps a line for whoever watches; free while nobody does.
    pub(crate) fn tap(&self, line: &str) {
        if !self.watched.load(Ordering::Relaxed) {
            return;
        }
        let mut tap = lock(&self.tap);
        if tap.lines.len() >= TAP_LINES {
            tap.lost += 1;
        } else {
            tap.lines.push_back(line.to_owned());
        }
    }

    /// Somebody began to watch, or the last one stopped.
    pub(crate) fn watch(&self, on: bool) {
        self.watched.store(on, Ordering::Relaxed);
        if !on {
            *lock(&self.tap) = Tap::default();
        }
    }

    /// Takes back what could not be sent. There may be no room for it any more: then it is counted as lost.
    pub(crate) fn put_back(&self, messages: impl IntoIterator<Item = v1::SyncUp>) {
        for kind in messages.into_iter().filter_map(|message| message.kind) {
            match kind {
                sync_up::Kind::Denials(v1::Denials { denials, lost }) => {
                    lock(&self.denials).lost += lost;
                    denials.iter().for_each(|denial| self.denial(&denial.id, &denial.source, &denial.line));
                }
                sync_up::Kind::Edges(v1::Edges { edges }) => {
                    let mut all = lock(&self.edges);
                    for counted in edges {
                        let Some(edge) = all.of(&counted.source, &counted.destination) else { continue };
                        edge.allowed += counted.allowed;
                        edge.denied += counted.denied;
                        edge.failed += counted.failed;
                        edge.would_deny += counted.would_deny;
                    }
                }
                // Whoever watches is told how many lines are missing; the other kinds are answers, not reports.
                sync_up::Kind::Tap(v1::TapLines { lines, lost }) => {
                    lock(&self.tap).lost += lost + lines.len() as u64;
                }
                sync_up::Kind::Hello(_)
                | sync_up::Kind::Ack(_)
                | sync_up::Kind::Refusal(_)
                | sync_up::Kind::Quarantined(_)
                | sync_up::Kind::Subscribe(_) => {}
            }
        }
    }

    /// Everything that waits, as messages of bounded size; empty when there is nothing to say.
    pub(crate) fn take(&self) -> Vec<v1::SyncUp> {
        let mut messages = Vec::new();
        let Denials { by_peer, mut lost } = std::mem::take(&mut *lock(&self.denials));
        let denials = by_peer.into_values().flatten().collect();
        for denials in bounded(denials, |denial| denial.line.len()) {
            messages.push(sync_up::Kind::Denials(v1::Denials { denials, lost: std::mem::take(&mut lost) }));
        }
        let edges = std::mem::take(&mut *lock(&self.edges)).into_all();
        for edges in bounded(edges, |edge| edge.source.len() + edge.destination.len()) {
            messages.push(sync_up::Kind::Edges(v1::Edges { edges }));
        }
        let Tap { lines, mut lost } = std::mem::take(&mut *lock(&self.tap));
        for lines in bounded(lines.into(), String::len) {
            messages.push(sync_up::Kind::Tap(v1::TapLines { lines, lost: std::mem::take(&mut lost) }));
        }
        messages.into_iter().map(|kind| v1::SyncUp { kind: Some(kind) }).collect()
    }
}

impl Edges {
    /// The counters of an edge; `None` when there are too many edges already.
    fn of(&mut self, source: &str, destination: &str) -> Option<&mut v1::Edge> {
        let known = self.by_source.get(source).is_some_and(|edges| edges.contains_key(destination));
        if !known {
            if self.count >= EDGES {
                return None;
            }
            self.count += 1;
            let new = v1::Edge {
                source: source.to_owned(),
                destination: destination.to_owned(),
                ..v1::Edge::default()
            };
            self.by_source.entry(source.to_owned()).or_default().insert(destination.to_owned(), new);
        }
        self.by_source.get_mut(source)?.get_mut(destination)
    }

    fn into_all(self) -> Vec<v1::Edge> {
        self.by_source.into_values().flat_map(HashMap::into_values).collect()
    }
}

/// The items in order, in groups that each fit a message.
fn bounded<T>(items: Vec<T>, bytes: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    /// Beside its text, an item has numbers and tags.
    const PER_ITEM: usize = 128;
    let mut groups: Vec<Vec<T>> = Vec::new();
    let mut room = 0;
    for item in items {
        let size = bytes(&item) + PER_ITEM;
        match groups.last_mut() {
            Some(group) if size <= room => group.push(item),
            _ => {
                room = MESSAGE_BYTES;
                groups.push(vec![item]);
            }
        }
        room = room.saturating_sub(size);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denials(reports: &Reports) -> v1::Denials {
        reports
            .take()
            .into_iter()
            .find_map(|message| match message.kind {
                Some(sync_up::Kind::Denials(denials)) => Some(denials),
                _ => None,
            })
            .unwrap()
    }

    #[test]
    fn a_flood_of_refusals_evicts_only_those_of_its_own_peer() {
        let reports = Reports::default();
        reports.denial("quiet", "spiffe://t/quiet", "{}");
        for number in 0..1_000 {
            reports.denial(&number.to_string(), "spiffe://t/loud", "{}");
        }
        let told = denials(&reports);
        assert!(told.denials.iter().any(|denial| denial.id == "quiet"));
        assert!(told.denials.iter().any(|denial| denial.id == "999"));
        assert_eq!(told.denials.len(), 1 + DENIALS_PER_PEER);
        assert_eq!(told.lost, 1_000 - DENIALS_PER_PEER as u64);
    }

    #[test]
    fn what_could_not_be_sent_is_sent_the_next_time() {
        let reports = Reports::default();
        reports.denial("one", "spiffe://t/web", "{}");
        let edge = v1::Edge {
            source: "a".to_owned(),
            destination: "b".to_owned(),
            allowed: 2,
            would_deny: 3,
            ..v1::Edge::default()
        };
        let edges = sync_up::Kind::Edges(v1::Edges { edges: vec![edge] });
        reports.put_back([v1::SyncUp { kind: Some(edges) }]);
        let first = reports.take();
        assert_eq!(first.len(), 2);
        reports.put_back(first.clone());
        assert_eq!(reports.take(), first);
    }

    #[test]
    fn no_message_is_larger_than_the_control_plane_takes_however_long_the_lines_are() {
        use prost::Message;
        const TAKEN: usize = 4 * 1024 * 1024;
        let reports = Reports::default();
        reports.watch(true);
        let line = "x".repeat(8 * 1024);
        for number in 0..PEERS * DENIALS_PER_PEER {
            reports.denial(&number.to_string(), &format!("spiffe://t/{}", number % PEERS), &line);
            reports.tap(&line);
        }
        let told = reports.take();
        assert!(told.iter().all(|message| message.encoded_len() < TAKEN / 2));
        let denials: usize = told
            .iter()
            .map(|message| match &message.kind {
                Some(sync_up::Kind::Denials(denials)) => denials.denials.len(),
                _ => 0,
            })
            .sum();
        assert_eq!(denials, PEERS * DENIALS_PER_PEER, "none is lost by splitting");
    }

    #[test]
    fn lines_travel_only_while_somebody_watches() {
        let reports = Reports::default();
        reports.tap("before");
        reports.watch(true);
        reports.tap("during");
        let told = reports.take();
        reports.watch(false);
        reports.tap("after");
        assert_eq!(
            told,
            [v1::SyncUp {
                kind: Some(sync_up::Kind::Tap(v1::TapLines { lines: vec!["during".to_owned()], lost: 0 }))
            }]
        );
        assert!(reports.take().is_empty());
    }
}
