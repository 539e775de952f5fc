//! How the story is told: step by step to people or programs, or as one report when it is checked.

use serde::Serialize;

use super::PROMISES;
use crate::args::Output;
use crate::local::check::{Report, StepReport};
use crate::render::escape::lines;
use crate::render::table::Tone;
use crate::render::{self, check, json};

/// Who is told, and in which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telling {
    /// Each step when it is done.
    Steps(Output),
    /// One report at the end; meanwhile its progress goes beside it.
    Check(Output),
}

/// What a step found.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Finding {
    pub(super) step: u8,
    pub(super) title: &'static str,
    pub(super) held: bool,
    pub(super) took_ms: u64,
    /// What was measured, one sentence a line.
    pub(super) measured: Vec<String>,
}

impl Telling {
    /// Before a step.
    pub(super) fn begin(self, step: u8, title: &str) -> anyhow::Result<()> {
        match self {
            Self::Steps(Output::Table) => render::print(&Tone::Heading.paint(&format!("{step}. {title}"))),
            Self::Steps(Output::Json) | Self::Check(_) => Ok(()),
        }
    }

    /// After a step.
    pub(super) fn found(self, finding: &Finding) -> anyhow::Result<()> {
        match self {
            Self::Steps(Output::Table) => render::print(&finding.text()),
            Self::Steps(Output::Json) => render::print_json(finding),
            Self::Check(_) => {
                render::report(&finding.progress());
                Ok(())
            }
        }
    }

    /// After the last.
    pub(super) fn end(self, told: &[StepReport]) -> anyhow::Result<()> {
        let held = told.iter().filter(|step| step.held).count();
        render::report(&format!("{held} of {PROMISES} promises held"));
        Ok(())
    }

    /// The report of a check.
    pub(super) fn report(self, report: &Report) -> anyhow::Result<()> {
        match self {
            Self::Steps(_) => Ok(()),
            Self::Check(Output::Table) => render::print(&check::table(report)),
            Self::Check(Output::Json) => render::print(&json::pretty(report)?),
        }
    }
}

impl Finding {
    fn text(&self) -> String {
        let (word, tone) = self.word();
        format!("{}   {} in {} ms\n", self.measured(), tone.paint(word), self.took_ms)
    }

    /// One line; what did not hold is told in full.
    fn progress(&self) -> String {
        let (word, tone) = self.word();
        let Self { step, title, took_ms, .. } = self;
        let line = format!("{step}/{PROMISES} {title}: {} in {took_ms} ms", tone.paint(word));
        if self.held { line } else { format!("{line}\n{}", self.measured().trim_end()) }
    }

    fn word(&self) -> (&'static str, Tone) {
        if self.held { ("✔ held", Tone::Good) } else { ("✗ DID NOT HOLD", Tone::Bad) }
    }

    fn measured(&self) -> String {
        let measured = self.measured.iter().flat_map(|text| text.lines()).map(|line| format!("   {line}\n"));
        lines(&measured.collect::<String>())
    }
}
