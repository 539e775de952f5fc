//! Where a person wrote something. Owns the place, and in a file the line itself, so that a verdict can show it without
//! the document at hand; knows nothing of YAML.

use std::fmt;
use std::sync::Arc;

/// A place in a document.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The file as it was named to the reader, or the object.
    pub file: Arc<str>,
    /// Where in it.
    pub at: At,
}

/// A place in a file, or in an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum At {
    /// In a file that somebody wrote.
    Line {
        /// Counted from 1.
        line: u32,
        /// In characters, counted from 1.
        column: u32,
        /// The line itself.
        text: Arc<str>,
    },
    /// In an object that Kubernetes stores, which has no lines: the field, such as `spec.rules[0]`; empty for the whole
    /// object.
    Field(Arc<str>),
}

/// `file:line`, as editors and terminals open it; `object, field` where there are no lines.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            At::Line { line, .. } => write!(f, "{}:{line}", self.file),
            At::Field(field) if field.is_empty() => f.write_str(&self.file),
            At::Field(field) => write!(f, "{}, {field}", self.file),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_in_an_object_names_its_field_and_no_line_that_nobody_wrote() {
        let shown = |at| Origin { file: "x".into(), at }.to_string();
        assert_eq!(shown(At::Line { line: 8, column: 5, text: "- {}".into() }), "x:8");
        assert_eq!(shown(At::Field("spec.rules[0]".into())), "x, spec.rules[0]");
        assert_eq!(shown(At::Field("".into())), "x");
    }
}
