//! Every open call is known, and judged again when what decides about it changes.
//!
//! ```text
//! inbound call ──► Registry::enter (before its first check) ──► evaluate ──► open ──► leaves when its line is written
//! new snapshot ──► judge: every open call again ──► Cut ──► the revision is acknowledged once all workers did so
//! ```

mod cut;
mod judge;
mod registry;

pub(crate) use cut::Cut;
pub(crate) use judge::{decide, keep_judging};
pub(crate) use registry::{Entered, Registry, Subject};
