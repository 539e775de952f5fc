//! One JSON line for each call and each session that was refused, opened or ended.
//!
//! ```text
//! OpenCall, session ──► Line ──► Log (bounded queue) ──► writer thread ──► standard output
//!                          └───► Reports ──► the control plane: denials, edge counters, tap
//! ```

mod line;
mod log;
mod open_call;
mod timestamp;
mod writer;

pub use line::{
    Call, Direction, Event, Line, Quarantine, QuarantineChange, SessionEnded, SessionFacts, SessionOpened,
    SessionRefused, SvidRenewed, Verdict, WouldDeny,
};
pub(crate) use log::Log;
pub(crate) use open_call::{BY_PEER, Head, MAX_DETAIL_BYTES, OpenCall, shortened};
pub use timestamp::rfc3339;
pub(crate) use writer::{QUEUE_LINES, Writer};
