//! YAML in, raw fields with their places out. Owns the limits of a file, the wording of syntax errors, and the
//! three states of a field: absent, present with nothing in it, present. It knows no policy: whatever else people
//! write for Kith in YAML is read by it, too. What Kubernetes stores comes here as text as well, line by line with the
//! field that stands there, so that there is one reader of one language.
//!
//! The difference between the first two matters: an absent `sources` matches anybody, so that `sources:` with
//! nothing after it must be an error and not be taken for absent.

use std::sync::Arc;

use serde::de::{Deserialize, Deserializer};
use serde_saphyr::{DuplicateKeyPolicy, Error, MergeKeyPolicy, Options, Spanned};

use super::error::{DocumentError, suggestion};
use super::lines::{self, Fields};
use crate::origin::{At, Origin};

pub(super) const MAX_BYTES: usize = 1024 * 1024;
const MAX_DEPTH: usize = 32;
/// More of a line than this is not kept in an [`Origin`]: a file may be one line.
const MAX_LINE_CHARS: usize = 512;

/// A place in the text; both counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The column, in characters.
    pub column: u32,
}

impl Place {
    /// The first character of a text.
    pub const START: Self = Self { line: 1, column: 1 };
}

impl From<serde_saphyr::Location> for Place {
    fn from(location: serde_saphyr::Location) -> Self {
        let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX).max(1);
        Self { line: narrow(location.line()), column: narrow(location.column()) }
    }
}

/// A value that somebody wrote, or did not.
#[derive(Debug, Default)]
pub enum Field<T> {
    /// The key is not there.
    #[default]
    Absent,
    /// The key is there with nothing (or `null`) after it.
    Empty(Place),
    /// The key is there with a value.
    Present(T, Place),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Option<T>>::deserialize(deserializer)?;
        let place = Place::from(spanned.referenced);
        Ok(match spanned.value {
            Some(value) => Self::Present(value, place),
            None => Self::Empty(place),
        })
    }
}

impl<T> Field<T> {
    /// Where the value stands, or where the document starts when there is none.
    pub fn place(&self) -> Place {
        match self {
            Self::Absent => Place::START,
            Self::Empty(place) | Self::Present(_, place) => *place,
        }
    }

    /// The value if the key is there; a key without a value is an error.
    pub fn optional(self, name: &str, text: &Text<'_>) -> Result<Option<(T, Place)>, DocumentError> {
        match self {
            Self::Absent => Ok(None),
            Self::Empty(place) => {
                Err(text.error(place, format!("{name} has no value; give it one, or leave it out")))
            }
            Self::Present(value, place) => Ok(Some((value, place))),
        }
    }

    /// The value; `parent` is where the key is missed.
    pub fn required(self, name: &str, parent: Place, text: &Text<'_>) -> Result<(T, Place), DocumentError> {
        self.optional(name, text)?.ok_or_else(|| text.error(parent, format!("{name} is missing")))
    }
}

/// A file's text, and how to point into it.
#[derive(Debug)]
pub struct Text<'a> {
    file: Arc<str>,
    text: &'a str,
    lines: Vec<&'a str>,
    /// Of an object: which field stands in which line.
    fields: Option<&'a Fields>,
}

impl<'a> Text<'a> {
    /// The text of a file of this name.
    pub fn new(file: &str, text: &'a str) -> Self {
        Self { file: file.into(), text, lines: text.lines().collect(), fields: None }
    }

    /// An object of this name that was written down to be read.
    pub(super) fn of_object(object: &str, text: &'a str, fields: &'a Fields) -> Self {
        Self { fields: Some(fields), ..Self::new(object, text) }
    }

