//! Every attempt against its lines: one at the caller's sidecar, and one at the other unless the caller's own refused
//! it; and what they say is what the caller got. A lost line, one too many, and one that says something else are each
//! a problem.

use std::collections::HashMap;

use kith_sidecar::identity_log::{Call, Direction, Verdict};

use super::evidence::{Attempt, Evidence, Outcome, is_late};
use super::problems::Problems;
use super::report::CallFigures;
use super::times::millis;

const ALLOWED: u16 = 200;
const DENIED: u16 = 403;
/// Under this code the caller's sidecar logs what the other one refused.
const BY_PEER: &str = "refused_by_peer";

/// The lines about calls, by service and path.
pub(super) struct Calls<'a>(HashMap<(&'a str, &'a str), Vec<&'a Call>>);

/// What became of an attempt.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Received,
    Refused,
    Failed,
}

/// The lines of one hop.
struct Hop<'a> {
    from: &'static str,
    to: &'static str,
    path: String,
    outbound: Vec<&'a Call>,
    inbound: Vec<&'a Call>,
}

impl<'a> Calls<'a> {
    pub(super) fn of(evidence: &Evidence<'a>) -> Self {
        let mut calls: HashMap<_, Vec<_>> = HashMap::new();
        for (logged, call) in evidence.calls() {
            calls.entry((&*logged.service, &*call.path)).or_default().push(call);
        }
        Self(calls)
    }

    /// Whether every attempt has its lines.
    pub(super) fn are_whole(&self, attempts: &[Attempt]) -> bool {
        attempts.iter().flat_map(|attempt| self.hops(attempt)).all(|hop| hop.miscounted().is_none())
    }

    /// What became of all attempts, and what is wrong with any.
    pub(super) fn count(&self, attempts: &[Attempt], problems: &mut Problems) -> CallFigures {
        let mut figures = CallFigures::default();
        for attempt in attempts {
            figures.attempted += 1;
            figures.slowest_ms = figures.slowest_ms.max(attempt.took.map_or(0, millis));
            match self.fate(attempt, problems) {
                Fate::Received => figures.received += 1,
                Fate::Refused => figures.refused += 1,
                Fate::Failed => figures.failed += 1,
            }
        }
        figures
    }

    fn fate(&self, attempt: &Attempt, problems: &mut Problems) -> Fate {
        let hops = self.hops(attempt);
        let miscounted = hops.iter().find_map(Hop::miscounted);
        // What the lines say is only asked of the right number of them.
        let differs = |other: fn(&Hop<'a>) -> Option<String>| match &miscounted {
            Some(_) => miscounted.clone(),
            None => hops.iter().find_map(other),
        };
        let Attempt { from, to, path, .. } = attempt;
        let failed = |problems: &mut Problems, why: &str| {
            problems.add_call(format!("{from} → {to} {path} failed: {why}"));
            Fate::Failed
        };
        match &attempt.outcome {
            Outcome::Open => failed(problems, "it was never answered"),
            Outcome::Failed(why) => failed(problems, why),
            Outcome::Answered(_) if attempt.took.is_some_and(is_late) => {
                failed(problems, &format!("it took {} ms", attempt.took.map_or(0, millis)))
            }
            Outcome::Answered(ALLOWED) => {
                differs(Hop::not_received).into_iter().for_each(|problem| problems.add_call(problem));
                Fate::Received
            }
            Outcome::Answered(DENIED) if !attempt.must_pass => {
                differs(Hop::not_refused).into_iter().for_each(|problem| problems.add_call(problem));
                Fate::Refused
            }
            Outcome::Answered(status) => failed(problems, &format!("it was answered {status}")),
        }
    }

    /// The hops that the attempt must have taken: orders asks payments under the same number for every order.
    fn hops(&self, attempt: &Attempt) -> Vec<Hop<'a>> {
        let mut hops = vec![self.hop(attempt.from, attempt.to, attempt.path.clone())];
        let received = attempt.outcome == Outcome::Answered(ALLOWED);
        if let Some(number) = attempt.path.strip_prefix("/orders/").filter(|_| received) {
            hops.push(self.hop("orders", "payments", format!("/charge/{number}")));
        }
        hops
    }

    fn hop(&self, from: &'static str, to: &'static str, path: String) -> Hop<'a> {
        let lines = |service, direction| {
            let at = self.0.get(&(service, path.as_str())).into_iter().flatten().copied();
            at.filter(|call| call.direction == direction).collect()
        };
        Hop {
            from,
            to,
            outbound: lines(from, Direction::Outbound),
            inbound: lines(to, Direction::Inbound),
            path,
        }
    }
}

impl Hop<'_> {
    /// A line too few or too many. What the caller's own sidecar refused never gets to the other.
    fn miscounted(&self) -> Option<String> {
        let Self { from, to, path, outbound, inbound } = self;
        let (sent, arrived) = (outbound.len(), inbound.len());
        if sent != 1 {
            return Some(format!("{from} → {to} {path}: {sent} outbound lines at {from} instead of 1"));
        }
        let expected = usize::from(!outbound.iter().any(|call| is_refused_here(call)));
        (arrived != expected)
            .then(|| format!("{from} → {to} {path}: {arrived} inbound lines at {to} instead of {expected}"))
    }

    fn not_received(&self) -> Option<String> {
        let other = self.lines().find(|call| call.verdict != Verdict::Allow || call.error.is_some())?;
        let said = other.error.as_deref().or(other.denial_reason.as_deref()).unwrap_or("deny");
        Some(format!("{} → {} {}: answered 200, and logged as {said}", self.from, self.to, self.path))
    }

    fn not_refused(&self) -> Option<String> {
        let Self { from, to, path, .. } = self;
        if let Some(allowed) = self.lines().find(|call| call.verdict == Verdict::Allow) {
            let which = if allowed.direction == Direction::Outbound { from } else { to };
            return Some(format!("{from} → {to} {path}: answered 403, and logged as allowed at {which}"));
        }
        let mut ids = self.lines().map(|call| &call.denial_id);
        let first = ids.next()?;
        (first.is_none() || ids.any(|id| id != first))
            .then(|| format!("{from} → {to} {path}: its two lines do not have one denial id"))
    }

    fn lines(&self) -> impl Iterator<Item = &Call> {
        self.outbound.iter().chain(&self.inbound).copied()
    }
}

fn is_refused_here(call: &Call) -> bool {
    call.verdict == Verdict::Deny && call.denial_reason.as_deref() != Some(BY_PEER)
}
