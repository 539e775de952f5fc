//! Durations and counts from the times in the lines. A line's time has milliseconds, so no figure is better than that.

use std::time::Duration;

use kith_sidecar::identity_log::{Direction, Event, Verdict};

use super::evidence::{CHAIN, Edit, Evidence, Logged, Mark};
use super::problems::Problems;
use super::report::FlipFigures;

/// An edit is in force, an open stream is cut, and a call is answered before this.
pub(super) const PROMISE_MS: u64 = 1_000;
/// How far the two sides may be apart: the story's side has a turn of its own to wait for on a busy machine.
const APART_MS: u64 = 500;

/// The evidence, asked about times.
pub(super) struct Times<'a, 'b>(pub(super) &'b Evidence<'a>);

impl Times<'_, '_> {
    /// From the start of the command to the first allowed call's line.
    pub(super) fn first_call(&self, problems: &mut Problems) -> Option<u64> {
        let first = self.0.calls().filter(|(_, call)| {
            call.direction == Direction::Inbound && call.verdict == Verdict::Allow && call.error.is_none()
        });
        let first = first.map(|(logged, _)| logged.at).min();
        if first.is_none() {
            problems.add("no call was ever allowed".to_owned());
        }
        since("the first call", self.0.when(&Mark::Started), first, problems)
    }

    /// How long two edits took.
    pub(super) fn flips(&self, open: Edit, close: Edit, problems: &mut Problems) -> FlipFigures {
        FlipFigures { open: self.flip(open, problems), close: self.flip(close, problems) }
    }

    /// From the edit to the first line that judges by it.
    fn flip(&self, edit: Edit, problems: &mut Problems) -> Option<u64> {
        let (from, to) = edit.call();
        let what =
            format!("the edit that {} {from} at {to}", if edit.allows() { "lets in" } else { "refuses" });
        let (edited, source) = (self.0.when(&Mark::Edited(edit)), self.0.identity(from));
        let judged = self.0.calls().filter(|(logged, call)| {
            *logged.service == *to
                && call.direction == Direction::Inbound
                && call.source.as_deref() == source
                && Some(logged.at) >= edited
                && match call.verdict {
                    Verdict::Allow => edit.allows(),
                    Verdict::Deny => !edit.allows() && call.denial_reason.as_deref() == Some("default_deny"),
                }
        });
        let took = since(&what, edited, judged.map(|(logged, _)| logged.at).min(), problems);
        let seen = self.0.seen(|mark| match mark {
            Mark::Flipped(of, took) if *of == edit => Some(millis(*took)),
            _ => None,
        });
        match took {
            None => problems.add(format!("{what}: no call was judged by it")),
            Some(took) if took >= PROMISE_MS => problems.add(format!("{what} took {took} ms")),
            Some(_) => {}
        }
        compare(&what, took, seen, problems);
        took
    }

    /// How many svids were replaced. Every service that carries calls has a new one.
    pub(super) fn rotations(&self, problems: &mut Problems) -> u64 {
        let renewed = |logged: &&Logged| match &logged.line.event {
            Event::SvidRenewed(renewed) => renewed.previous.is_some(),
            _ => false,
        };
        let of = |service: &str| {
            let own = self.0.lines.iter().filter(|logged| *logged.service == *service);
            count(own.filter(renewed))
        };
        for service in CHAIN.into_iter().filter(|service| of(service) == 0) {
            problems.add(format!("the svid of {service} was never replaced"));
        }
        let seen = self.0.seen(|mark| match mark {
            Mark::Rotated(count) => Some(*count),
            _ => None,
        });
        let logged = CHAIN.into_iter().map(of).sum();
        match seen {
            Some(seen) if seen > logged => {
                problems.add(format!("{seen} svids were seen replaced, and {logged} are logged"));
            }
            None => problems.add("nobody saw svids being replaced".to_owned()),
            Some(_) => {}
        }
        count(self.0.lines.iter().filter(renewed))
    }

    /// From the moment at which the control plane may start again to the last of the first svids that it then issues to
    /// the services that carry calls.
    pub(super) fn recovery(&self, problems: &mut Problems) -> Option<u64> {
        let released = self.0.when(&Mark::Released);
        let first = |service: &str| {
            let own = self.0.lines.iter().filter(|logged| {
                *logged.service == *service
                    && Some(logged.at) >= released
                    && matches!(logged.line.event, Event::SvidRenewed(_))
            });
            own.map(|logged| logged.at).min()
        };
        let all: Option<Vec<i64>> = CHAIN.into_iter().map(first).collect();
        let what = "the control plane's recovery";
        let took = since(what, released, all.and_then(|all| all.into_iter().max()), problems);
        if took.is_none() {
            problems.add("not every service had a new svid after the control plane came back".to_owned());
        }
        let seen = self.0.seen(|mark| match mark {
            Mark::Recovered(took) => Some(millis(*took)),
            _ => None,
        });
        compare(what, took, seen, problems);
        took
    }
}

/// Both sides of one duration.
fn compare(what: &str, logged: Option<u64>, seen: Option<u64>, problems: &mut Problems) {
    match (logged, seen) {
        (Some(logged), Some(seen)) if logged.abs_diff(seen) > APART_MS => {
            problems.add(format!("{what} took {logged} ms by the logs, and {seen} ms by the story"));
        }
        (Some(_), None) => problems.add(format!("{what}: the story did not see its end")),
        _ => {}
    }
}

/// How long after; nothing when one of the two is not there. An end before its begin is no duration.
pub(super) fn since(
    what: &str,
    begin: Option<i64>,
    end: Option<i64>,
    problems: &mut Problems,
) -> Option<u64> {
    let took = end? - begin?;
    if took < 0 {
        problems.add(format!("{what} ended {} ms before it began", took.unsigned_abs()));
    }
    u64::try_from(took).ok()
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn count<T>(items: impl Iterator<Item = T>) -> u64 {
    items.fold(0, |count, _| count + 1)
}
