//! The demo's screen: what the supervisor tells, as rows or objects, and the tally of the calls among it.

use kith_runtime::Clock;
use kith_sidecar::identity_log::rfc3339;

use crate::args::Output;
use crate::commands::rows;
use crate::local::{ChildId, Event, Supervisor};
use crate::render;
use crate::render::event::{Kind, Shown, Tally};

/// The live table, or one object a line.
pub(super) struct View {
    output: Output,
    clock: Clock,
    tally: Tally,
}

impl View {
    pub(super) fn new(output: Output) -> Self {
        Self { output, clock: Clock::system(), tally: Tally::default() }
    }

    /// What became of the calls so far.
    pub(super) fn summary(&self) -> String {
        self.tally.summary()
    }

    /// Shows what happens until the mesh is gone.
    pub(super) async fn follow(&mut self, mesh: &Supervisor) -> anyhow::Result<()> {
        rows::begin(self.output)?;
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
                rows::show(self.output, &shown)
            }
            Event::ChildExited { child, pid, status } => {
                self.process(child, format!("ended: {status} (process {pid})"))
            }
            Event::Restarted { child, pid } => self.process(child, format!("started again as process {pid}")),
            Event::Policies(state) => rows::show(self.output, &Shown::of_policies(&self.now(), state)),
            Event::ChildStarted { .. } => Ok(()),
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

    fn process(&self, child: &ChildId, detail: String) -> anyhow::Result<()> {
        let src = Some(child.to_string());
        let shown = Shown { src, detail: Some(detail), ..Shown::empty(&self.now(), Kind::Process) };
        rows::show(self.output, &shown)
    }

    fn now(&self) -> String {
        rfc3339(self.clock.now())
    }
}
