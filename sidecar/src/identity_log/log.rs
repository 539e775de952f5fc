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
                if let (Verdict::Deny, Some(id)) = (call.verdict, &call.denial_id) {
                    reports.denial(id, call.source.as_deref().unwrap_or_default(), json);
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
