//! What sidecars talk to: `issue` hands out svids and `issued` remembers the newest, `sync` carries snapshots down and
//! reports up, `acks` remembers who has what.

pub(crate) mod acks;
pub(crate) mod issue;
pub(crate) mod issued;
pub(crate) mod limit;
mod report;
mod sent;
pub(crate) mod sync;
