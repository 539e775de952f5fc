//! Objects of Kubernetes as people keep them: YAML with any number of documents, or JSON. Owns how much of either is
//! read, and errors that name their place. YAML is read as kubectl reads it: `yes` is true, `0644` is octal, anchors and
//! merge keys mean what they mean; a key that is there twice is an error.

use kith_policy::document::DocumentError;
use kith_policy::document::yaml::{Field, Place, Text};
use serde_json::Value;
use serde_saphyr::{DuplicateKeyPolicy, MergeKeyPolicy, Options};

const MAX_BYTES: usize = 16 * 1024 * 1024;
const MAX_DEPTH: usize = 100;

/// What a file has in it.
#[derive(Debug)]
pub(super) struct Documents {
    /// Each with its place, `FILE:LINE:COLUMN`.
    pub(super) documents: Vec<(Value, String)>,
    pub(super) is_json: bool,
}

/// Every document that is not empty.
pub(super) fn read(file: &str, text: &str) -> Result<Documents, DocumentError> {
    if text.trim_start().starts_with('{')
        && let Ok(value) = serde_json::from_str(text)
    {
        return Ok(Documents { documents: vec![(value, format!("{file}:1:1"))], is_json: true });
    }
    let source = Text::new(file, text);
    let fields: Vec<Field<Value>> =
        serde_saphyr::from_multiple_with_options(text, options()).map_err(|error| syntax(&source, &error))?;
    let document = |field| match field {
        Field::Present(Value::Null, _) | Field::Absent | Field::Empty(_) => None,
        Field::Present(value, Place { line, column }) => Some((value, format!("{file}:{line}:{column}"))),
    };
    Ok(Documents { documents: fields.into_iter().filter_map(document).collect(), is_json: false })
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_reader_input_bytes: Some(MAX_BYTES),
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_documents: 10_000,
            max_nodes: 2_000_000,
            max_events: 4_000_000,
            max_total_scalar_bytes: MAX_BYTES,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Merge,
        legacy_octal_numbers: true,
        strict_booleans: false,
        with_snippet: false,
    }
}

/// The parser's message at its place, which it repeats at its end.
fn syntax(source: &Text<'_>, error: &serde_saphyr::Error) -> DocumentError {
    let error = error.without_snippet();
    let message = error.render_with_formatter(&serde_saphyr::UserMessageFormatter);
    let Some(location) = error.location() else { return source.error(Place::START, message) };
    let suffix = format!(" at line {}, column {}", location.line(), location.column());
    source.error(Place::from(location), message.strip_suffix(&suffix).unwrap_or(&message))
}
