//! A whole made-up story and its logs: good as it is, and each thing that is wrong with it a problem of its own.

use std::sync::Arc;
use std::time::Duration;

use kith_sidecar::identity_log::{
    Call, Direction, Event, Line, Quarantine, QuarantineChange, SvidRenewed, Verdict, rfc3339,
};

use super::*;

/// What a log looks like between two changes.
struct Story {
    lines: Vec<Logged>,
    marks: Vec<(i64, Mark)>,
    attempts: Vec<Attempt>,
    lost: u64,
    unreadable: u64,
    steps: Vec<StepReport>,
}

fn identity(service: &str) -> String {
    format!("spiffe://demo.local/ns/demo/sa/{service}")
}

fn call(direction: Direction, from: &str, to: &str, path: &str) -> Call {
    Call {
        direction,
        source: Some(identity(from)),
        destination: Some(identity(to)),
        client_address: "127.0.0.1:1".to_owned(),
        method: "GET".to_owned(),
        path: path.to_owned(),
        protocol: "1.1".to_owned(),
        status: Some(200),
        verdict: Verdict::Allow,
        policy: None,
        rule: None,
        revision: None,
        denial_id: None,
        denial_reason: None,
        denial_detail: None,
        error: None,
        duration_us: 900,
        request_bytes: None,
        response_bytes: None,
        session: None,
    }
}

fn denied(call: Call, reason: &str, id: &str) -> Call {
    let (denial_reason, denial_id) = (Some(reason.to_owned()), Some(id.to_owned()));
    Call { verdict: Verdict::Deny, status: Some(403), denial_reason, denial_id, ..call }
}

impl Story {
    fn empty() -> Self {
        let titles = ["one", "two", "three", "four", "five", "six"];
        let steps = (1..).zip(titles).map(|(step, title)| StepReport { step, title, held: true, took_ms: 1 });
        Self {
            lines: Vec::new(),
            marks: Vec::new(),
            attempts: Vec::new(),
            lost: 0,
            unreadable: 0,
            steps: steps.collect(),
        }
    }

    /// A story in which everything is as it was promised.
    fn good() -> Self {
        let mut story = Self::empty();
        story.mark(1_000, Mark::Started);
        story.order(1_450, 1);
        story.intrusion(2_000, 2, false);
        story.flip(2_100, Edit::OpenPayments, 60);
        story.intrusion(2_150, 3, true);
        story.flip(2_300, Edit::ClosePayments, 70);
        story.intrusion(2_360, 4, false);
        CHAIN.iter().for_each(|service| story.renewed(5_000, service));
        story.order(5_100, 5);
        story.mark(6_000, Mark::Rotated(3));
        story.quarantine(7_000);
        story.order(7_100, 6);
        story.mark(9_000, Mark::Released);
        CHAIN.iter().for_each(|service| story.renewed(9_800, service));
        story.mark(9_810, Mark::Recovered(Duration::from_millis(810)));
        story.cut_off(9_900, 7);
        story.flip(10_000, Edit::CloseOrders, 40);
        story.refused_order(10_030, 8);
        story.flip(10_100, Edit::OpenOrders, 50);
        story.order(10_140, 9);
        story.mark(10_500, Mark::Lifted);
        story
    }

    fn mark(&mut self, at: i64, mark: Mark) {
        self.marks.push((at, mark));
    }

    fn flip(&mut self, at: i64, edit: Edit, took: u64) {
        self.mark(at, Mark::Edited(edit));
        self.mark(at, Mark::Flipped(edit, Duration::from_millis(took)));
    }

    fn log(&mut self, at: i64, service: &str, event: Event) {
        let time = rfc3339(std::time::UNIX_EPOCH + Duration::from_millis(at.unsigned_abs()));
        let line = Arc::new(Line { time, workload: identity(service), event });
        self.lines.push(Logged { service: service.into(), at, line });
    }

    fn call(&mut self, at: i64, service: &str, call: Call) {
        self.log(at, service, Event::Call(Box::new(call)));
    }

    fn renewed(&mut self, at: i64, service: &str) {
        let renewed = SvidRenewed { previous: Some("1".into()), serial: "2".into(), not_after: "x".into() };
        self.log(at, service, Event::SvidRenewed(renewed));
    }

    fn attempt(&mut self, from: &'static str, to: &'static str, path: &str, status: u16, must_pass: bool) {
        let outcome = Outcome::Answered(status);
        self.attempts.push(Attempt { from, to, path: path.to_owned(), must_pass, outcome });
    }

    fn hop(&mut self, at: i64, from: &str, to: &str, path: &str) {
        self.call(at, to, call(Direction::Inbound, from, to, path));
        self.call(at, from, call(Direction::Outbound, from, to, path));
    }

