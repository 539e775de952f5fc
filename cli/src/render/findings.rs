//! What `kith check` found: a line for each check, grouped by what they are about, with the cause and what to do under what
//! is not as it ought to be. No finding is told by colour, or by its sign, alone.

use kith_control_plane::kubernetes::check::{Category, Finding, Outcome};
use serde::Serialize;

use super::escape::{escape, lines};
use super::table::Tone;

/// Where each check has a section.
const PAGE: &str = "docs/checks.md";

/// For people.
pub fn table(findings: &[Finding]) -> String {
    let (mut text, mut category) = (String::new(), None);
    for finding in findings {
        if category != Some(finding.check.category) {
            category = Some(finding.check.category);
            text.push_str(&heading(finding.check.category, text.is_empty()));
        }
        text.push_str(&one(finding));
    }
    text.push_str(&format!("\n{}", summary(findings)));
    text
}

fn heading(category: Category, is_first: bool) -> String {
    let break_before = if is_first { "" } else { "\n" };
    format!("{break_before}{}\n", Tone::Heading.paint(category.name()))
}

fn one(finding: &Finding) -> String {
    let Finding { check, judgement } = finding;
    let (sign, word, tone) = match judgement.outcome {
        Outcome::Ok => ("√", "ok", Tone::Good),
        Outcome::Skipped => ("-", "skipped", Tone::Plain),
        Outcome::Warning => ("!", "warning", Tone::Plain),
        Outcome::Error => ("×", "error", Tone::Bad),
    };
    let detail =
        judgement.detail.as_deref().map(|detail| format!(" ({})", escape(detail))).unwrap_or_default();
    let mark = tone.paint(&format!("{sign} {word:<7}"));
    let mut text = format!("  {mark} {}{detail}\n", check.title);
    for cause in &judgement.causes {
        text.push_str(&indented(cause));
    }
    if let Some(hint) = &judgement.hint {
        // Lines below the first are commands, to be copied as they stand.
        let (first, rest) = hint.split_once('\n').unwrap_or((hint, ""));
        text.push_str(&indented(&format!("to do: {first} ({PAGE}#{})", check.id)));
        text.push_str(&indented(rest));
    }
    text
}

fn indented(text: &str) -> String {
    lines(text).lines().map(|line| format!("            {line}\n")).collect()
}

fn summary(findings: &[Finding]) -> String {
    let count = |outcome| findings.iter().filter(|finding| finding.judgement.outcome == outcome).count();
    let (errors, warnings) = (count(Outcome::Error), count(Outcome::Warning));
    let tone = if errors > 0 { Tone::Bad } else { Tone::Good };
    let skipped = match count(Outcome::Skipped) {
        0 => String::new(),
        skipped => format!(", {skipped} skipped"),
    };
    let text = format!("{} checks: {errors} errors, {warnings} warnings{skipped}", findings.len());
    tone.paint(&text)
}

/// For programs.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FindingsJson<'a> {
    version: &'static str,
    namespace: &'a str,
    outcome: &'static str,
    findings: Vec<FindingJson<'a>>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct FindingJson<'a> {
    check: &'a str,
    category: &'a str,
    title: &'a str,
    outcome: &'static str,
    detail: Option<&'a str>,
    causes: &'a [String],
    hint: Option<&'a str>,
    page: String,
}

impl<'a> FindingsJson<'a> {
    /// What was found of the installation in a namespace.
    pub fn new(namespace: &'a str, findings: &'a [Finding]) -> Self {
        let worst = findings.iter().map(|finding| finding.judgement.outcome).max();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            namespace,
            outcome: word(worst.unwrap_or(Outcome::Ok)),
            findings: findings.iter().map(FindingJson::from).collect(),
        }
    }
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "ok",
        Outcome::Skipped => "skipped",
        Outcome::Warning => "warning",
        Outcome::Error => "error",
    }
}

impl<'a> From<&'a Finding> for FindingJson<'a> {
    fn from(Finding { check, judgement }: &'a Finding) -> Self {
        Self {
            check: check.id,
            category: check.category.name(),
            title: check.title,
            outcome: word(judgement.outcome),
            detail: judgement.detail.as_deref(),
            causes: &judgement.causes,
            hint: judgement.hint.as_deref(),
            page: format!("{PAGE}#{}", check.id),
        }
    }
}

#[cfg(test)]
mod tests;