    /// Reads every document of the file.
    pub fn read<T: Deserialize<'a>>(&self) -> Result<Vec<Field<T>>, DocumentError> {
        if self.text.len() > MAX_BYTES {
            let what = if self.fields.is_some() { "object" } else { "file" };
            let message = format!("the {what} has {} bytes, more than 1 MiB; split it", self.text.len());
            return Err(self.error(Place::START, message));
        }
        serde_saphyr::from_multiple_with_options(self.text, options()).map_err(|error| self.syntax(&error))
    }

    /// An error at a place of it.
    pub fn error(&self, place: Place, message: impl Into<String>) -> DocumentError {
        DocumentError { origin: self.origin(place), message: message.into() }
    }

    /// A place of it, with the line that stands there.
    pub fn origin(&self, place: Place) -> Origin {
        let at = match self.fields {
            Some(fields) => At::Field(fields.at(place.line).into()),
            None => {
                let text: String = self.line(place).chars().take(MAX_LINE_CHARS).collect();
                At::Line { line: place.line, column: place.column, text: text.into() }
            }
        };
        Origin { file: self.file.clone(), at }
    }

    fn line(&self, place: Place) -> &'a str {
        let index = usize::try_from(place.line - 1).unwrap_or(usize::MAX);
        self.lines.get(index).copied().unwrap_or_default()
    }

    fn syntax(&self, error: &Error) -> DocumentError {
        let error = error.without_snippet();
        let place = error.location().map_or(Place::START, Place::from);
        let mut message = describe(error);
        // In a file the line below the message shows it.
        if self.fields.is_some() && is_mismatch(error) {
            message.push_str(&format!(", not {}", lines::shown(self.line(place))));
        }
        self.error(place, message)
    }
}

/// Whether something else stands where the message says what is wanted.
fn is_mismatch(error: &Error) -> bool {
    matches!(error, Error::Unexpected { .. } | Error::InvalidScalar { .. })
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_reader_input_bytes: Some(MAX_BYTES),
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_documents: 4096,
            max_nodes: 250_000,
            max_events: 500_000,
            max_total_scalar_bytes: MAX_BYTES,
            // A rule that is not written where it applies cannot be reviewed where it applies.
            max_anchors: 0,
            max_aliases: 0,
            max_merge_keys: 0,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

/// The message alone: place and line are ours to show.
fn describe(error: &Error) -> String {
    match error {
        Error::SerdeUnknownField { field, expected, .. } => unknown_field(field, expected),
        Error::DuplicateMappingKey { key: Some(key), .. } => format!("{key:?} is written twice"),
        Error::SerdeInvalidType { unexpected, expected, .. }
        | Error::SerdeInvalidValue { unexpected, expected, .. } => {
            format!("found {unexpected}, wanted {expected}")
        }
        Error::Unexpected { expected, .. } => format!("wanted {} here", in_our_words(expected)),
        Error::InvalidScalar { ty: "u16", .. } => "wanted a port number, 1 to 65535, here".to_owned(),
        Error::Budget { breach, .. } => over_budget(breach),
        Error::MergeKeyNotAllowed { .. } => "merge keys (<<) are not part of this language".to_owned(),
        other => without_place(other),
    }
}

fn in_our_words(expected: &str) -> &str {
    match expected {
        "sequence start" => "a list",
        "mapping start" => "a map of fields",
        "string scalar" => "text",
        other => other,
    }
}

/// The parser's own message, without the place that it ends in.
fn without_place(error: &Error) -> String {
    let message = error.render_with_formatter(&serde_saphyr::UserMessageFormatter);
    let Some(location) = error.location() else { return message };
    let suffix = format!(" at line {}, column {}", location.line(), location.column());
    message.strip_suffix(&suffix).unwrap_or(&message).to_owned()
}

fn unknown_field(field: &str, expected: &[&str]) -> String {
    if field.to_lowercase().contains("regex") {
        return format!(
            "unknown field {field:?}: there are no regular expressions; paths are path templates by segment, \
             such as \"/charges/{{id}}\" or \"/app/**\""
        );
    }
    format!("unknown field {field:?}; {}", suggestion(field, expected))
}

fn over_budget(breach: &serde_saphyr::budget::BudgetBreach) -> String {
    use serde_saphyr::budget::BudgetBreach;
    match breach {
        BudgetBreach::Anchors { .. } | BudgetBreach::Aliases { .. } => {
            "anchors (&) and aliases (*) are not part of this language; write the value where it applies"
                .to_owned()
        }
        BudgetBreach::Depth { .. } => format!("nested deeper than {MAX_DEPTH} levels"),
        other => format!("the file is too large: {other:?}"),
    }
}
