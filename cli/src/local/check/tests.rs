//! A whole made-up story and its logs: good as it is, and each thing that is wrong with it a problem of its own.

mod story;

use std::time::Duration;

use kith_sidecar::identity_log::{Call, Direction, Event, Verdict};

use self::story::{Story, call};
use super::*;

#[test]
fn every_figure_is_recomputed_from_the_lines() {
    let report = Story::good().report();
    assert_eq!(report.problems, Vec::<String>::new());
    assert_eq!(
        report.figures,
        Figures {
            start_to_first_call_ms: Some(450),
            policy_flip_ms: FlipFigures { open: Some(50), close: Some(60) },
            rotations: 6,
            calls: CallFigures { attempted: 9, received: 5, refused: 4, failed: 0, slowest_ms: 9 },
            cut_ms: Some(13),
            cut_client_ms: Some(20),
            recovery_ms: Some(800),
            quarantine_held_after_kill: true,
            flip_after_kill_ms: FlipFigures { open: Some(40), close: Some(30) },
        }
    );
}

/// One thing that is wrong, and the one sentence that says so.
type Wrong = (&'static str, fn(&mut Story), &'static str);

#[test]
fn whatever_is_wrong_with_a_call_or_its_lines_is_a_problem() {
    let wrong: &[Wrong] = &[
        (
            "a lost outbound line",
            |story| drop(story.lines.remove(story.at("web", "/orders/5"))),
            "web → orders /orders/5: 0 outbound lines at web instead of 1",
        ),
        (
            "a lost inbound line",
            |story| drop(story.lines.remove(story.at("orders", "/orders/5"))),
            "web → orders /orders/5: 0 inbound lines at orders instead of 1",
        ),
        (
            "a lost line of the second hop",
            |story| drop(story.lines.remove(story.at("payments", "/charge/5"))),
            "orders → payments /charge/5: 0 inbound lines at payments instead of 1",
        ),
        (
            "a line that is there twice",
            |story| story.lines.push(story.lines[story.at("orders", "/orders/5")].clone()),
            "web → orders /orders/5: 2 inbound lines at orders instead of 1",
        ),
        (
            "a call that got through although its own sidecar refused it",
            |story| story.call(9_901, "payments", call(Direction::Inbound, "web", "payments", "/charge/7")),
            "intruder → payments /charge/7: 1 inbound lines at payments instead of 0",
        ),
        (
            "an answer that the log does not bear out",
            |story| story.change("orders", "/orders/5", |call| call.error = Some("cut".into())),
            "web → orders /orders/5: answered 200, and logged as cut",
        ),
        (
            "a refusal that was let through",
            |story| story.change("intruder", "/charge/2", |call| call.verdict = Verdict::Allow),
            "intruder → payments /charge/2: answered 403, and logged as allowed at intruder",
        ),
        (
            "two refusals in one",
            |story| story.change("payments", "/charge/2", |call| call.denial_id = Some("other".into())),
            "intruder → payments /charge/2: its two lines do not have one denial id",
        ),
        (
            "a call that failed",
            |story| story.attempts[0].outcome = Outcome::Failed("no answer".to_owned()),
            "web → orders /orders/1 failed: no answer",
        ),
        (
            "a call that took long",
            |story| story.attempts[0].took = Some(Duration::from_millis(1_200)),
            "web → orders /orders/1 failed: it took 1200 ms",
        ),
        (
            "a call that was never answered",
            |story| story.attempts[0].outcome = Outcome::Open,
            "web → orders /orders/1 failed: it was never answered",
        ),
        (
            "a call of the load that was refused",
            |story| story.attempts[0].outcome = Outcome::Answered(403),
            "web → orders /orders/1 failed: it was answered 403",
        ),
    ];
    each(wrong);
}

