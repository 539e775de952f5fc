//! What a check found, as it is printed: docs/output.md says what each key means.

use serde::Serialize;

/// The whole report.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Report {
    pub(crate) version: &'static str,
    pub(crate) steps: Vec<StepReport>,
    pub(crate) figures: Figures,
    pub(crate) problems: Vec<String>,
}

impl Report {
    /// Whether there is nothing to complain about.
    pub fn is_good(&self) -> bool {
        self.problems.is_empty()
    }
}

/// One step.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StepReport {
    pub(crate) step: u8,
    pub(crate) title: &'static str,
    pub(crate) held: bool,
    pub(crate) took_ms: u64,
}

/// Every figure; what did not happen is `null`, and a problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Figures {
    pub(crate) start_to_first_call_ms: Option<u64>,
    pub(crate) policy_flip_ms: FlipFigures,
    pub(crate) rotations: u64,
    pub(crate) calls: CallFigures,
    pub(crate) cut_ms: Option<u64>,
    pub(crate) cut_client_ms: Option<u64>,
    pub(crate) recovery_ms: Option<u64>,
    pub(crate) quarantine_held_after_kill: bool,
    pub(crate) flip_after_kill_ms: FlipFigures,
}

/// From an edit to the first call that is judged by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FlipFigures {
    pub(crate) open: Option<u64>,
    pub(crate) close: Option<u64>,
}

/// What became of the calls that the story made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CallFigures {
    pub(crate) attempted: u64,
    pub(crate) received: u64,
    pub(crate) refused: u64,
    pub(crate) failed: u64,
    pub(crate) slowest_ms: u64,
}
