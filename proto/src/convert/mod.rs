//! Wire to domain and back. A conversion from the wire returns [`WireError`] with the field that was wrong; none
//! drops what it cannot read.

mod common;
mod explain;
mod policy;

pub use common::{bundle_from_wire, bundle_to_wire, from_millis, identity_from_wire, to_millis};
pub use explain::considered_to_wire;
pub use policy::{origin_from_wire, origin_to_wire, policy_from_wire, policy_to_wire};

/// A message that decodes as protobuf and means nothing valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct WireError {
    /// The field, as a dotted path.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

impl WireError {
    /// Names the field and the reason.
    pub fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }
}
