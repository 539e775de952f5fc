//! The choice of key exchanges, and how people write it: one spelling for files, variables and messages. What each choice
//! means in a handshake is the provider's.

use std::fmt;
use std::str::FromStr;

/// Which key exchanges a process agrees to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KeyExchange {
    /// The hybrid of X25519 and ML-KEM-768 wherever the peer knows it; else X25519 or P-256, for foreign peers that lack it.
    #[default]
    PreferPq,
    /// Only the hybrid: with a peer that lacks it there is no session.
    RequirePq,
}

const ALL: [KeyExchange; 2] = [KeyExchange::PreferPq, KeyExchange::RequirePq];
/// More of a wrong text is not repeated.
const MAX_SHOWN: usize = 64;

/// Why a text names no choice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no key exchange; write PreferPq or RequirePq")]
pub struct NoKeyExchange(String);

impl KeyExchange {
    /// As people write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PreferPq => "PreferPq",
            Self::RequirePq => "RequirePq",
        }
    }
}

impl fmt::Display for KeyExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for KeyExchange {
    type Err = NoKeyExchange;

    fn from_str(text: &str) -> Result<Self, NoKeyExchange> {
        let known = ALL.into_iter().find(|known| known.as_str() == text);
        known.ok_or_else(|| NoKeyExchange(text.chars().take(MAX_SHOWN).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_read_as_it_is_written_and_nothing_else_is_one() {
        for known in ALL {
            assert_eq!(known.to_string().parse(), Ok(known));
        }
        for text in ["", "preferpq", "prefer-pq", "RequirePQ", " RequirePq", "X25519"] {
            let error = text.parse::<KeyExchange>().unwrap_err().to_string();
            assert_eq!(error, format!("{text:?} is no key exchange; write PreferPq or RequirePq"));
        }
        let error = "x".repeat(1000).parse::<KeyExchange>().unwrap_err().to_string();
        assert!(error.len() < 200, "{error}");
    }
}
