//! What a sidecar reports about calls, upward. Owns what is believed: a sidecar speaks for its own workload only, and
//! nothing it sends can take more room than its share.

use kith_identity::SpiffeId;
use kith_proto::convert::{WireError, identity_from_wire};
use kith_proto::v1;

use crate::observed::{Counts, Denial, Observed};

/// More in one message is dropped and counted.
const MAX_DENIALS: usize = 1024;
const MAX_EDGES: usize = 1024;
const MAX_LINE: usize = 16 * 1024;
const ID_DIGITS: usize = 32;

/// Remembers denials; those that are not well-formed count as lost.
pub(crate) fn denials(observed: &Observed, reporter: &SpiffeId, message: v1::Denials) {
    let all = message.denials.len();
    let read: Vec<Denial> =
        message.denials.into_iter().take(MAX_DENIALS).filter_map(|denial| read_denial(denial).ok()).collect();
    let unread = all - read.len();
    if unread > 0 {
        tracing::debug!(%reporter, unread, "Denials were not well-formed or too many");
    }
    observed.denied(reporter, read, message.lost.saturating_add(unread as u64));
}

/// Adds counters; those of calls in which the reporter has no part are ignored.
pub(crate) fn edges(observed: &Observed, reporter: &SpiffeId, message: v1::Edges) {
    let mut ignored = message.edges.len().saturating_sub(MAX_EDGES);
    for edge in message.edges.into_iter().take(MAX_EDGES) {
        let counted = match read_edge(reporter, &edge) {
            Ok((source, destination, counts)) => observed.counted(reporter, source, destination, counts),
            Err(_) => false,
        };
        ignored += usize::from(!counted);
    }
    if ignored > 0 {
        tracing::debug!(%reporter, ignored, "Edges were not its own, not well-formed or too many");
    }
}

fn read_denial(denial: v1::Denial) -> Result<Denial, WireError> {
    let is_id = denial.id.len() == ID_DIGITS
        && denial.id.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    if !is_id {
        return Err(WireError::new("id", "is not 32 hexadecimal digits"));
    }
    if denial.line.len() > MAX_LINE {
        return Err(WireError::new("line", "is too long"));
    }
    Ok(Denial { id: denial.id, source: source_from_wire(&denial.source)?, line: denial.line })
}

/// Nobody, where no identity was proven.
fn source_from_wire(text: &str) -> Result<Option<SpiffeId>, WireError> {
    if text.is_empty() { Ok(None) } else { identity_from_wire("source", text).map(Some) }
}

fn read_edge(
    reporter: &SpiffeId,
    edge: &v1::Edge,
) -> Result<(Option<SpiffeId>, SpiffeId, Counts), WireError> {
    let source = source_from_wire(&edge.source)?;
    let destination = identity_from_wire("destination", &edge.destination)?;
    if source.as_ref() != Some(reporter) && destination != *reporter {
        return Err(WireError::new("edge", "has no part in this workload"));
    }
    let counts = Counts {
        allowed: edge.allowed,
        denied: edge.denied,
        failed: edge.failed,
        would_deny: edge.would_deny,
    };
    Ok((source, destination, counts))
}

#[cfg(test)]
mod tests;
