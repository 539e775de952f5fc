//! An error with its place. Owns how it is shown: `FILE:LINE:COLUMN: message`, the line, a caret.

use std::fmt;

use crate::origin::Origin;

/// Why a document is refused, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct DocumentError {
    /// Where.
    pub origin: Origin,
    /// What is wrong, and what to write instead.
    pub message: String,
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Origin { file, line, column, text } = &self.origin;
        let number = line.to_string();
        let gutter = " ".repeat(number.len());
        writeln!(f, "{file}:{line}:{column}: {}", self.message)?;
        writeln!(f, " {number} | {text}")?;
        write!(f, " {gutter} | {}^", indent_to(text, *column))
    }
}

/// Blank up to the column, with the tabs of the line, so that the caret stands below what it points at however
/// wide a terminal draws a tab.
fn indent_to(text: &str, column: u32) -> String {
    let before = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
    text.chars().take(before).map(|c| if c == '\t' { '\t' } else { ' ' }).collect()
}

/// The known word that was probably meant: at most two edits away, or one for a short word.
pub(super) fn closest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let allowed = if word.chars().count() <= 4 { 1 } else { 2 };
    known
        .iter()
        .map(|candidate| (edits(&word.to_lowercase(), &candidate.to_lowercase()), *candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `; did you mean "..."?`, or the list of what is known.
pub(super) fn suggestion(word: &str, known: &[&str]) -> String {
    match closest(word, known) {
        Some(meant) => format!("did you mean {meant:?}?"),
        None => format!("known here: {}", known.join(", ")),
    }
}

/// Insertions, deletions, substitutions and swaps of neighbours between two words.
fn edits(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().take(64).collect(), to.chars().collect());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for i in 1..=from.len() {
        let mut row = vec![i];
        for j in 1..=to.len() {
            let differs = usize::from(from[i - 1] != to[j - 1]);
            let mut best = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + differs);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                best = best.min(before_last[j - 2] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[to.len()]
}
