//! How long lists may be. Owns the numbers, the same for a file and for an object in Kubernetes, whose API server must be
//! able to bound what a check of it costs.

use super::error::DocumentError;
use super::yaml::{Place, Text};

/// Entries of `targetRefs`.
pub(super) const TARGETS: usize = 16;
/// Labels of one selector.
pub(super) const LABELS: usize = 32;
/// Rules of one policy.
pub(super) const RULES: usize = 128;
/// Sources of one rule.
pub(super) const SOURCES: usize = 128;
/// Ports of one rule.
pub(super) const PORTS: usize = 64;
/// Operations of one rule.
pub(super) const OPERATIONS: usize = 64;
/// HTTP methods of one operation.
pub(super) const METHODS: usize = 16;
/// gRPC methods of one operation.
pub(super) const GRPC_METHODS: usize = 64;
/// Paths of one operation.
pub(super) const PATHS: usize = 64;

/// Refuses a list that is too long.
pub(super) fn check(
    count: usize,
    most: usize,
    name: &str,
    place: Place,
    text: &Text<'_>,
) -> Result<(), DocumentError> {
    if count <= most {
        return Ok(());
    }
    let message =
        format!("{name} has {count} entries, more than {most}; write more than one of what holds it");
    Err(text.error(place, message))
}
