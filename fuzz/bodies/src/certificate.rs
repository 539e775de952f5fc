//! One certificate: no certificate is both a leaf and an authority, and what is said of it to people is what decides.

use kith_identity::svid::{Authority, Broken, Leaf, ProfileError, inspect};

/// A certificate, read in all three ways.
pub fn certificate(data: &[u8]) -> bool {
    let (leaf, authority) = (Leaf::parse(data), Authority::parse(data));
    let seen = inspect::certificate(data);
    assert!(leaf.is_err() || authority.is_err(), "X509-SVID 3.2: a peer does not sign");
    assert_eq!(leaf.as_ref().err(), first(&seen.broken_as_leaf), "the first broken rule of the same list");
    assert_eq!(authority.as_ref().err(), first(&seen.broken_as_authority), "the first of the same list");
    for broken in seen.broken_as_leaf.iter().chain(&seen.broken_as_authority) {
        assert!(broken.offset <= data.len(), "{broken} lies outside");
        assert!(!broken.rule.section().is_empty(), "{broken} is a rule of some standard");
    }
    if let Ok(leaf) = &leaf {
        assert!(!leaf.identity().path().is_empty(), "X509-SVID 3.1");
        assert!(leaf.not_before() <= leaf.not_after());
        assert!((1..=20).contains(&leaf.serial().octets().len()), "RFC 5280 4.1.2.2");
        assert_eq!(seen.identity.as_ref(), Some(leaf.identity()), "people see who it is");
    }
    if let Ok(authority) = &authority {
        assert_eq!(authority.der(), data, "kept as it was read");
        assert!(authority.not_before() <= authority.not_after());
    }
    leaf.is_ok() || authority.is_ok()
}

/// What a parser would stop at: only for people does anybody calculate whether a key can be one.
fn first(broken: &[Broken]) -> Option<&Broken> {
    broken.iter().find(|broken| broken.rule != ProfileError::NoKey)
}
