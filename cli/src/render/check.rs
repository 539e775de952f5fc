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
        ("started", format!("first call after: {}", took(figures.start_to_first_call_ms))),
        ("edit", flip(figures.policy_flip_ms)),
        ("rotations", figures.rotations.to_string()),
        (
            "calls",
            format!(
                "{} attempted, {} received, {} refused, {} failed, the slowest took {} ms",
                calls.attempted, calls.received, calls.refused, calls.failed, calls.slowest_ms
            ),
        ),
        (
            "cut",
            format!("{} from the command to the last line about the end of the stream", took(figures.cut_ms)),
        ),
        ("", format!("{} from the command to its end at its client", took(figures.cut_client_ms))),
        ("recovered", format!("svids issued again after: {}", took(figures.recovery_ms))),
        (
            "killed",
            if figures.quarantine_held_after_kill {
                "the quarantine held"
            } else {
                "THE QUARANTINE DID NOT HOLD"
            }
            .to_owned(),
        ),
        ("", format!("edit {}", flip(figures.flip_after_kill_ms))),
    ]
}

fn flip(figures: FlipFigures) -> String {
    format!("in force after: {} (to allow), {} (to deny)", took(figures.open), took(figures.close))
}

fn took(millis: Option<u64>) -> String {
    millis.map_or_else(|| "never".to_owned(), |millis| format!("{millis} ms"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::check::CallFigures;

    fn report() -> Report {
        let step = |step, title, held| StepReport { step, title, held, took_ms: 12 };
        let flip = FlipFigures { open: Some(71), close: Some(72) };
        Report {
            version: "0.1.0",
            steps: vec![step(1, "an allowed call", true), step(2, "a denied call, and why", false)],
            figures: Figures {
                start_to_first_call_ms: Some(450),
                policy_flip_ms: flip,
                rotations: 7,
                calls: CallFigures { attempted: 9, received: 5, refused: 3, failed: 1, slowest_ms: 31 },
                cut_ms: Some(2),
                cut_client_ms: Some(9),
                recovery_ms: None,
                quarantine_held_after_kill: true,
                flip_after_kill_ms: FlipFigures { open: None, ..flip },
            },
            problems: vec![
                "step 2 (a denied call, and why) did not hold".to_owned(),
                "a\u{202e}b".to_owned(),
            ],
        }
    }

    #[test]
    fn the_table() {
        insta::assert_snapshot!(anstream::adapter::strip_str(&table(&report())).to_string());
    }

    #[test]
    fn a_report_without_problems_says_so() {
        let good = Report { problems: Vec::new(), ..report() };
        assert!(table(&good).contains("no problems"));
    }
}
