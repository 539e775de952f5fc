//! The identity log of one sidecar: stamps lines with time and workload and hands them to the writer, to the metrics,
//! and to the reports for the control plane.

use std::sync::Arc;
use std::time::SystemTime;

use kith_runtime::Clock;

use crate::identity_log::{Direction, Event, Line, Verdict, Writer, rfc3339};
use crate::metrics::Metrics;
use crate::report::Reports;

/// Where lines go. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Log(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    workload: String,
    clock: Clock,
    writer: Writer,
    reports: Arc<Reports>,
    metrics: Arc<Metrics>,
}

impl Log {
    pub(crate) fn new(
        workload: String,
        clock: Clock,
        writer: Writer,
        reports: Arc<Reports>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self(Arc::new(Inner { workload, clock, writer, reports, metrics }))
    }

    /// A call began; its line ends it.
    pub(super) fn call_opened(&self, direction: Direction) {
        self.0.metrics.call_opened(direction);
    }

    /// Writes an event. Refusals, and what explains them, find room also when there is none for others.
    pub(crate) fn write(&self, event: Event) {
        let evidence = is_evidence(&event);
        match self.line(event) {
            Some(line) if evidence => self.0.writer.keep(line),
            Some(line) => self.0.writer.offer(line),
            None => {}
        }
    }

    /// The time that lines are stamped with.
    pub(crate) fn now(&self) -> SystemTime {
        self.0.clock.now()
    }

    fn line(&self, event: Event) -> Option<String> {
        // Counted also when it cannot be written: figures are about what happened.
        self.0.metrics.count(&event);
        let time = rfc3339(self.now());
        let line = Line { time, workload: self.0.workload.clone(), event };
        match line.to_json() {
            Ok(json) => {
                self.report(&line.event, &json);
                Some(json)
            }
            Err(error) => {
                tracing::error!(%error, "Identity-log line could not be written");
                None
            }
        }
    }

    fn report(&self, event: &Event, json: &str) {
        let reports = &self.0.reports;
        reports.tap(json);
        match event {
            Event::Call(call) => {
                let source = call.source.as_deref().unwrap_or_default();
                if let (Verdict::Deny, Some(id)) = (call.verdict, &call.denial_id) {
                    reports.denial(id, source, json);
                }
                if let Some(would_deny) = &call.would_deny {
                    reports.denial(&would_deny.id, source, json);
                }
                reports.count(call);
            }
            Event::SessionRefused(refused) => reports.denial(&refused.denial_id, "", json),
            Event::SessionOpened(_)
            | Event::SessionEnded(_)
            | Event::SvidRenewed(_)
            | Event::Quarantine(_) => {}
        }
    }
}

fn is_evidence(event: &Event) -> bool {
    match event {
        Event::Call(call) => call.verdict == Verdict::Deny,
        // Few, and what an incident is pieced together from.
        Event::SessionRefused(_) | Event::SessionEnded(_) | Event::Quarantine(_) => true,
        Event::SessionOpened(_) | Event::SvidRenewed(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use kith_proto::v1::{self, sync_up};

    use super::*;
    use crate::identity_log::{Head, OpenCall};
    use crate::refusal::Refusal;

    const SOURCE: &str = "spiffe://demo.local/ns/demo/sa/web";

    fn begin(log: &Log) -> OpenCall {
        let head = Head {
            direction: Direction::Inbound,
            source: Some(SOURCE.to_owned()),
            destination: None,
            client_address: "10.0.0.7:5".to_owned(),
            method: "GET".to_owned(),
            path: "/".to_owned(),
            protocol: "1.1",
            grpc: false,
        };
        OpenCall::begin(log, head)
    }

    fn told(reports: &Reports) -> (Vec<v1::Denial>, Vec<v1::Edge>) {
        let (mut denials, mut edges) = (Vec::new(), Vec::new());
        for message in reports.take() {
            match message.kind {
                Some(sync_up::Kind::Denials(told)) => denials.extend(told.denials),
                Some(sync_up::Kind::Edges(told)) => edges.extend(told.edges),
                other => panic!("{other:?}"),
            }
        }
        (denials, edges)
    }

    fn call(denial: &v1::Denial) -> crate::identity_log::Call {
        match Line::from_json(&denial.line).unwrap().event {
            Event::Call(call) => *call,
            other => panic!("{other:?}"),
        }
    }

    fn log(reports: &Arc<Reports>) -> Log {
        let (writer, _thread) = Writer::start(std::io::sink(), 16).unwrap();
        let (clock, _hand) = Clock::manual(SystemTime::UNIX_EPOCH);
        Log::new("w".to_owned(), clock, writer, Arc::clone(reports), Arc::new(Metrics::new()))
    }

    #[test]
    fn a_call_that_would_have_been_refused_is_reported_under_its_id_and_counted_apart_however_it_ended() {
        let reports = Arc::new(Reports::default());
        let log = log(&reports);
        let mut open = begin(&log);
        open.would_deny(&Refusal::new(http::StatusCode::FORBIDDEN, "default_deny", "no rule"));
        open.finish(Some("application_unreachable"));
        let (denials, edges) = told(&reports);
        let [denial] = denials.as_slice() else { panic!("{denials:?}") };
        let call = call(denial);
        let would_deny = call.would_deny.unwrap();
        assert_eq!((denial.id.as_str(), denial.source.as_str()), (would_deny.id.as_str(), SOURCE));
        assert_eq!((would_deny.reason.as_str(), would_deny.detail.as_str()), ("default_deny", "no rule"));
        assert_eq!((call.verdict, call.denial_id), (Verdict::Allow, None));
        let [edge] = edges.as_slice() else { panic!("{edges:?}") };
        assert_eq!((edge.would_deny, edge.allowed, edge.denied, edge.failed), (1, 0, 0, 0));
    }

    #[test]
    fn one_that_was_refused_after_all_has_that_id_and_no_other() {
        let reports = Arc::new(Reports::default());
        let log = log(&reports);
        let mut open = begin(&log);
        let refusal = Refusal::new(http::StatusCode::FORBIDDEN, "default_deny", "no rule");
        open.would_deny(&refusal);
        let id = open.refuse(&refusal).to_string();
        let (denials, _) = told(&reports);
        let [denial] = denials.as_slice() else { panic!("{denials:?}") };
        assert_eq!((&denial.id, call(denial).would_deny), (&id, None));
    }
}
