//! The number of a snapshot.

use std::fmt;

/// Orders snapshots across restarts: the epoch is persisted and grows at every start of the control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Revision {
    /// Which start of the control plane.
    pub epoch: u64,
    /// Which change since that start.
    pub counter: u64,
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.counter)
    }
}
