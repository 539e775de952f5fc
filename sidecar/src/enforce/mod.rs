//! Everything open is known, and judged again when what decides about it changes.
//!
//! ```text
//! call to the workload ─┐
//! session, either way ──┴─► Registry::enter (before its first check) ──► check ──► open ──► leaves when it has ended
//! policies, quarantines, bundles ──► judge: everything open again ──► Cut ──► acknowledged once all workers did so
//! the end of Observe ──────────────► the same
//! ```

mod cut;
mod judge;
mod registry;

pub(crate) use cut::Cut;
pub(crate) use judge::{LAST_WORDS, Law, decide_call, keep_judging};
pub(crate) use registry::{Asked, Caller, Entered, InboundCall, Registry, Subject};
