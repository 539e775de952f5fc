//! Whom a handshake accepts. Owns the comparison and its wording; proving the identity comes first, elsewhere.

use std::collections::BTreeSet;
use std::fmt;

use kith_identity::{SpiffeId, TrustDomain};

/// How many identities a message lists before it only counts the rest.
const MAX_LISTED: usize = 3;

/// The peers that a handshake accepts. There is no variant for "anybody": a side that does not know whom it
/// expects has nothing to verify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accept {
    /// Every identity of one trust domain; what each may do is then for policy to say.
    TrustDomain(TrustDomain),
    /// Exactly these identities. The empty set accepts nobody.
    OneOf(BTreeSet<SpiffeId>),
}

impl Accept {
    /// Exactly one identity.
    pub fn only(identity: SpiffeId) -> Self {
        Self::OneOf(BTreeSet::from([identity]))
    }

    /// Whether a proven identity is among those accepted.
    pub(crate) fn includes(&self, identity: &SpiffeId) -> bool {
        match self {
            Self::TrustDomain(trust_domain) => identity.trust_domain() == trust_domain,
            Self::OneOf(identities) => identities.contains(identity),
        }
    }
}

impl fmt::Display for Accept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let identities = match self {
            Self::TrustDomain(trust_domain) => return write!(f, "any identity of {trust_domain}"),
            Self::OneOf(identities) => identities,
        };
        if identities.is_empty() {
            return f.write_str("nobody");
        }
        for (position, identity) in identities.iter().take(MAX_LISTED).enumerate() {
            let separator = if position == 0 { "" } else { " or " };
            write!(f, "{separator}{identity}")?;
        }
        match identities.len().saturating_sub(MAX_LISTED) {
            0 => Ok(()),
            rest => write!(f, " or one of {rest} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(name: &str) -> SpiffeId {
        SpiffeId::parse(&format!("spiffe://demo.local/ns/shop/sa/{name}")).unwrap()
    }

    #[test]
    fn a_trust_domain_accepts_its_own_identities_and_no_name_that_merely_looks_like_it() {
        let accept = Accept::TrustDomain(TrustDomain::parse("demo.local").unwrap());
        assert!(accept.includes(&identity("web")));
        for other in ["spiffe://demo.local.evil/a", "spiffe://demo/a", "spiffe://x.demo.local/a"] {
            assert!(!accept.includes(&SpiffeId::parse(other).unwrap()), "{other}");
        }
    }

    #[test]
    fn an_empty_set_accepts_nobody() {
        let accept = Accept::OneOf(BTreeSet::new());
        assert!(!accept.includes(&identity("web")));
        assert_eq!(accept.to_string(), "nobody");
    }

    #[test]
    fn a_long_list_is_named_in_part_and_counted_in_full() {
        let accept = Accept::OneOf(["a", "b", "c", "d", "e"].into_iter().map(identity).collect());
        let text = accept.to_string();
        assert!(text.starts_with("spiffe://demo.local/ns/shop/sa/a or spiffe://"), "{text}");
        assert!(text.ends_with("/sa/c or one of 2 more"), "{text}");
    }
}
