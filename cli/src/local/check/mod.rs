//! `kith demo --check`: whether the story that was told is what the identity logs say. Owns the recomputation: every
//! figure comes from lines that sidecars wrote, and is held against what the story's own side counted and timed. Pure;
//! runs nothing, prints nothing.
//!
//! ```text
//! story: marks, attempts ─┐
//! sidecars: lines ────────┴─► Evidence ──► check ──► Report { figures, problems }
//! ```

mod calls;
mod evidence;
mod moment;
mod problems;
mod quarantine;
mod report;
mod times;

use self::calls::Calls;
pub(crate) use self::evidence::{
    Attempt, CHAIN, EVENTS_PATH, Edit, Evidence, INTRUDER, Logged, Mark, Outcome, is_late,
};
pub use self::moment::read as read_moment;
use self::problems::Problems;
pub use self::report::{CallFigures, Figures, FlipFigures, Report, StepReport};
use self::times::Times;

/// Recomputes every figure and says where the two sides differ.
pub(crate) fn check(evidence: &Evidence<'_>, steps: Vec<StepReport>) -> Report {
    let mut problems = Problems::default();
    for step in steps.iter().filter(|step| !step.held) {
        problems.add(format!("step {} ({}) did not hold", step.step, step.title));
    }
    if evidence.lost > 0 {
        problems
            .add(format!("{} events were lost before they were read: the logs are not whole", evidence.lost));
    }
    if evidence.unreadable > 0 {
        problems.add(format!("{} lines of sidecars are no lines of an identity log", evidence.unreadable));
    }
    let calls = Calls::of(evidence).count(evidence.attempts, &mut problems);
    let times = Times(evidence);
    let figures = Figures {
        start_to_first_call_ms: times.first_call(&mut problems),
        policy_flip_ms: times.flips(Edit::OpenPayments, Edit::ClosePayments, &mut problems),
        rotations: times.rotations(&mut problems),
        calls,
        cut_ms: quarantine::cut(evidence, &mut problems),
        cut_client_ms: quarantine::cut_at_client(evidence, &mut problems),
        recovery_ms: times.recovery(&mut problems),
        quarantine_held_after_kill: quarantine::held_after_kill(evidence, &mut problems),
        flip_after_kill_ms: times.flips(Edit::OpenOrders, Edit::CloseOrders, &mut problems),
    };
    let version = env!("CARGO_PKG_VERSION");
    Report { version, steps, figures, problems: problems.sentences() }
}

/// Whether every attempt has all its lines by now: the last of them arrive after the answers did.
pub(crate) fn is_whole(evidence: &Evidence<'_>) -> bool {
    Calls::of(evidence).are_whole(evidence.attempts)
}

#[cfg(test)]
mod tests;