    fn order(&mut self, at: i64, number: u64) {
        self.hop(at, "orders", "payments", &format!("/charge/{number}"));
        self.hop(at, "web", "orders", &format!("/orders/{number}"));
        self.attempt("web", "orders", &format!("/orders/{number}"), 200, true);
    }

    fn refused_at(&mut self, at: i64, from: &'static str, to: &'static str, path: &str) {
        let id = format!("id of {path}");
        let inbound = denied(call(Direction::Inbound, from, to, path), "default_deny", &id);
        let outbound = denied(call(Direction::Outbound, from, to, path), "refused_by_peer", &id);
        self.call(at, to, inbound);
        self.call(at, from, outbound);
        self.attempt(from, to, path, 403, false);
    }

    fn refused_order(&mut self, at: i64, number: u64) {
        self.refused_at(at, "web", "orders", &format!("/orders/{number}"));
    }

    fn intrusion(&mut self, at: i64, number: u64, allowed: bool) {
        let path = format!("/charge/{number}");
        if allowed {
            self.hop(at, "intruder", "payments", &path);
            self.attempt("intruder", "payments", &path, 200, false);
        } else {
            self.refused_at(at, "intruder", "payments", &path);
        }
    }

    /// What the caller's own sidecar refuses never arrives.
    fn cut_off(&mut self, at: i64, number: u64) {
        let path = format!("/charge/{number}");
        let own = call(Direction::Outbound, "intruder", "payments", &path);
        self.call(at, "intruder", denied(own, "quarantined", "own"));
        self.attempt("intruder", "payments", &path, 403, false);
    }

    fn quarantine(&mut self, at: i64) {
        self.mark(at, Mark::Quarantined);
        for service in ["web", "orders", "payments", "intruder"] {
            let (change, revision) = (QuarantineChange::Added, "1.9".to_owned());
            let told = Quarantine { identity: identity("intruder"), change, revision };
            self.log(at + 10, service, Event::Quarantine(told));
        }
        let inbound = denied(call(Direction::Inbound, "intruder", "payments", "/events"), "quarantined", "cut");
        self.call(at + 12, "payments", Call { error: Some("cut".into()), ..inbound });
        let outbound = call(Direction::Outbound, "intruder", "payments", "/events");
        self.call(at + 13, "intruder", Call { error: Some("body_aborted".into()), ..outbound });
        self.mark(at + 20, Mark::CutSeen(Duration::from_millis(20)));
    }

    fn report(&self) -> Report {
        let Self { lines, marks, attempts, lost, unreadable, steps } = self;
        check(&Evidence { lines, marks, attempts, lost: *lost, unreadable: *unreadable }, steps.clone())
    }

    /// The line of a call.
    fn at(&self, service: &str, path: &str) -> usize {
        let about = |logged: &Logged| {
            *logged.service == *service && logged.call().is_some_and(|call| call.path == path)
        };
        self.lines.iter().position(about).unwrap()
    }

    fn change(&mut self, service: &str, path: &str, change: impl FnOnce(&mut Call)) {
        let at = self.at(service, path);
        let mut line = (*self.lines[at].line).clone();
        let Event::Call(call) = &mut line.event else { panic!("no call") };
        change(call);
        self.lines[at].line = Arc::new(line);
    }

    fn move_line(&mut self, service: &str, path: &str, to: i64) {
        let at = self.at(service, path);
        self.lines[at].at = to;
    }

    fn forget(&mut self, forgotten: impl Fn(&Mark) -> bool) {
        self.marks.retain(|(_, mark)| !forgotten(mark));
    }
}

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
            calls: CallFigures { attempted: 9, received: 5, refused: 4, failed: 0 },
            cut_ms: Some(3),
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
            |story| story.attempts[0].outcome = Outcome::Failed("it took 1200 ms".to_owned()),
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
        ("lost events", |story| story.lost = 2, "2 events were lost before they were read: the logs are not whole"),
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
            "the stream was cut after 1000 ms by the logs",
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
                let quarantine =
                    |logged: &Logged| matches!(logged.line.event, Event::Quarantine(_)) && *logged.service == *"web";
                story.lines.retain(|logged| !quarantine(logged));
            },
            "the sidecar of web said 0 times that the quarantine is in force",
        ),
        (
            "a call that got through",
            |story| story.call(9_950, "payments", call(Direction::Inbound, "intruder", "payments", "/charge/0")),
            "the quarantined intruder's GET /charge/0 at 1970-01-01T00:00:09.950Z was allowed",
        ),
        (
            "nobody asked afterwards",
            |story| story.change("intruder", "/charge/7", |call| call.denial_reason = Some("svid_expired".into())),
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
    let begun_before = Call { duration_us: 30_000, ..call(Direction::Inbound, "intruder", "payments", "/charge/0") };
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
