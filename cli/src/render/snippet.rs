//! A line that somebody wrote, with a caret under the place that is meant.

use kith_proto::v1::Origin;
use unicode_width::UnicodeWidthStr as _;

use super::escape::{escape, source_line};

/// The line of an origin, numbered, with a caret and what is to be said about it:
///
/// ```text
///      8 |   - name: create-charge
///        |     ^ failed on source
/// ```
pub fn snippet(origin: &Origin, note: &str) -> String {
    let number = origin.line.to_string();
    let margin = " ".repeat(number.len());
    let column = usize::try_from(origin.column).unwrap_or(1).max(1);
    let before: String = origin.text.chars().take(column - 1).collect();
    // Measured as it is shown: what is escaped is wider than it was.
    let indent = " ".repeat(source_line(&before).width());
    let caret = format!("     {margin} | {indent}^ {}", escape(note));
    format!("     {number} | {}\n{}", source_line(&origin.text), caret.trim_end())
}

/// Where an origin is: `payments.yaml:8:5`.
pub fn place(origin: &Origin) -> String {
    format!("{}:{}:{}", escape(&origin.file), origin.line, origin.column)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(column: u32, text: &str) -> Origin {
        Origin { file: "payments.yaml".into(), line: 8, column, text: text.into() }
    }

    #[test]
    fn the_caret_stands_under_the_column() {
        assert_eq!(snippet(&origin(5, "  - name: x"), "why"), "     8 |   - name: x\n       |     ^ why");
    }

    #[test]
    fn the_caret_follows_wide_and_escaped_characters() {
        // G2
        let shown = snippet(&origin(3, "注\u{202e}x"), "");
        assert_eq!(shown, "     8 | 注\\u{202e}x\n       |           ^");
    }

    #[test]
    fn a_tab_takes_one_column() {
        assert_eq!(snippet(&origin(3, "\t\tx"), ""), "     8 |   x\n       |   ^");
    }

    #[test]
    fn a_column_beyond_the_line_or_zero_is_no_obstacle() {
        assert!(snippet(&origin(99, "x"), "").ends_with("|  ^"));
        assert!(snippet(&origin(0, "x"), "").ends_with("| ^"));
    }
}
