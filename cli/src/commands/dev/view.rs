//! The screen of a mesh that runs: what the supervisor tells, as rows or objects, and the tally of the calls among it.
//! Rows are data and go to standard output; what applications write goes beside them, as objects among objects.

use std::time::Duration;

use kith_runtime::Clock;
use kith_sidecar::identity_log::rfc3339;

use super::prefix::Prefixes;
use crate::args::Output;
use crate::commands::rows;
use crate::local::{ChildId, Event, Supervisor};
use crate::render;
use crate::render::event::{Kind, Shown, Tally};
use crate::render::name::Naming;

/// The live table, or one object a line.
pub(in crate::commands) struct View {
    output: Output,
    clock: Clock,
    tally: Tally,
    prefixes: Prefixes,
}

impl View {
    pub(in crate::commands) fn new(output: Output) -> Self {
        Self { output, clock: Clock::system(), tally: Tally::default(), prefixes: Prefixes::default() }
    }

    /// What became of the calls so far.
    pub(super) fn summary(&self) -> String {
        self.tally.summary()
    }

    /// Shows what happens until the mesh is gone.
    pub(super) async fn follow(&mut self, mesh: &Supervisor) -> anyhow::Result<()> {
        self.prefixes = Prefixes::of(mesh.services());
        rows::begin(self.output, Naming::Local)?;
        let mut events = mesh.events();
        while let Some(event) = events.next().await {
            self.show(&event)?;
        }
        Ok(())
    }

    fn show(&mut self, event: &Event) -> anyhow::Result<()> {
        match event {
            Event::Line { line, .. } => {
                let Some(shown) = Shown::of_line(line) else { return Ok(()) };
                self.tally.count(&shown);
                rows::show(self.output, Naming::Local, &shown)
            }
            Event::ChildExited { child, pid, status, pause } => {
                self.process(child, format!("ended: {status} (process {pid}){}", again(*pause)))
            }
            Event::Restarted { child, pid } => self.process(child, format!("started again as process {pid}")),
            Event::Policies(state) => {
                rows::show(self.output, Naming::Local, &Shown::of_policies(&self.now(), state))
            }
            Event::ChildStarted { .. } => Ok(()),
            Event::Raw { child: ChildId::App(service), text, .. } => self.log(service, text),
            Event::Raw { child, text, .. } => {
                render::report(&render::escape::escape(&format!("{child}: {text}")));
                Ok(())
            }
            Event::Warning { child, text } => {
                render::report(&render::escape::escape(&format!("kith: {child}: {text}")));
                Ok(())
            }
            Event::Lost { count } => {
                render::report(&format!("kith: this screen is too slow; {count} events are not shown"));
                Ok(())
            }
        }
    }

    /// A line that an application wrote. Among objects it is one, so that one reader has everything in its order.
    fn log(&self, service: &str, text: &str) -> anyhow::Result<()> {
        match self.output {
            Output::Table => {
                render::report(&self.prefixes.line(service, text));
                Ok(())
            }
            Output::Json => rows::show(
                self.output,
                Naming::Local,
                &self.about(Kind::Log, service.to_owned(), text.to_owned()),
            ),
        }
    }

    fn process(&self, child: &ChildId, detail: String) -> anyhow::Result<()> {
        rows::show(self.output, Naming::Local, &self.about(Kind::Process, child.to_string(), detail))
    }

    fn about(&self, kind: Kind, what: String, detail: String) -> Shown {
        Shown { src: Some(what), detail: Some(detail), ..Shown::empty(&self.now(), kind) }
    }

    fn now(&self) -> String {
        rfc3339(self.clock.now())
    }
}

/// When something that ended comes back.
fn again(pause: Option<Duration>) -> String {
    match pause {
        None => String::new(),
        Some(Duration::ZERO) => "; starting it again".to_owned(),
        Some(pause) => format!("; starting it again in {:.1} s", pause.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_when_a_process_comes_back() {
        assert_eq!(again(Some(Duration::from_millis(1600))), "; starting it again in 1.6 s");
        assert_eq!(again(Some(Duration::ZERO)), "; starting it again");
        assert_eq!(again(None), "", "the mesh is being stopped");
    }
}
