//! The name before the path. Owns its alphabet and length (SPIFFE-ID §2.1, §2.3); knows nothing of URIs.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// SPIFFE-ID §2.3: a trust domain is at most 255 bytes.
const MAX_BYTES: usize = 255;

/// A trust domain name, such as `demo.local`. Holding one means that it is valid.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrustDomain(Arc<str>);

/// Why a text is not a trust domain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustDomainError {
    /// SPIFFE-ID §2.1: the name is empty.
    #[error("the trust domain is empty")]
    Empty,
    /// SPIFFE-ID §2.3: the name is longer than 255 bytes.
    #[error("the trust domain has {length} bytes, more than 255")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// SPIFFE-ID §2.1: a byte outside `[a-z0-9.-_]`.
    #[error(
        "byte {offset} of the trust domain is {found:?}; only a-z, 0-9, '.', '-' and '_' may stand there"
    )]
    Byte {
        /// Where, from the start of the name.
        offset: usize,
        /// What stands there.
        found: char,
    },
}

impl TrustDomain {
    /// Parses a name; the only way to make one.
    pub fn parse(text: &str) -> Result<Self, TrustDomainError> {
        if text.is_empty() {
            return Err(TrustDomainError::Empty);
        }
        if text.len() > MAX_BYTES {
            return Err(TrustDomainError::TooLong { length: text.len() });
        }
        match text.char_indices().find(|(_, c)| !is_allowed(*c)) {
            Some((offset, found)) => Err(TrustDomainError::Byte { offset, found }),
            None => Ok(Self(text.into())),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_allowed(c: char) -> bool {
    matches!(c, 'a'..='z' | '0'..='9' | '.' | '-' | '_')
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

    // SPIFFE-ID 2.1: names that look like addresses or DNS names are names like any other.
    #[test]
    fn every_allowed_byte_may_stand_anywhere() {
        for name in ["a", "0", "demo.local", "127.0.0.1", "-a_", "..", "xn--dmo-bma.example"] {
            assert_eq!(TrustDomain::parse(name).map(|parsed| parsed.to_string()), Ok(name.to_owned()));
        }
    }

    // SPIFFE-ID 2.1.
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

    // SPIFFE-ID 2.3.
    #[test]
    fn a_trust_domain_has_1_to_255_bytes() {
        assert_eq!(TrustDomain::parse(""), Err(TrustDomainError::Empty));
        assert!(TrustDomain::parse(&"a".repeat(255)).is_ok());
        assert_eq!(TrustDomain::parse(&"a".repeat(256)), Err(TrustDomainError::TooLong { length: 256 }));
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
