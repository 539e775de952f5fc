//! Bundles and maps of them: what was read is written and read again the same, and no bundle holds a foreign authority.

use kith_identity::{Bundle, BundleMap, TrustDomain};

/// A JWK set of one trust domain.
pub fn bundle(data: &[u8]) -> bool {
    let name = TrustDomain::parse("corpus.example").expect("of the alphabet");
    let Ok(bundle) = Bundle::from_jwks(name.clone(), data) else { return false };
    check(&bundle);
    let again = Bundle::from_jwks(name, &bundle.to_jwks()).expect("what we write we read");
    same(&bundle, &again);
    assert_eq!(bundle.refresh_hint(), again.refresh_hint());
    assert!(again.ignored().is_empty(), "nothing is written that is ignored: {:?}", again.ignored());
    assert_eq!(bundle.follows(&bundle), Ok(()), "a bundle may follow itself");
    assert_eq!(again.follows(&bundle), Ok(()), "and so may the same one, written anew");
    assert!((30..=86_400).contains(&bundle.poll_interval().as_secs()), "F4");
    true
}

/// A map of bundles.
pub fn bundle_map(data: &[u8]) -> bool {
    let Ok(map) = BundleMap::parse(data) else { return false };
    let again = BundleMap::parse(&map.to_json()).expect("what we write we read");
    assert_eq!(map.iter().count(), again.iter().count());
    for bundle in map.iter() {
        check(bundle);
        assert_eq!(bundle.refresh_hint(), None, "Trust-Domain-and-Bundle 5.1.1");
        same(bundle, again.of(bundle.trust_domain()).expect("every domain is written"));
    }
    true
}

fn check(bundle: &Bundle) {
    for authority in bundle.authorities() {
        let named = authority.trust_domain();
        assert!(named.is_none_or(|named| named == bundle.trust_domain()), "Federation 4.2");
    }
    for key in bundle.jwt_authorities() {
        let found = bundle.jwt_authority(key.key_id()).expect("it is there");
        assert_eq!(found.key_hash(), key.key_hash(), "an id names one key");
    }
}

fn same(one: &Bundle, other: &Bundle) {
    assert_eq!(one.trust_domain(), other.trust_domain());
    assert_eq!(one.authorities(), other.authorities());
    assert_eq!(one.jwt_authorities(), other.jwt_authorities());
    assert_eq!(one.sequence(), other.sequence());
}
