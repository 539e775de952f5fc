//! The name before the path. Owns its alphabet and length (SPIFFE-ID §2.1, §2.3); knows nothing of URIs.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// SPIFFE-ID §2.3: a trust domain is at most 255 bytes.
const MAX_BYTES: usize = 255;

/// A trust domain name, such as `demo.local`. Holding one means that it is valid.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrustDomain(Arc<str>);

/// Why a text is not a trust domain. Offsets count bytes from the start of the whole text that was given: of the SPIFFE ID,
/// where the name stands in one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustDomainError {
    /// SPIFFE-ID §2.1: the name is empty.
    #[error("the trust domain, at byte {offset}, is empty")]
    Empty {
        /// Where the name should stand.
        offset: usize,
    },
    /// SPIFFE-ID §2.3: the name is longer than 255 bytes.
    #[error("the trust domain has {length} bytes, more than 255; byte {offset} is the first too many")]
    TooLong {
        /// Its length in bytes.
        length: usize,
        /// The first byte too many.
        offset: usize,
    },
    /// SPIFFE-ID §2.1: a byte outside `[a-z0-9.-_]`.
    #[error("byte {offset} is {found:?}; only a-z, 0-9, '.', '-' and '_' may stand in a trust domain")]
    Byte {
        /// Where.
        offset: usize,
        /// What stands there.
        found: char,
    },
}

impl TrustDomainError {
    /// The byte of the whole text at which it is wrong.
    pub fn offset(&self) -> usize {
        match self {
            Self::Empty { offset } | Self::TooLong { offset, .. } | Self::Byte { offset, .. } => *offset,
        }
    }

    /// The section of the standard with the rule that is broken.
    pub fn section(&self) -> &'static str {
        match self {
            Self::Empty { .. } | Self::Byte { .. } => "SPIFFE-ID 2.1",
            Self::TooLong { .. } => "SPIFFE-ID 2.3",
        }
    }
}

impl TrustDomain {
    /// Parses a name.
    pub fn parse(text: &str) -> Result<Self, TrustDomainError> {
        Self::parse_within(text, 0)
    }

    /// Parses a name that begins at this byte of a longer text; the only way to make one.
    pub(crate) fn parse_within(text: &str, start: usize) -> Result<Self, TrustDomainError> {
        if text.is_empty() {
            return Err(TrustDomainError::Empty { offset: start });
        }
        if text.len() > MAX_BYTES {
            return Err(TrustDomainError::TooLong { length: text.len(), offset: start + MAX_BYTES });
        }
        match text.bytes().position(|byte| !is_allowed(byte)) {
            None => Ok(Self(text.into())),
            Some(at) => Err(TrustDomainError::Byte { offset: start + at, found: char_at(text, at) }),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_allowed(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_')
}

/// The character at the first byte that was not ASCII's, which is the first byte of a character.
pub(crate) fn char_at(text: &str, at: usize) -> char {
    text.get(at..).and_then(|rest| rest.chars().next()).unwrap_or(char::REPLACEMENT_CHARACTER)
}

impl FromStr for TrustDomain {
    type Err = TrustDomainError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrustDomain({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // Conforms: SPIFFE-ID 2.1 look-alike
    #[test]
    fn every_allowed_byte_may_stand_anywhere() {
        for name in ["a", "0", "demo.local", "127.0.0.1", "-a_", "..", "xn--dmo-bma.example"] {
            assert_eq!(TrustDomain::parse(name).map(|parsed| parsed.to_string()), Ok(name.to_owned()));
        }
    }

    // Conforms: SPIFFE-ID 2.1 alphabet, SPIFFE-ID 2.1 lower-case, SPIFFE-ID 2.1 userinfo, SPIFFE-ID 2.1 port
    // Conforms: SPIFFE-ID 2.1 percent
    #[test]
    fn a_byte_outside_the_alphabet_is_named_with_its_place() {
        for (name, offset, found) in [
            ("Demo", 0, 'D'),
            ("demo.Local", 5, 'L'),
            ("a:80", 1, ':'),
            ("u@a", 1, '@'),
            ("a/b", 1, '/'),
            ("a%2e", 1, '%'),
            ("a b", 1, ' '),
            ("a\0", 1, '\0'),
            ("\u{e9}a", 0, '\u{e9}'),
            ("a\u{200b}", 1, '\u{200b}'),
        ] {
            assert_eq!(TrustDomain::parse(name), Err(TrustDomainError::Byte { offset, found }), "{name:?}");
        }
    }

    // Conforms: SPIFFE-ID 2.3 trust-domain-length, SPIFFE-ID 2.1 empty
    #[test]
    fn a_trust_domain_has_1_to_255_bytes() {
        assert_eq!(TrustDomain::parse(""), Err(TrustDomainError::Empty { offset: 0 }));
        assert!(TrustDomain::parse(&"a".repeat(255)).is_ok());
        let too_long = TrustDomainError::TooLong { length: 256, offset: 255 };
        assert_eq!(TrustDomain::parse(&"a".repeat(256)), Err(too_long));
    }

    proptest! {
        #[test]
        fn what_is_accepted_reads_back_the_same(text in ".{0,300}") {
            if let Ok(name) = TrustDomain::parse(&text) {
                prop_assert_eq!(name.as_str(), &text);
                prop_assert!(text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_')));
            }
        }
    }
}
