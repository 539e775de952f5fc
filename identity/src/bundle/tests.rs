//! Bundles: of certificates, and of JWK sets. What is refused or ignored differs from a good one in the rule that it is
//! about.

use std::time::Duration;

use super::*;
use crate::bundle_set::BundleSet;
use crate::json::JsonError;
use crate::svid::jwt::testing::{TestKey, bundle_with};
use crate::svid::{Broken, ProfileError};
use crate::testing::{authority, der, leaf};

mod entries;
mod sequences;

fn domain(name: &str) -> TrustDomain {
    TrustDomain::parse(name).unwrap()
}

fn read(jwks: &str) -> Result<Bundle, BundleError> {
    Bundle::from_jwks(domain("demo.local"), jwks.as_bytes())
}

/// The entry of a good certificate and of a good token key.
fn good_entries() -> [String; 2] {
    let jwks = bundle_with("demo.local", [TestKey::p256().authority("one")]).to_jwks();
    let jwks = String::from_utf8(jwks).unwrap();
    let entries = jwks.strip_prefix("{\"keys\":[").unwrap().strip_suffix("]}").unwrap();
    let (first, second) = entries.split_once("},{").unwrap();
    [format!("{first}}}"), format!("{{{second}")]
}

// F10: an empty bundle is not "no change" and not "trust everything".
#[test]
fn a_bundle_of_certificates_without_an_anchor_is_refused() {
    let refused = Bundle::parse::<&[u8]>(domain("demo.local"), &[]);
    assert_eq!(refused, Err(BundleError::Empty { trust_domain: domain("demo.local") }));
}

// F9.
#[test]
fn one_bad_certificate_refuses_the_whole_and_is_named_by_its_place() {
    let anchors = [der(&authority("spiffe://demo.local")), der(&leaf("spiffe://demo.local/a"))];
    let refused = Bundle::parse(domain("demo.local"), &anchors).unwrap_err();
    assert!(matches!(
        refused,
        BundleError::Authority { position: 1, error: Broken { rule: ProfileError::NotAnAuthority, .. }, .. }
    ));
}

// F1, C23.
#[test]
fn an_anchor_that_names_another_trust_domain_is_refused() {
    let anchors = [der(&authority("spiffe://other.example"))];
    let refused = Bundle::parse(domain("demo.local"), &anchors).unwrap_err();
    let (trust_domain, found) = (domain("demo.local"), domain("other.example"));
    assert_eq!(refused, BundleError::Foreign { trust_domain, position: 0, found });
}

// Federation 4.2: never merged.
#[test]
fn a_set_keeps_domains_apart_and_the_later_bundle_of_one_domain_replaces_the_earlier() {
    let bundle = |name: &str| bundle_with(name, []);
    let (old, new, other) = (bundle("demo.local"), bundle("demo.local"), bundle("other.example"));
    let set: BundleSet = [old, other.clone(), new.clone()].into_iter().collect();
    assert_eq!(set.of(&domain("demo.local")), Some(&new));
    assert_eq!(set.of(&domain("other.example")), Some(&other));
    assert_eq!(set.of(&domain("third.example")), None);
    assert_eq!(set.iter().count(), 2);
}

#[test]
fn a_set_remembers_every_key_that_it_distrusts() {
    let key = |octet| crate::svid::KeyHash::from_bytes([octet; 32]);
    let set = BundleSet::from_iter([bundle_with("demo.local", [])]);
    assert!(!set.distrusts(key(1)));
    let set = set.distrusting([key(1)]).distrusting([key(2)]);
    assert!(set.distrusts(key(1)) && set.distrusts(key(2)) && !set.distrusts(key(3)));
    assert_ne!(set, BundleSet::from_iter([set.of(&domain("demo.local")).unwrap().clone()]));
}

// Conforms: X509-SVID 6.1 use, X509-SVID 6.1 kid, X509-SVID 6.1 x5c, JWT-SVID 6.1 use, JWT-SVID 6.1 kid
// Conforms: Bundle 4.2.1 written-kty, Bundle 4.2.2 written-use
#[test]
fn a_bundle_is_written_as_the_standards_say_and_reads_back_the_same() {
    let anchors = [der(&authority("spiffe://demo.local")), der(&authority("spiffe://demo.local"))];
    let keys = [TestKey::p256(), TestKey::p384(), TestKey::p521(), TestKey::rsa()];
    let bundle = Bundle::parse(domain("demo.local"), &anchors)
        .unwrap()
        .with_jwt_authorities(keys.iter().enumerate().map(|(at, key)| key.authority(&at.to_string())))
        .with_sequence(u64::MAX)
        .with_refresh_hint(Duration::from_millis(300_999));
    let jwks = bundle.to_jwks();
    assert_eq!(Bundle::from_jwks(domain("demo.local"), &jwks), Ok(bundle.clone()));
    let document: serde_json::Value = serde_json::from_slice(&jwks).unwrap();
    assert_eq!(document["spiffe_sequence"], u64::MAX);
    assert_eq!(document["spiffe_refresh_hint"], 300);
    let entries = document["keys"].as_array().unwrap();
    for entry in &entries[..2] {
        assert_eq!((&entry["use"], &entry["kty"]), (&"x509-svid".into(), &"EC".into()));
        assert_eq!(entry.get("kid"), None);
        assert_eq!(entry["x5c"].as_array().unwrap().len(), 1);
    }
    for (at, entry) in entries[2..].iter().enumerate() {
        assert_eq!((&entry["use"], &entry["kid"]), (&"jwt-svid".into(), &at.to_string().into()));
        assert_eq!(entry["kty"], if at == 3 { "RSA" } else { "EC" });
    }
}

