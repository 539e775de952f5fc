//! Maps of bundles.

use std::time::Duration;

use super::*;
use crate::bundle_set::BundleSet;
use crate::svid::jwt::testing::{TestKey, bundle_with};

fn domain(name: &str) -> TrustDomain {
    TrustDomain::parse(name).unwrap()
}

fn refused(json: &str) -> BundleMapError {
    BundleMap::parse(json.as_bytes()).expect_err(json)
}

// Conforms: BundleMap 5.1.1 trust-domains
#[test]
fn trust_domains_must_be_there_and_may_be_empty() {
    let empty = BundleMap::parse(br#"{"trust_domains":{}}"#).unwrap();
    assert_eq!(empty.iter().count(), 0);
    assert_eq!(refused("{}"), BundleMapError::TrustDomainsMissing);
    assert_eq!(refused(r#"{"keys":[]}"#), BundleMapError::TrustDomainsMissing);
    for value in ["null", "[]", "\"a\""] {
        let error = JsonError::Kind { offset: 17, wanted: "object" };
        assert_eq!(refused(&format!(r#"{{"trust_domains":{value}}}"#)), BundleMapError::Json(error));
    }
}

// Conforms: BundleMap 5.1.1 unique
#[test]
fn a_trust_domain_that_stands_twice_refuses_the_map() {
    for second in ["demo.local", "\\u0064emo.local"] {
        let json = format!(r#"{{"trust_domains":{{"demo.local":{{"keys":[]}},"{second}":{{"keys":[]}}}}}}"#);
        assert_eq!(refused(&json), BundleMapError::Json(JsonError::Duplicate { offset: 43 }));
    }
    // Another case is another name to JSON, so it must be no name to us.
    let json = r#"{"trust_domains":{"demo.local":{"keys":[]},"Demo.local":{"keys":[]}}}"#;
    assert!(matches!(refused(json), BundleMapError::TrustDomain { offset: 56, .. }));
}

#[test]
fn one_bad_name_or_bundle_refuses_the_map() {
    for name in ["", "spiffe://demo.local", "demo.local/", "demo local", "\\u0000"] {
        let json = format!(r#"{{"trust_domains":{{"good":{{"keys":[]}},"{name}":{{"keys":[]}}}}}}"#);
        assert!(matches!(refused(&json), BundleMapError::TrustDomain { .. }), "{name}");
    }
    let json = r#"{"trust_domains":{"good":{"keys":[]},"bad":{}}}"#;
    let error = BundleError::KeysMissing { offset: 43 };
    assert_eq!(refused(json), BundleMapError::Bundle { trust_domain: domain("bad"), error });
}

// Conforms: BundleMap 5.1.1 inner-hint
#[test]
fn a_bundles_own_hint_is_gone_so_that_nobody_can_poll_the_map_by_it() {
    let bundle = bundle_with("demo.local", []).with_refresh_hint(Duration::from_secs(1)).with_sequence(3);
    let inner = String::from_utf8(bundle.to_jwks()).unwrap();
    assert!(inner.contains("spiffe_refresh_hint"));
    let map =
        BundleMap::parse(format!(r#"{{"trust_domains":{{"demo.local":{inner}}}}}"#).as_bytes()).unwrap();
    let read = map.of(&domain("demo.local")).unwrap();
    assert_eq!((read.refresh_hint(), read.sequence()), (None, Some(3)));
    assert!(!String::from_utf8(map.to_json()).unwrap().contains("spiffe_refresh_hint"));
}

#[test]
fn a_map_reads_back_as_it_was_written_with_what_it_did_not_understand() {
    let map = BundleMap::from_iter([
        bundle_with("demo.local", [TestKey::p256().authority("one")]).with_sequence(1),
        bundle_with("other.example", []),
    ]);
    let json = String::from_utf8(map.to_json()).unwrap().replacen('{', r#"{"new":[1.0],"#, 1);
    let read = BundleMap::parse(json.as_bytes()).unwrap();
    assert_eq!(read.to_json(), json.as_bytes());
    assert_eq!(BundleMap::parse(&read.to_json()), Ok(read.clone()));
    let set = BundleSet::from_iter(read);
    assert_eq!(set.of(&domain("other.example")), map.of(&domain("other.example")));
    assert_eq!(set.iter().count(), 2);
}

// F1: the entry's name decides, whatever the certificates say.
#[test]
fn an_authority_under_another_trust_domains_name_anchors_nobody() {
    let theirs = String::from_utf8(bundle_with("other.example", []).to_jwks()).unwrap();
    let map =
        BundleMap::parse(format!(r#"{{"trust_domains":{{"demo.local":{theirs}}}}}"#).as_bytes()).unwrap();
    assert_eq!(map.of(&domain("demo.local")).unwrap().authorities(), []);
}

// F5.
#[test]
fn the_number_of_trust_domains_is_bounded() {
    let domains = |count: usize| {
        let each: Vec<_> = (0..count).map(|at| format!(r#""d{at}":{{"keys":[]}}"#)).collect();
        format!(r#"{{"trust_domains":{{{}}}}}"#, each.join(","))
    };
    assert_eq!(BundleMap::parse(domains(256).as_bytes()).unwrap().iter().count(), 256);
    assert_eq!(refused(&domains(257)), BundleMapError::TooManyDomains { count: 257, limit: 256 });
}
