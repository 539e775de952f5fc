//! A stored object as text for the reader of YAML, and which field stands in which line. Owns that every value, every key
//! and every bracket has a line of its own, so that the place of an error is exactly one field. What the fields mean is
//! the reader's.

use serde_json::Value;

use super::node;

/// Which field stands in which line. Fields are kept as steps from their parents: as text they could be a hundred times
/// the size of the object.
#[derive(Debug, Default)]
pub(super) struct Fields {
    steps: Vec<Step>,
    /// By line, counted from 0: an index of `steps`.
    lines: Vec<usize>,
}

/// From a parent to one of its fields.
#[derive(Debug)]
struct Step {
    /// An index of `steps`; `None` above the outermost fields.
    parent: Option<usize>,
    name: Segment,
}

#[derive(Debug)]
enum Segment {
    /// The whole object.
    Root,
    Key(String),
    Index(usize),
}

impl Fields {
    /// The field in a line, counted from 1: `spec.rules[0].name`; empty for the whole object and where there is none.
    pub(super) fn at(&self, line: u32) -> String {
        let line = usize::try_from(line).unwrap_or(usize::MAX);
        let mut step = line.checked_sub(1).and_then(|index| self.lines.get(index)).copied();
        let mut names = Vec::new();
        while let Some(found) = step.and_then(|index| self.steps.get(index)) {
            names.push(&found.name);
            step = found.parent;
        }
        let mut path = String::new();
        names.into_iter().rev().for_each(|name| name.add_to(&mut path));
        path
    }
}

impl Segment {
    /// As Kubernetes writes field paths; what is no plain name stands in brackets, safe to print.
    fn add_to(&self, path: &mut String) {
        match self {
            Self::Root => {}
            Self::Index(index) => path.push_str(&format!("[{index}]")),
            Self::Key(key) if !is_plain(key) => {
                path.push_str(&format!("[{}]", node::in_quotes(&shortened(key))))
            }
            Self::Key(key) if path.is_empty() => path.push_str(key),
            Self::Key(key) => path.push_str(&format!(".{key}")),
        }
    }
}

fn is_plain(key: &str) -> bool {
    (1..=63).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// More of a text than this is not kept in a message.
const MOST_CHARS: usize = 64;

fn shortened(text: &str) -> String {
    let mut chars = text.chars();
    let mut kept: String = chars.by_ref().take(MOST_CHARS).collect();
    if chars.next().is_some() {
        kept.push_str("...");
    }
    kept
}

/// What stands in a line, for a message.
pub(super) fn shown(line: &str) -> String {
    match line.trim_end_matches(',') {
        "{" | "{}" => "a map of fields".to_owned(),
        "[" | "[]" => "a list".to_owned(),
        value => shortened(value),
    }
}

/// The object as text. It ends early where the text has more than `most` bytes, which the reader refuses by its size.
pub(super) fn write(object: &Value, most: usize) -> (String, Fields) {
    let mut lines = Lines { text: String::new(), fields: Fields::default(), most };
    lines.value(object, None, Segment::Root);
    (lines.text, lines.fields)
}

struct Lines {
    text: String,
    fields: Fields,
    most: usize,
}

impl Lines {
    /// Recursion is bounded by what `serde_json` reads: 128 levels.
    fn value(&mut self, value: &Value, parent: Option<usize>, name: Segment) {
        if self.text.len() > self.most {
            return;
        }
        let step = self.fields.steps.len();
        let end = if parent.is_some() { "," } else { "" };
        self.fields.steps.push(Step { parent, name });
        match value {
            Value::Object(map) if !map.is_empty() => {
                self.line(step, "{");
                for (key, value) in map {
                    self.entry(key, value, step);
                }
                self.line(step, &format!("}}{end}"));
            }
            Value::Array(items) if !items.is_empty() => {
                self.line(step, "[");
                for (index, item) in items.iter().enumerate() {
                    self.value(item, Some(step), Segment::Index(index));
                }
                self.line(step, &format!("]{end}"));
            }
            Value::Object(_) => self.line(step, &format!("{{}}{end}")),
            Value::Array(_) => self.line(step, &format!("[]{end}")),
            Value::String(text) => self.line(step, &format!("{}{end}", node::in_quotes(text))),
            Value::Null | Value::Bool(_) | Value::Number(_) => self.line(step, &format!("{value}{end}")),
        }
    }

    /// The key stands in a line of the field too. In the explicit form, which has no limit of length.
    fn entry(&mut self, key: &str, value: &Value, parent: usize) {
        let at = self.fields.steps.len();
        self.line(at, &format!("? {}", node::in_quotes(key)));
        self.line(at, ":");
        self.value(value, Some(parent), Segment::Key(key.to_owned()));
    }

    fn line(&mut self, step: usize, text: &str) {
        self.fields.lines.push(step);
        self.text.push_str(text);
        self.text.push('\n');
    }
}
