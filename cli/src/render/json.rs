//! JSON for other programs. Serde escapes what would break a line; what would merely deceive a person who reads it
//! in a terminal is escaped as well, by means of JSON itself, so that the value is the same.

use std::fmt::Write as _;

use anyhow::Context as _;
use kith_policy::Revision;
use kith_proto::convert::from_millis;
use kith_proto::v1;
use kith_sidecar::identity_log::rfc3339;
use serde::Serialize;

use super::escape::deceives;

/// A value as one line.
pub fn line(value: &impl Serialize) -> anyhow::Result<String> {
    Ok(escape(&serde_json::to_string(value).context("cannot write as JSON")?))
}

/// A value over several indented lines.
pub fn pretty(value: &impl Serialize) -> anyhow::Result<String> {
    let text = serde_json::to_string_pretty(value).context("cannot write as JSON")?;
    // The line breaks are the format's own; those of values were escaped by it.
    Ok(text.split('\n').map(escape).collect::<Vec<_>>().join("\n"))
}

/// A text; on the wire, nothing is how it says that there is none.
pub(super) fn known(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// A time, RFC 3339; on the wire, 0 is how it says that there is none.
pub(super) fn moment(millis: i64) -> Option<String> {
    if millis == 0 { None } else { from_millis("time", millis).ok().map(rfc3339) }
}

/// A revision as people write it: `2.5`.
pub(super) fn revision(revision: Option<v1::Revision>) -> Option<String> {
    revision.map(|revision| Revision::from(revision).to_string())
}

/// Outside its strings JSON is ASCII, so every character that deceives stands in a string, where it has an escape.
fn escape(json: &str) -> String {
    json.chars().fold(String::with_capacity(json.len()), |mut escaped, c| {
        if deceives(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(c);
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_deceives_is_escaped_and_reads_back_the_same() {
        // G1, G2
        for value in
            ["a\u{202e}b", "\u{200b}", "\u{e0041}", "\u{1b}[2J", "a\r\nb", "größe", "\u{7f}\u{9b}", "\\u202e"]
        {
            for json in [line(&value).unwrap(), pretty(&value).unwrap()] {
                assert!(!json.chars().any(deceives), "{json}");
                assert_eq!(serde_json::from_str::<String>(&json).unwrap(), value);
            }
        }
        assert_eq!(line(&"a\u{202e}\u{e0041}").unwrap(), r#""a\u202e\udb40\udc41""#);
    }

    #[test]
    fn a_value_never_breaks_its_line() {
        assert!(!line(&serde_json::json!({ "a\nb": "c\nd" })).unwrap().contains('\n'));
    }
}
