//! What the logs say of the quarantine: that it cut what was open, how fast, and that nothing got through from then on
//! until it was lifted, whoever was killed meanwhile.

use std::time::Duration;

use kith_sidecar::identity_log::{Direction, Event, QuarantineChange, Verdict};

use super::evidence::{ALL, EVENTS_PATH, Evidence, INTRUDER, Logged, Mark, PAYMENTS};
use super::problems::Problems;
use super::times::{PROMISE_MS, millis, since};

const BY_QUARANTINE: &str = "quarantined";
/// A call of a few milliseconds that began before may still end; a line's time has milliseconds.
const ROUNDING_MS: i64 = 1;

/// From the moment at which the quarantine was asked for to the last line about the end of the stream: sidecars say that
/// it is in force when they have cut what was open, so that no line of theirs has its begin.
pub(super) fn cut(evidence: &Evidence<'_>, problems: &mut Problems) -> Option<u64> {
    let took = logged_cut(evidence, problems);
    too_late("by the logs", took, problems);
    took
}

fn logged_cut(evidence: &Evidence<'_>, problems: &mut Problems) -> Option<u64> {
    in_force(evidence, problems);
    let asked = evidence.when(&Mark::Quarantined)?;
    let ends = [(PAYMENTS, Direction::Inbound), (INTRUDER, Direction::Outbound)];
    let mut last = None;
    let mut because = false;
    for (service, direction) in ends {
        let about = evidence.calls().filter(|(logged, call)| {
            *logged.service == *service
                && call.direction == direction
                && call.path == EVENTS_PATH
                && logged.at >= asked
        });
        let about: Vec<_> = about.collect();
        if about.len() != 1 {
            problems.add(format!("the stream has {} lines at {service} instead of 1", about.len()));
        }
        for (logged, call) in about {
            if call.error.is_none() {
                problems.add(format!("the stream ended at {service} as if it were complete"));
            }
            because |= call.denial_reason.as_deref() == Some(BY_QUARANTINE);
            last = last.max(Some(logged.at));
        }
    }
    if !because {
        problems.add("no line says that the quarantine cut the stream".to_owned());
    }
    since("the cut", Some(asked), last, problems)
}

/// The same from the command to the end of the stream at the intruder's application.
pub(super) fn cut_at_client(evidence: &Evidence<'_>, problems: &mut Problems) -> Option<u64> {
    let took = evidence.seen(|mark| match mark {
        Mark::CutSeen(took) => Some(millis(*took)),
        _ => None,
    });
    too_late("at its client", took, problems);
    took
}

fn too_late(whose: &str, took: Option<u64>, problems: &mut Problems) {
    match took {
        None => problems.add(format!("nothing tells when the stream was cut {whose}")),
        Some(took) if took >= PROMISE_MS => {
            problems.add(format!("the stream was cut after {took} ms {whose}"))
        }
        Some(_) => {}
    }
}

/// When the first end of the stream had it in force. Every sidecar says once that it has.
fn in_force(evidence: &Evidence<'_>, problems: &mut Problems) -> Option<i64> {
    let intruder = evidence.identity(INTRUDER)?;
    let added = |logged: &&Logged| match &logged.line.event {
        Event::Quarantine(told) => told.change == QuarantineChange::Added && told.identity == intruder,
        _ => false,
    };
    for service in ALL {
        let told = evidence.lines.iter().filter(|logged| *logged.service == *service).filter(added).count();
        if told != 1 {
            problems
                .add(format!("the sidecar of {service} said {told} times that the quarantine is in force"));
        }
    }
    let ends = evidence.lines.iter().filter(|logged| [PAYMENTS, INTRUDER].contains(&&*logged.service));
    ends.filter(added).map(|logged| logged.at).min()
}

/// Whether nothing of the intruder's got through until it was let in again, and after the control plane's return
/// something of it was refused for that reason.
pub(super) fn held_after_kill(evidence: &Evidence<'_>, problems: &mut Problems) -> bool {
    let (Some(released), Some(intruder)) = (evidence.when(&Mark::Released), evidence.identity(INTRUDER))
    else {
        problems.add("the control plane was not killed".to_owned());
        return false;
    };
    let lifted = evidence.when(&Mark::Lifted).unwrap_or(i64::MAX);
    let by_intruder = || {
        let all = evidence.calls().filter(move |(logged, _)| logged.at < lifted);
        all.filter(move |(_, call)| call.source.as_deref() == Some(intruder))
    };
    let refused = by_intruder()
        .any(|(logged, call)| logged.at >= released && call.denial_reason.as_deref() == Some(BY_QUARANTINE));
    let since = in_force(evidence, &mut Problems::default()).map(|at| at + ROUNDING_MS);
    let let_through = by_intruder().find(|(logged, call)| {
        let began = logged.at - duration_ms(call.duration_us);
        call.direction == Direction::Inbound
            && call.verdict == Verdict::Allow
            && since.is_some_and(|at| began > at)
    });
    if let Some((logged, call)) = let_through {
        let what = format!("{} {} at {}", call.method, call.path, logged.line.time);
        problems.add(format!("the quarantined intruder's {what} was allowed"));
    }
    if !refused {
        problems
            .add("after the control plane's return no call was refused because of the quarantine".to_owned());
    }
    refused && let_through.is_none()
}

fn duration_ms(micros: u64) -> i64 {
    i64::try_from(Duration::from_micros(micros).as_millis()).unwrap_or(i64::MAX)
}