// Workload-API 6.2.2, W12.
#[test]
fn the_bundle_of_the_jwt_profile_has_token_keys_and_nothing_else() {
    let bundle = bundle_with("demo.local", [TestKey::p256().authority("one")]).with_sequence(7);
    let document: serde_json::Value = serde_json::from_slice(&bundle.to_jwt_jwks()).unwrap();
    assert_eq!(document.as_object().unwrap().keys().collect::<Vec<_>>(), ["keys"]);
    let entries = document["keys"].as_array().unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!((&entries[0]["use"], &entries[0]["kid"]), (&"jwt-svid".into(), &"one".into()));
    let none = bundle_with("demo.local", []).to_jwt_jwks();
    assert_eq!(none, br#"{"keys":[]}"#);
}

// Conforms: Bundle 4.1.3 keys
#[test]
fn keys_must_be_there_and_be_an_array_of_objects() {
    assert_eq!(read("{}"), Err(BundleError::KeysMissing { offset: 0 }));
    assert_eq!(read(r#" {"Keys":[]}"#), Err(BundleError::KeysMissing { offset: 1 }));
    for (document, offset, wanted) in [
        (r#"{"keys":{}}"#, 8, "array"),
        (r#"{"keys":null}"#, 8, "array"),
        (r#"{"keys":[1]}"#, 9, "object"),
        (r#"{"keys":[null]}"#, 9, "object"),
        ("[]", 0, "object"),
    ] {
        assert_eq!(read(document), Err(BundleError::Json(JsonError::Kind { offset, wanted })), "{document}");
    }
}

// F10.
#[test]
fn a_set_without_a_usable_key_is_a_bundle_that_trusts_nobody() {
    for document in [r#"{"keys":[]}"#, r#"{"keys":[{}]}"#, r#"{"keys":[{"kty":"PQC","use":"x509-svid"}]}"#] {
        let bundle = read(document).unwrap();
        assert!(bundle.authorities().is_empty() && bundle.jwt_authorities().is_empty(), "{document}");
    }
}

// Conforms: Bundle 4.1 unknown-parameters
#[test]
fn unknown_parameters_are_not_needed_and_are_written_back_with_their_value() {
    let [certificate, token] = good_entries();
    let extra = r#""a.b":[1.50,1e400,{"\u0000":null}],"z":18446744073709551616,"#;
    let document = format!(
        r#"{{{extra}"keys":[{},{}]}}"#,
        certificate.replacen('{', &format!("{{{extra}"), 1),
        token.replacen('{', &format!("{{{extra}"), 1),
    );
    let bundle = read(&document).unwrap();
    assert_eq!(bundle.ignored(), []);
    let written = String::from_utf8(bundle.to_jwks()).unwrap();
    assert_eq!(written.matches("18446744073709551616").count(), 3);
    assert_eq!(written.matches(r#""a.b":[1.50,1e400,{"\u0000":null}]"#).count(), 3);
    assert_eq!(read(&written), Ok(bundle));
}

// Conforms: Bundle 4.1.1 width
#[test]
fn a_sequence_is_an_exact_64_bit_integer() {
    let sequence = |text: &str| read(&format!(r#"{{"keys":[],"spiffe_sequence":{text}}}"#));
    for number in [0, 1, 9_007_199_254_740_993, u64::MAX] {
        assert_eq!(sequence(&number.to_string()).unwrap().sequence(), Some(number));
    }
    for text in ["-1", "1.0", "1e3", "\"1\"", "null", "18446744073709551616", "[1]", "true"] {
        let error = JsonError::Kind { offset: 29, wanted: "unsigned 64-bit integer" };
        assert_eq!(sequence(text), Err(BundleError::Json(error)), "{text}");
    }
    assert_eq!(read(r#"{"keys":[]}"#).unwrap().sequence(), None);
}

// Conforms: Bundle 4.1.2 seconds
// F4.
#[test]
fn a_hint_is_an_integer_and_whoever_polls_keeps_it_between_30_seconds_and_24_hours() {
    let hint = |text: &str| read(&format!(r#"{{"keys":[],"spiffe_refresh_hint":{text}}}"#));
    for (text, want, poll) in [
        ("0", 0, 30),
        ("-1", 0, 30),
        ("-99999999999999999999999", 0, 30),
        ("29", 29, 30),
        ("31", 31, 31),
        ("86400", 86_400, 86_400),
        ("86401", 86_401, 86_400),
        ("1000000000000000000", 1_000_000_000_000_000_000, 86_400),
        ("99999999999999999999999", u64::MAX, 86_400),
    ] {
        let bundle = hint(text).unwrap();
        assert_eq!(bundle.refresh_hint(), Some(Duration::from_secs(want)), "{text}");
        assert_eq!(bundle.poll_interval(), Duration::from_secs(poll), "{text}");
    }
    for text in ["1.5", "1e18", "300.0", "\"300\"", "null", "[300]"] {
        let error = JsonError::Kind { offset: 33, wanted: "integer" };
        assert_eq!(hint(text), Err(BundleError::Json(error)), "{text}");
    }
    assert_eq!(read(r#"{"keys":[]}"#).unwrap().poll_interval(), Duration::from_secs(300));
}

// F5.
#[test]
fn size_and_number_of_keys_are_bounded() {
    let keys = |count: usize| format!("{{\"keys\":[{}]}}", vec!["{}"; count].join(","));
    assert_eq!(read(&keys(100)).unwrap().ignored().len(), 100);
    assert_eq!(read(&keys(101)), Err(BundleError::TooManyKeys { count: 101, limit: 100 }));
    assert_eq!(read(&keys(10_000)), Err(BundleError::TooManyKeys { count: 10_000, limit: 100 }));
    let long = " ".repeat(1024 * 1024 + 1);
    let error = JsonError::TooLong { length: long.len(), limit: 1024 * 1024 };
    assert_eq!(read(&long), Err(BundleError::Json(error)));
    let deep = format!("{{\"keys\":[],\"a\":{}", "[".repeat(100_000));
    assert_eq!(read(&deep), Err(BundleError::Json(JsonError::TooDeep { offset: 30, limit: 16 })));
}

// F5.
#[test]
fn what_is_kept_can_be_written_and_read_again_however_it_is_spelt() {
    let document = format!(r#"{{"keys":[],"a":"{}"}}"#, r"\n\t\b".repeat(170_000));
    let bundle = read(&document).unwrap();
    assert_eq!(read(std::str::from_utf8(&bundle.to_jwks()).unwrap()), Ok(bundle));
    // What the certificate implies is written out: this is just short enough to be read, and not to be passed on.
    let [certificate, _] = good_entries();
    let mut entry: serde_json::Value = serde_json::from_str(&certificate).unwrap();
    entry.as_object_mut().unwrap().retain(|name, _| ["kty", "use", "x5c"].contains(&name.as_str()));
    let entry = entry.to_string();
    let padding = " ".repeat(1024 * 1024 - entry.len() - r#"{"keys":[],"a":""}"#.len());
    let refused = read(&format!(r#"{{"keys":[{entry}],"a":"{padding}"}}"#));
    assert!(matches!(refused, Err(BundleError::Json(JsonError::TooLong { length: 1_048_577.., .. }))));
}

// F8.
#[test]
fn a_member_that_stands_twice_refuses_the_bundle_wherever_it_stands() {
    let [certificate, _] = good_entries();
    for document in [
        r#"{"keys":[],"keys":[]}"#.to_owned(),
        r#"{"keys":[],"spiffe_sequence":1,"spiffe_sequence":2}"#.to_owned(),
        r#"{"keys":[],"a":{"b":1,"b":1}}"#.to_owned(),
        format!(r#"{{"keys":[{}]}}"#, certificate.replacen('{', r#"{"use":"jwt-svid","#, 1)),
        format!(r#"{{"keys":[{}]}}"#, certificate.replacen('{', r#"{"\u0078509":1,"x509":1,"#, 1)),
    ] {
        assert!(matches!(read(&document), Err(BundleError::Json(JsonError::Duplicate { .. }))), "{document}");
    }
}

#[test]
fn an_id_names_one_key_however_the_bundle_was_made() {
    let (first, second) = (TestKey::p256().authority("one"), TestKey::p256().authority("one"));
    let bundle = bundle_with("demo.local", [first.clone(), second.clone()]).with_jwt_authorities([second]);
    assert_eq!(bundle.jwt_authorities(), [first]);
}

#[test]
fn a_person_is_told_whose_certificates_a_document_holds() {
    let named = |jwks: &[u8]| Bundle::trust_domain_named_in(jwks);
    assert_eq!(named(&bundle_with("other.example", []).to_jwks()), Some(domain("other.example")));
    let nameless = Bundle::parse(
        domain("demo.local"),
        &[der(&{
            let mut anonymous = authority("spiffe://demo.local");
            anonymous.subject_alt_names.clear();
            anonymous
        })],
    );
    assert_eq!(named(&nameless.unwrap().to_jwks()), None);
    assert_eq!(named(b"{\"keys\":[]}"), None);
    assert_eq!(named(b"{"), None);
}
