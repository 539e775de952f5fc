//! The report of `kith demo --check`.

use super::escape::lines;
use super::table::{Cell, Tone, facts, whole};
use crate::local::check::{Figures, FlipFigures, Report, StepReport};

const HEADINGS: [&str; 4] = ["STEP", "TITLE", "HELD", "TOOK"];

/// For people.
pub fn table(report: &Report) -> String {
    let rows: Vec<_> = report.steps.iter().map(row).collect();
    let mut text = format!("{}\n\n{}", whole(&HEADINGS, &rows, None), facts(figures(&report.figures)));
    text.push('\n');
    if report.is_good() {
        text.push_str(&Tone::Good.paint("no problems"));
        return text;
    }
    text.push_str(&Tone::Bad.paint("problems"));
    for problem in &report.problems {
        text.push_str(&format!("\n  - {}", lines(problem)));
    }
    text
}

fn row(step: &StepReport) -> Vec<Cell> {
    let (held, tone) = if step.held { ("yes", Tone::Good) } else { ("NO", Tone::Bad) };
    vec![
        Cell::from(step.step.to_string()),
        Cell::from(step.title),
        Cell::new(held, tone),
        Cell::from(format!("{} ms", step.took_ms)),
    ]
}

fn figures(figures: &Figures) -> [(&'static str, String); 9] {
    let Figures { calls, .. } = figures;
    [
        ("started", format!("first call {} after the start", took(figures.start_to_first_call_ms))),
        ("edit", flip(figures.policy_flip_ms)),
        ("rotations", figures.rotations.to_string()),
        (
            "calls",
            format!(
                "{} attempted, {} received, {} refused, {} failed",
                calls.attempted, calls.received, calls.refused, calls.failed
            ),
        ),
        ("cut", format!("{} by the logs", took(figures.cut_ms))),
        ("", format!("{} from the command to the end of the stream at its client", took(figures.cut_client_ms))),
        ("recovered", format!("svids are issued again after {}", took(figures.recovery_ms))),
        ("killed", if figures.quarantine_held_after_kill { "the quarantine held" } else { "THE QUARANTINE DID NOT HOLD" }.to_owned()),
        ("edit", flip(figures.flip_after_kill_ms)),
    ]
}

fn flip(figures: FlipFigures) -> String {
    format!("in force after {} (to allow), {} (to deny)", took(figures.open), took(figures.close))
}

fn took(millis: Option<u64>) -> String {
    millis.map_or_else(|| "never".to_owned(), |millis| format!("{millis} ms"))
}
