//! A document as text. Owns layout and quoting, and nothing of what the fields mean. What it writes is read back as
//! exactly what it was given, whatever that holds, and is safe to print on a terminal: every character but visible
//! ASCII and the space is escaped.

/// A part of a document. Maps keep the order in which they are given.
#[derive(Debug)]
pub(super) enum Node<'a> {
    Text(&'a str),
    Number(u16),
    List(Vec<Self>),
    Map(Vec<(&'a str, Self)>),
}

/// YAML 1.2 §7.4.2: a key that is followed by its ':' on one line has at most 1024 characters.
const MAX_KEY_BYTES: usize = 1024;

/// What some reader of YAML, 1.1 or 1.2, takes for something else than text; in lower case.
const NOT_TEXT: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

impl Node<'_> {
    /// The whole document, with a line break at its end.
    pub(super) fn to_document(&self) -> String {
        let mut text = self.lines().join("\n");
        text.push('\n');
        text
    }

    /// In block style, without indentation.
    fn lines(&self) -> Vec<String> {
        match self {
            Self::Map(entries) if !self.is_short() => {
                entries.iter().flat_map(|(key, value)| entry(key, value)).collect()
            }
            Self::List(items) if !self.is_short() => {
                items.iter().flat_map(|item| hang("- ", item.lines())).collect()
            }
            short => vec![short.in_one_line()],
        }
    }

    /// Values, lists of values and empty maps; the rest is easier to read on lines of its own.
    fn is_short(&self) -> bool {
        match self {
            Self::Text(_) | Self::Number(_) => true,
            Self::Map(entries) => entries.is_empty(),
            Self::List(items) => items.iter().all(|item| matches!(item, Self::Text(_) | Self::Number(_))),
        }
    }

    /// In flow style.
    fn in_one_line(&self) -> String {
        match self {
            Self::Text(text) => quoted(text),
            Self::Number(number) => number.to_string(),
            Self::List(items) => {
                let items: Vec<_> = items.iter().map(Self::in_one_line).collect();
                format!("[{}]", items.join(", "))
            }
            Self::Map(entries) => {
                let entry = |(key, value): &(&str, Self)| format!("{}: {}", quoted(key), value.in_one_line());
                format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

fn entry(key: &str, value: &Node<'_>) -> Vec<String> {
    let key = quoted(key);
    // The explicit form, for a key that is too long for the usual one.
    let (mut lines, key) = match key.len() {
        0..=MAX_KEY_BYTES => (Vec::new(), key),
        _ => (vec![format!("? {key}")], String::new()),
    };
    if value.is_short() {
        lines.push(format!("{key}: {}", value.in_one_line()));
        return lines;
    }
    lines.push(format!("{key}:"));
    let indent = if matches!(value, Node::Map(_)) { "  " } else { "" };
    lines.extend(value.lines().iter().map(|line| format!("{indent}{line}")));
    lines
}

/// The first line behind the mark, the others below it.
fn hang(mark: &str, lines: Vec<String>) -> impl Iterator<Item = String> {
    let blank = " ".repeat(mark.len());
    lines.into_iter().enumerate().map(move |(number, line)| {
        let before = if number == 0 { mark } else { &blank };
        format!("{before}{line}")
    })
}

/// Plain where no reader could take it for anything but this text, in double quotes everywhere else.
fn quoted(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { in_quotes(text) }
}

/// In double quotes, whatever it is.
pub(super) fn in_quotes(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            ' '..='~' => quoted.push(c),
            other => quoted.push_str(&format!("\\U{:08X}", u32::from(other))),
        }
    }
    quoted.push('"');
    quoted
}

/// Starting with a letter it is no number, no date and no mark of YAML.
fn is_plain(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-".contains(&b))
        && !NOT_TEXT.contains(&text.to_ascii_lowercase().as_str())
}
