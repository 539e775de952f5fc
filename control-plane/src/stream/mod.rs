//! What sidecars talk to: `issue` hands out svids, `sync` carries snapshots down and reports up, `acks` remembers who
//! has what.

pub(crate) mod acks;
pub(crate) mod issue;
pub(crate) mod limit;
mod report;
pub(crate) mod sync;
