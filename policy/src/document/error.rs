//! An error with its place. Owns how it is shown: `FILE:LINE:COLUMN: message`, the line, a caret; in an object, which
//! has no lines, `OBJECT: FIELD: message`.

use crate::closest::closest;
use std::fmt;

use crate::origin::{At, Origin};

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
        let Self { origin: Origin { file, at }, message } = self;
        let (line, column, text) = match at {
            At::Line { line, column, text } => (line, column, text),
            At::Field(field) if field.is_empty() => return write!(f, "{file}: {message}"),
            At::Field(field) => return write!(f, "{file}: {field}: {message}"),
        };
        let number = line.to_string();
        let gutter = " ".repeat(number.len());
        writeln!(f, "{file}:{line}:{column}: {message}")?;
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

/// `; did you mean "..."?`, or the list of what is known.
pub(super) fn suggestion(word: &str, known: &[&str]) -> String {
    match closest(word, known) {
        Some(meant) => format!("did you mean {meant:?}?"),
        None => format!("known here: {}", known.join(", ")),
    }
}
