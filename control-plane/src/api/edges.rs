//! `Edges`: who called whom. The counters are those of the destination's own sidecar, which decided, and among the
//! denied what the source's own refused; whose word counts for what is `Observed`'s.

use kith_identity::SpiffeId;
use kith_proto::v1;

use crate::observed::{Counts, Observed, Pair};

pub(super) fn edges(observed: &Observed) -> v1::EdgesResponse {
    v1::EdgesResponse { edges: observed.edges(|_, _| true).iter().map(edge_to_wire).collect() }
}

/// Those in which an identity has a part.
pub(super) fn edges_of(observed: &Observed, identity: &SpiffeId) -> Vec<v1::Edge> {
    let part = |source: Option<&SpiffeId>, destination: &SpiffeId| {
        source == Some(identity) || destination == identity
    };
    observed.edges(part).iter().map(edge_to_wire).collect()
}

fn edge_to_wire(((source, destination), counts): &(Pair, Counts)) -> v1::Edge {
    v1::Edge {
        source: source.as_ref().map(ToString::to_string).unwrap_or_default(),
        destination: destination.to_string(),
        allowed: counts.allowed,
        denied: counts.denied,
        failed: counts.failed,
        would_deny: counts.would_deny,
    }
}
