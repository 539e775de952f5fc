//! Who is cut off: identities, single svids, the workload itself. Owns the reading of the control plane's list, and its
//! rule: a list that cannot be read whole lets nobody go.

use std::collections::BTreeSet;

use kith_identity::svid::Serial;
use kith_policy::{Quarantines, Revision};
use kith_proto::convert::identity_from_wire;
use kith_proto::v1;

use super::Enforced;
use super::read::{SnapshotError, newer};

/// Everybody who is cut off.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct CutOff {
    pub(super) identities: Quarantines,
    /// Of svids whose holders are cut off although others of the same identity are not.
    pub(super) serials: BTreeSet<Serial>,
    /// The workload of this sidecar, whatever its identity.
    pub(super) yourself: bool,
}

/// A list that was read. What could not be read is told upward; what could is in force.
#[derive(Debug)]
pub(crate) struct ReadQuarantines {
    pub(super) cut_off: CutOff,
    pub(crate) revision: Revision,
    pub(crate) unreadable: Option<String>,
}

/// Reads who is cut off.
pub(crate) fn read_quarantines(
    message: &v1::Quarantines,
    current: &Enforced,
) -> Result<ReadQuarantines, SnapshotError> {
    let revision = newer(message.revision, current.quarantined_at)?;
    let mut unreadable = None;
    let identities = message.identities.iter().filter_map(|text| {
        let identity = identity_from_wire("quarantines", text);
        identity.inspect_err(|error| unreadable = Some(error.to_string())).ok()
    });
    let identities: Quarantines = identities.collect();
    let serials = message.serials.iter().filter_map(|text| {
        let serial = Serial::parse(text);
        if serial.is_none() {
            unreadable = Some(no_serial(text));
        }
        serial
    });
    let serials = serials.collect();
    let mut cut_off = CutOff { identities, serials, yourself: message.yourself };
    if unreadable.is_some() {
        // One of those before may be the one that cannot be read.
        cut_off = cut_off.and(&current.cut_off);
    }
    Ok(ReadQuarantines { cut_off, revision, unreadable })
}

fn no_serial(text: &str) -> String {
    /// What is told of a text that may be of any length.
    const SHOWN: usize = 64;
    let text: String = text.chars().take(SHOWN).collect();
    format!("quarantines: {text:?} is not a serial: at most 20 octets in lower-case hexadecimal digits")
}

impl CutOff {
    fn and(self, other: &Self) -> Self {
        let identities = other.identities.iter().chain(self.identities.iter()).cloned().collect();
        let serials = self.serials.union(&other.serials).cloned().collect();
        Self { identities, serials, yourself: self.yourself || other.yourself }
    }
}
