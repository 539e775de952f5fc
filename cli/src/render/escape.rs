//! Characters that would change how other characters look, or hide (attacks G1, G2, G8): shown by their number.

use std::borrow::Cow;
use std::fmt::Write as _;

/// A text as a person may see it: whatever controls, reorders, hides or takes no space is written `\u{..}`.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(deceives) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().fold(String::with_capacity(text.len() + 8), |mut shown, c| {
        if deceives(c) {
            // Writing to a String cannot fail.
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
        } else {
            shown.push(c);
        }
        shown
    }))
}

/// A text of several lines, escaped but for its line breaks.
pub fn lines(text: &str) -> String {
    text.split('\n').map(escape).collect::<Vec<_>>().join("\n")
}

/// A line of a source file, whose tabs mean nothing but a blank: each becomes one, so that a column is a column.
pub fn source_line(text: &str) -> String {
    escape(&text.replace('\t', " ")).into_owned()
}

/// Whether a character does something other than being seen: control characters, the format characters of Unicode
/// (bidirectional, zero-width, tags and others), line and paragraph separators, fillers and variation selectors.
pub fn deceives(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{8e2}' | '\u{180b}'..='\u{180f}'
            | '\u{600}'..='\u{605}' | '\u{890}'..='\u{891}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            // Zero-width space, joiners, marks of direction; separators and embeddings; word joiner and isolates.
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{ffa0}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}'
            | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            // Tags, and the variation selectors behind them.
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_deceives_is_shown_by_its_number() {
        for (name, text, want) in [
            ("G1 line break", "a\r\n{\"fake\":1}", "a\\u{d}\\u{a}{\"fake\":1}"),
            ("G2 escape sequence", "\x1b[2J", "\\u{1b}[2J"),
            ("G2 bell", "\x07", "\\u{7}"),
            ("G2 delete", "\x7f", "\\u{7f}"),
            ("G2 C1 control sequence introducer", "\u{9b}31m", "\\u{9b}31m"),
            ("G2 right-to-left override", "a\u{202e}b", "a\\u{202e}b"),
            ("G2 isolate", "\u{2066}x\u{2069}", "\\u{2066}x\\u{2069}"),
            ("G2 mark of direction", "\u{200e}\u{200f}\u{61c}", "\\u{200e}\\u{200f}\\u{61c}"),
            ("G2 zero-width space", "pay\u{200b}ments", "pay\\u{200b}ments"),
            ("G2 joiners", "\u{200c}\u{200d}\u{2060}\u{feff}", "\\u{200c}\\u{200d}\\u{2060}\\u{feff}"),
            ("tag", "a\u{e0041}", "a\\u{e0041}"),
            ("soft hyphen", "pay\u{ad}ments", "pay\\u{ad}ments"),
            ("line separator", "a\u{2028}b\u{2029}", "a\\u{2028}b\\u{2029}"),
            ("filler", "a\u{3164}", "a\\u{3164}"),
            ("variation selector", "a\u{fe0f}\u{e0100}", "a\\u{fe0f}\\u{e0100}"),
            ("tab", "a\tb", "a\\u{9}b"),
        ] {
            assert_eq!(escape(text), want, "{name}");
        }
    }

    #[test]
    fn what_is_merely_foreign_stays_as_it_is() {
        // G8, G9: quotes and formats mean nothing here.
        for text in ["", "orders", "\"quoted\"", "größe", "注文", "заказ", "naïve", "%s {} {{}}", "a b", "🦀"]
        {
            assert!(matches!(escape(text), Cow::Borrowed(shown) if shown == text), "{text}");
        }
    }

    #[test]
    fn nothing_that_was_escaped_deceives() {
        for c in (0..=0x10_ffff).filter_map(char::from_u32) {
            assert!(!escape(&c.to_string()).chars().any(deceives), "{:x}", u32::from(c));
        }
    }
}
