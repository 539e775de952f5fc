//! Where a person wrote something. Owns the place and the line itself, so that a verdict can show it without the
//! file at hand; knows nothing of YAML.

use std::fmt;
use std::sync::Arc;

/// A place in a document.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The file, as it was named to the reader.
    pub file: Arc<str>,
    /// Counted from 1.
    pub line: u32,
    /// In characters, counted from 1.
    pub column: u32,
    /// The line itself.
    pub text: Arc<str>,
}

/// `file:line`, as editors and terminals open it.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}
