//! A value as a YAML document. Owns layout and quoting: whatever reader of YAML it meets, 1.1 or 1.2, reads the value
//! that was given, and a person who looks at it is not deceived.

use serde_json::Value;

use super::escape::deceives;

/// YAML 1.2 §7.4.2: a key that is followed by its ':' on one line has at most 1024 characters.
const MAX_KEY_BYTES: usize = 1024;

/// What some reader takes for something else than text; in lower case.
const NOT_TEXT: [&str; 13] =
    ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "infinity", "~"];

/// The whole document, with a line break at its end.
pub fn document(value: &Value) -> String {
    let mut text = lines(value).join("\n");
    text.push('\n');
    text
}

/// In block style, without indentation.
fn lines(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            fields.iter().flat_map(|(key, value)| entry(key, value)).collect()
        }
        Value::Array(items) if !items.is_empty() => {
            items.iter().flat_map(|item| hang("- ", "  ", lines(item))).collect()
        }
        Value::Object(_) => vec!["{}".to_owned()],
        Value::Array(_) => vec!["[]".to_owned()],
        Value::String(text) => scalar(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => vec![value.to_string()],
    }
}

fn entry(key: &str, value: &Value) -> Vec<String> {
    let key = quoted(key);
    // The explicit form, for a key that is too long for the usual one.
    let (mut all, key) = match key.len() {
        0..=MAX_KEY_BYTES => (Vec::new(), format!("{key}:")),
        _ => (vec![format!("? {key}")], ":".to_owned()),
    };
    let nested = match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    };
    if nested {
        all.push(key);
        let indent = if value.is_object() { "  " } else { "" };
        all.extend(hang(indent, indent, lines(value)));
    } else {
        all.extend(hang(&format!("{key} "), "", lines(value)));
    }
    all
}

/// The first line behind the mark, the others below it.
fn hang<'a>(mark: &'a str, indent: &'a str, lines: Vec<String>) -> impl Iterator<Item = String> + use<'a> {
    lines.into_iter().enumerate().map(move |(number, line)| match (number, line.as_str()) {
        (0, _) => format!("{mark}{line}"),
        (_, "") => line,
        _ => format!("{indent}{line}"),
    })
}

/// Several lines as a literal block, where that says the same; the rest in one line.
fn scalar(text: &str) -> Vec<String> {
    let (body, mark) = match text.strip_suffix('\n') {
        Some(body) => (body, "|"),
        None => (text, "|-"),
    };
    let begins = |c: char| c == ' ' || c == '\t' || c == '\n';
    let plain = |c: char| c == '\n' || c == '\t' || is_shown(c);
    if body.contains('\n') && !body.starts_with(begins) && !body.ends_with('\n') && body.chars().all(plain) {
        return std::iter::once(mark.to_owned())
            .chain(body.split('\n').map(|line| match line {
                "" => String::new(),
                // Of its own, so that it is deeper than what it belongs to also at the top.
                line => format!("  {line}"),
            }))
            .collect();
    }
    vec![quoted(text)]
}

/// Plain where no reader could take it for anything but this text, in double quotes everywhere else.
fn quoted(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if is_shown(c) => quoted.push(c),
            other => quoted.push_str(&format!("\\U{:08X}", u32::from(other))),
        }
    }
    quoted.push('"');
    quoted
}

/// Starting with a letter or a slash it is no number, no date and no mark of YAML.
fn is_plain(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-".contains(&b))
        && !NOT_TEXT.contains(&text.to_ascii_lowercase().as_str())
}

fn is_shown(c: char) -> bool {
    !deceives(c) && !matches!(c, '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Value {
        serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    #[test]
    fn a_document_reads_as_people_write_it() {
        let value = json!({
            "apiVersion": "apps/v1",
            "spec": {
                "containers": [{"args": ["--a", "b"], "env": [{"name": "A", "value": "1"}], "name": "app"}],
                "empty": {}, "none": [], "nothing": null, "on": true, "replicas": 3,
                "script": "#!/bin/sh\n\n  exit 0\n",
            },
        });
        let wanted = r#"apiVersion: apps/v1
spec:
  containers:
  - args:
    - "--a"
    - b
    env:
    - name: A
      value: "1"
    name: app
  empty: {}
  none: []
  nothing: null
  "on": true
  replicas: 3
  script: |
    #!/bin/sh

      exit 0
"#;
        assert_eq!(document(&value), wanted);
        assert_eq!(read(wanted), value);
    }

    #[test]
    fn a_text_stays_a_text_wherever_it_stands() {
        // G1, G2, K34
        let long = "k".repeat(2000);
        for text in [
            "",
            " ",
            "yes",
            "No",
            "ON",
            "y",
            "null",
            "~",
            "1",
            "0644",
            "0x1f",
            "1e3",
            "1_000",
            "1:30",
            ".inf",
            "2026-01-01",
            "-",
            "- a",
            "a: b",
            "a #b",
            "#a",
            "*a",
            "&a",
            "!a",
            "%a",
            "@a",
            "`a",
            "{a",
            "[a",
            "|",
            ">",
            "'",
            "\"",
            "<<",
            "=",
            "---",
            "...",
            "a\nb",
            "a\nb\n",
            "a\nb\n\n",
            "\na\nb",
            " a\nb",
            "\ta\nb",
            "a\r\nb",
            "a\tb",
            "a \n b ",
            "a\n \nb",
            "\n",
            "größe",
            "注\n文",
            "\u{202e}a\nb",
            "\u{85}",
            "\u{2028}",
            "\u{feff}",
            "\u{7f}",
            "\u{1b}[2J",
            "\u{e0041}",
            "\u{ffff}",
            "x\n  privileged: true",
            "a\n---\nb",
            "a\n# b",
            "\0",
            &long,
        ] {
            let key = json!({ text: 1 });
            for value in
                [json!(text), json!([text]), json!({"a": text, "b": [[text]], "c": [{"d": text}]}), key]
            {
                let written = document(&value);
                assert_eq!(read(&written), value, "{written}");
                assert!(!written.chars().any(|c| c != '\n' && c != '\t' && deceives(c)), "{written:?}");
            }
        }
    }

    #[test]
    fn numbers_stay_numbers() {
        for value in
            [json!(0), json!(-1), json!(u64::MAX), json!(i64::MIN), json!(1.5), json!(-2.5e-9), json!(1e300)]
        {
            assert_eq!(read(&document(&json!({"n": value}))), json!({"n": value}));
        }
    }
}
