//! Why a pod is not taken into the mesh as it is. Owns the wording: the field, what stands there, and what to do. What
//! people wrote is quoted so that it cannot change how the sentence looks.

use serde_json::Value;

/// More of a value than this is not repeated.
const MAX_QUOTED: usize = 96;

/// One field, what is wrong with it, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {value}: {advice}")]
pub struct Refusal {
    field: String,
    value: String,
    advice: String,
}

impl Refusal {
    /// `value` as JSON writes it.
    pub(super) fn new(field: &str, value: &Value, advice: impl Into<String>) -> Self {
        Self {
            field: visible(field),
            value: visible(&value.to_string()),
            advice: visible_whole(&advice.into()),
        }
    }

    /// A text that is wrong.
    pub(super) fn of_text(field: &str, text: &str, advice: impl Into<String>) -> Self {
        // Cut before it is copied: an annotation may have 256 KiB.
        let start: String = text.chars().take(MAX_QUOTED + 1).collect();
        Self::new(field, &Value::String(start), advice)
    }

    /// The same, in another object.
    pub(super) fn below(self, parent: &str) -> Self {
        Self { field: visible(&format!("{parent}{}", self.field)), ..self }
    }
}

/// As much of it as is worth repeating.
fn visible(text: &str) -> String {
    let mut shown = visible_whole(&text.chars().take(MAX_QUOTED).collect::<String>());
    if text.chars().nth(MAX_QUOTED).is_some() {
        shown.push_str("...");
    }
    shown
}

/// What is neither visible ASCII nor a blank may reorder or hide the rest: shown by its number.
fn visible_whole(text: &str) -> String {
    let shown = |c: char| if matches!(c, ' '..='~') { c.to_string() } else { c.escape_unicode().to_string() };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_wrote_is_quoted_short_and_cannot_deceive() {
        // G2, K8
        let refusal =
            Refusal::of_text("metadata.annotations[x\u{202e}]", "a\u{202e}\n\u{1b}[2J", "leave it out");
        assert_eq!(
            refusal.to_string(),
            "metadata.annotations[x\\u{202e}] is \"a\\u{202e}\\n\\u001b[2J\": leave it out"
        );
        let long = Refusal::of_text("f", &"x".repeat(256 * 1024), "shorten it").to_string();
        assert!(long.len() < 200, "{long}");
    }
}
