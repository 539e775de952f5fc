//! A line that somebody wrote, with a caret under the place that is meant. An object that Kubernetes stores has no lines:
//! its place is a field.

use kith_proto::v1::Origin;
use unicode_width::UnicodeWidthStr as _;

use super::escape::{escape, source_line};

/// The line of an origin, numbered, with a caret and what is to be said about it:
///
/// ```text
///      8 |   - name: create-charge
///        |     ^ failed on source
/// ```
///
/// Of an object only what is to be said about it.
pub fn snippet(origin: &Origin, note: &str) -> String {
    if origin.line == 0 {
        return if note.is_empty() { String::new() } else { format!("     {}", escape(note)) };
    }
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
    match origin.line {
        0 => line_of(origin),
        _ => format!("{}:{}", line_of(origin), origin.column),
    }
}

/// Which line an origin is in: `payments.yaml:8`; of an object `authorizationpolicies/shop/callers, spec.rules[0]`.
pub fn line_of(origin: &Origin) -> String {
    let file = escape(&origin.file);
    match field_of(origin) {
        None if origin.line == 0 => file.into_owned(),
        None => format!("{file}:{}", origin.line),
        Some(field) => format!("{file}, {}", escape(field)),
    }
}

/// The field that an origin names, in an object.
pub fn field_of(origin: &Origin) -> Option<&str> {
    (origin.line == 0).then_some(origin.text.as_str()).filter(|field| !field.is_empty())
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
    fn a_place_in_an_object_is_a_field_and_has_no_line() {
        let of = |field: &str| Origin { line: 0, ..origin(0, field) };
        assert_eq!(place(&of("spec.rules[0]")), "payments.yaml, spec.rules[0]");
        assert_eq!(place(&of("")), "payments.yaml");
        assert_eq!(snippet(&of("spec.rules[0]"), "failed on source"), "     failed on source");
        assert_eq!(snippet(&of("spec.rules[0]"), ""), "");
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
