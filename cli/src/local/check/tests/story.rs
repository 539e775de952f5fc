//! The made-up story: times and lines by hand, and the ways to change one of them.

use std::sync::Arc;
use std::time::Duration;

use kith_sidecar::identity_log::{
    Call, Direction, Event, Line, Quarantine, QuarantineChange, SvidRenewed, Verdict, rfc3339,
};

use crate::local::check::*;

/// Both sides of a story that can be spoilt.
pub(super) struct Story {
    pub(super) lines: Vec<Logged>,
    pub(super) marks: Vec<(i64, Mark)>,
    pub(super) attempts: Vec<Attempt>,
    pub(super) lost: u64,
    pub(super) unreadable: u64,
    pub(super) steps: Vec<StepReport>,
}

fn identity(service: &str) -> String {
    format!("spiffe://demo.local/ns/demo/sa/{service}")
}

pub(super) fn call(direction: Direction, from: &str, to: &str, path: &str) -> Call {
    Call {
        direction,
        source: Some(identity(from)),
        destination: Some(identity(to)),
        client_address: "127.0.0.1:1".to_owned(),
        server_address: None,
        method: "GET".to_owned(),
        path: path.to_owned(),
        protocol: "1.1".to_owned(),
        rpc_system: None,
        status: Some(200),
        verdict: Verdict::Allow,
        policy: None,
        rule: None,
        revision: None,
        denial_id: None,
        denial_reason: None,
        denial_detail: None,
        posture: None,
        would_deny: None,
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
    pub(super) fn empty() -> Self {
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
    pub(super) fn good() -> Self {
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

    pub(super) fn mark(&mut self, at: i64, mark: Mark) {
        self.marks.push((at, mark));
    }

    pub(super) fn flip(&mut self, at: i64, edit: Edit, took: u64) {
        self.mark(at, Mark::Edited(edit));
        self.mark(at, Mark::Flipped(edit, Duration::from_millis(took)));
    }

    pub(super) fn log(&mut self, at: i64, service: &str, event: Event) {
        let time = rfc3339(std::time::UNIX_EPOCH + Duration::from_millis(at.unsigned_abs()));
        let line = Arc::new(Line { time, workload: identity(service), event });
        self.lines.push(Logged { service: service.into(), at, line });
    }

    pub(super) fn call(&mut self, at: i64, service: &str, call: Call) {
        self.log(at, service, Event::Call(Box::new(call)));
    }

    pub(super) fn renewed(&mut self, at: i64, service: &str) {
        let renewed = SvidRenewed { previous: Some("1".into()), serial: "2".into(), not_after: "x".into() };
        self.log(at, service, Event::SvidRenewed(renewed));
    }

    pub(super) fn attempt(
        &mut self,
        from: &'static str,
        to: &'static str,
        path: &str,
        status: u16,
        must_pass: bool,
    ) {
        let outcome = Outcome::Answered(status);
        // As many milliseconds as there are calls by then.
        let took = Some(Duration::from_millis(self.attempts.len() as u64 + 1));
        self.attempts.push(Attempt { from, to, path: path.to_owned(), must_pass, outcome, took });
    }

    pub(super) fn hop(&mut self, at: i64, from: &str, to: &str, path: &str) {
        self.call(at, to, call(Direction::Inbound, from, to, path));
        self.call(at, from, call(Direction::Outbound, from, to, path));
    }

    pub(super) fn order(&mut self, at: i64, number: u64) {
        self.hop(at, "orders", "payments", &format!("/charge/{number}"));
        self.hop(at, "web", "orders", &format!("/orders/{number}"));
        self.attempt("web", "orders", &format!("/orders/{number}"), 200, true);
    }

    pub(super) fn refused_at(&mut self, at: i64, from: &'static str, to: &'static str, path: &str) {
        let id = format!("id of {path}");
        let inbound = denied(call(Direction::Inbound, from, to, path), "default_deny", &id);
        let outbound = denied(call(Direction::Outbound, from, to, path), "refused_by_peer", &id);
        self.call(at, to, inbound);
        self.call(at, from, outbound);
        self.attempt(from, to, path, 403, false);
    }

    pub(super) fn refused_order(&mut self, at: i64, number: u64) {
        self.refused_at(at, "web", "orders", &format!("/orders/{number}"));
    }

    pub(super) fn intrusion(&mut self, at: i64, number: u64, allowed: bool) {
        let path = format!("/charge/{number}");
        if allowed {
            self.hop(at, "intruder", "payments", &path);
            self.attempt("intruder", "payments", &path, 200, false);
        } else {
            self.refused_at(at, "intruder", "payments", &path);
        }
    }

    /// What the caller's own sidecar refuses never arrives.
    pub(super) fn cut_off(&mut self, at: i64, number: u64) {
        let path = format!("/charge/{number}");
        let own = call(Direction::Outbound, "intruder", "payments", &path);
        self.call(at, "intruder", denied(own, "quarantined", "own"));
        self.attempt("intruder", "payments", &path, 403, false);
    }

    pub(super) fn quarantine(&mut self, at: i64) {
        self.mark(at, Mark::Quarantined);
        for service in ["web", "orders", "payments", "intruder"] {
            let (change, revision) = (QuarantineChange::Added, "1.9".to_owned());
            let told = Quarantine { identity: identity("intruder"), change, revision };
            self.log(at + 10, service, Event::Quarantine(told));
        }
        let inbound =
            denied(call(Direction::Inbound, "intruder", "payments", "/events"), "quarantined", "cut");
        self.call(at + 12, "payments", Call { error: Some("cut".into()), ..inbound });
        let outbound = call(Direction::Outbound, "intruder", "payments", "/events");
        self.call(at + 13, "intruder", Call { error: Some("body_aborted".into()), ..outbound });
        self.mark(at + 20, Mark::CutSeen(Duration::from_millis(20)));
    }

    pub(super) fn report(&self) -> Report {
        let Self { lines, marks, attempts, lost, unreadable, steps } = self;
        check(&Evidence { lines, marks, attempts, lost: *lost, unreadable: *unreadable }, steps.clone())
    }

    /// The line of a call.
    pub(super) fn at(&self, service: &str, path: &str) -> usize {
        let about = |logged: &Logged| {
            *logged.service == *service && logged.call().is_some_and(|call| call.path == path)
        };
        self.lines.iter().position(about).unwrap()
    }

    pub(super) fn change(&mut self, service: &str, path: &str, change: impl FnOnce(&mut Call)) {
        let at = self.at(service, path);
        let mut line = (*self.lines[at].line).clone();
        let Event::Call(call) = &mut line.event else { panic!("no call") };
        change(call);
        self.lines[at].line = Arc::new(line);
    }

    pub(super) fn move_line(&mut self, service: &str, path: &str, to: i64) {
        let at = self.at(service, path);
        self.lines[at].at = to;
    }

    /// All lines of this time come so much later.
    pub(super) fn shift(&mut self, times: std::ops::RangeInclusive<i64>, later: i64) {
        self.lines
            .iter_mut()
            .filter(|logged| times.contains(&logged.at))
            .for_each(|logged| logged.at += later);
    }

    pub(super) fn forget(&mut self, forgotten: impl Fn(&Mark) -> bool) {
        self.marks.retain(|(_, mark)| !forgotten(mark));
    }
}
