//! May they? Policy documents, their compilation and the decision. Pure: no I/O, no async, no clock.
//!
//! Owns the language that people write, the set of rules that applies to one workload, the decision about one
//! call, and the reasons for it. It does not know where documents come from, how they travel, or what becomes
//! of a verdict.
//!
//! ```text
//! YAML ──► document ──► AuthorizationPolicy ──► compile ──► PolicySet ─┐
//!                                                                     ├─► evaluate ──► Verdict
//! bytes of a request ──► canonical ──► one reading, or a refusal ─────┘      └──► explain (offline, in full)
//! ```

mod analysis;
mod call;
mod canonical;
mod closest;
mod compile;
pub mod document;
mod evaluate;
mod matching;
mod origin;
mod quarantines;
mod revision;
mod truth;
mod verdict;

pub use analysis::{explain, suggest};
pub use call::{Call, Request, UnprovenCall};
pub use canonical::{AmbiguousPath, canonical_path};
pub use closest::closest;
pub use compile::{CompileError, PathTemplate, PathTemplateError, PolicySet};
pub use document::{AuthorizationPolicy, DocumentError};
pub use evaluate::{denial_of_unproven, evaluate};
pub use origin::{At, Origin};
pub use quarantines::Quarantines;
pub use revision::Revision;
pub use truth::Truth;
pub use verdict::{Denial, Field, NearestMiss, RuleRef, Verdict};

#[cfg(test)]
mod tests;