#[test]
fn whatever_is_wrong_with_times_or_steps_is_a_problem() {
    let wrong: &[Wrong] = &[
        ("a step", |story| story.steps[3].held = false, "step 4 (four) did not hold"),
        (
            "lost events",
            |story| story.lost = 2,
            "2 events were lost before they were read: the logs are not whole",
        ),
        ("garbage", |story| story.unreadable = 1, "1 lines of sidecars are no lines of an identity log"),
        (
            "a late edit",
            |story| {
                story.move_line("payments", "/charge/3", 3_100);
                story.forget(|mark| matches!(mark, Mark::Flipped(Edit::OpenPayments, _)));
                story.mark(3_100, Mark::Flipped(Edit::OpenPayments, Duration::from_secs(1)));
            },
            "the edit that lets in intruder at payments took 1000 ms",
        ),
        (
            "an edit that was never judged by",
            |story| story.move_line("orders", "/orders/8", 9_999),
            "the edit that refuses web at orders: no call was judged by it",
        ),
        (
            "two clocks",
            |story| {
                story.forget(|mark| matches!(mark, Mark::Recovered(_)));
                story.mark(11_000, Mark::Recovered(Duration::from_millis(1_301)));
            },
            "the control plane's recovery took 800 ms by the logs, and 1301 ms by the story",
        ),
        (
            "an end before its begin",
            |story| {
                story.forget(|mark| *mark == Mark::Started);
                story.mark(1_500, Mark::Started);
            },
            "the first call ended 50 ms before it began",
        ),
        (
            "more rotations than there were",
            |story| {
                story.forget(|mark| matches!(mark, Mark::Rotated(_)));
                story.mark(6_000, Mark::Rotated(7));
            },
            "7 svids were seen replaced, and 6 are logged",
        ),
        (
            "no recovery",
            |story| story.lines.retain(|logged| logged.at != 9_800 || *logged.service != *"orders"),
            "not every service had a new svid after the control plane came back",
        ),
    ];
    each(wrong);
}

#[test]
fn whatever_is_wrong_with_the_quarantine_is_a_problem() {
    let wrong: &[Wrong] = &[
        (
            "a late cut",
            |story| story.move_line("payments", "/events", 8_010),
            "the stream was cut after 1010 ms by the logs",
        ),
        (
            "a quarantine that took long to come into force",
            |story| story.shift(7_010..=7_013, 3_000),
            "the stream was cut after 3013 ms by the logs",
        ),
        (
            "a late cut for the client",
            |story| {
                story.forget(|mark| matches!(mark, Mark::CutSeen(_)));
                story.mark(8_100, Mark::CutSeen(Duration::from_secs(1)));
            },
            "the stream was cut after 1000 ms at its client",
        ),
        (
            "a stream that looks complete",
            |story| story.change("intruder", "/events", |call| call.error = None),
            "the stream ended at intruder as if it were complete",
        ),
        (
            "a stream that broke by itself",
            |story| story.change("payments", "/events", |call| call.denial_reason = None),
            "no line says that the quarantine cut the stream",
        ),
        (
            "a sidecar that was not told",
            |story| {
                let quarantine = |logged: &Logged| {
                    matches!(logged.line.event, Event::Quarantine(_)) && *logged.service == *"web"
                };
                story.lines.retain(|logged| !quarantine(logged));
            },
            "the sidecar of web said 0 times that the quarantine is in force",
        ),
        (
            "a call that got through",
            |story| {
                story.call(9_950, "payments", call(Direction::Inbound, "intruder", "payments", "/charge/0"))
            },
            "the quarantined intruder's GET /charge/0 at 1970-01-01T00:00:09.950Z was allowed",
        ),
        (
            "nobody asked afterwards",
            |story| {
                story.change("intruder", "/charge/7", |call| call.denial_reason = Some("svid_expired".into()))
            },
            "after the control plane's return no call was refused because of the quarantine",
        ),
    ];
    each(wrong);
}

fn each(wrong: &[Wrong]) {
    for (name, spoil, sentence) in wrong {
        let mut story = Story::good();
        spoil(&mut story);
        let report = story.report();
        assert_eq!(report.problems, [*sentence], "{name}");
        assert!(!report.is_good());
    }
}

#[test]
fn a_call_that_ended_as_the_quarantine_began_did_not_get_through_it() {
    let mut story = Story::good();
    let begun_before =
        Call { duration_us: 30_000, ..call(Direction::Inbound, "intruder", "payments", "/charge/0") };
    story.call(7_020, "payments", begun_before);
    assert!(story.report().is_good());
}

#[test]
fn a_story_that_never_began_has_a_problem_for_every_figure() {
    let report = Story::empty().report();
    assert_eq!(report.figures.start_to_first_call_ms, None);
    assert!(!report.figures.quarantine_held_after_kill);
    assert!(report.problems.len() >= 9, "{:?}", report.problems);
}

#[test]
fn the_logs_are_whole_once_every_call_has_its_lines() {
    let story = Story::good();
    let Story { lines, marks, attempts, .. } = &story;
    let whole = |lines: &[Logged]| is_whole(&Evidence { lines, marks, attempts, lost: 0, unreadable: 0 });
    assert!(whole(lines));
    assert!(!whole(&lines[..lines.len() - 1]));
}

#[test]
fn a_thousand_problems_of_one_kind_are_not_a_thousand_sentences() {
    let mut story = Story::good();
    for number in 100..200 {
        story.attempt("web", "orders", &format!("/orders/{number}"), 403, false);
    }
    let problems = story.report().problems;
    assert_eq!(problems.len(), 11, "{problems:?}");
    assert_eq!(problems[10], "90 more problems with calls");
}
