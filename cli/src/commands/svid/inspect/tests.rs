//! Which rules are held against what. The rules themselves are tested where they live.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kith_identity::Bundle;

use super::*;
use crate::commands::svid::pem;
use crate::commands::svid::testing::{Ca, WEB, at};

const PARTNER: &str = "partner.example";

fn report(bytes: impl AsRef<[u8]>) -> Report {
    look_at("it", bytes.as_ref(), None, at(0)).unwrap()
}

fn subject(bytes: &[u8]) -> Subject {
    let content = Content::Bytes { bytes: bytes.to_vec().into(), mode: None };
    Subject::of(&input::Input { name: "it".to_owned(), content }).unwrap()
}

fn rules(report: &Report) -> Vec<String> {
    let of_bundles = report.bundles.iter().flat_map(|(_, of)| of);
    let certificates = report.certificates.iter().chain(of_bundles).flat_map(|one| &one.flaws);
    report.flaws.iter().chain(certificates).map(|flaw| flaw.rule.clone()).collect()
}

#[test]
fn each_certificate_of_a_file_is_held_to_the_rules_of_what_it_says_it_is() {
    let ca = Ca::new();
    let (leaf, _) = ca.leaf(WEB, 3600);
    let report = report(pem::certificates(&[&leaf, &ca.der]));
    let roles: Vec<_> = report.certificates.iter().map(|certificate| certificate.role).collect();
    assert_eq!(roles, [RoleOf::Leaf, RoleOf::Authority]);
    assert_eq!(rules(&report), Vec::<String>::new());
    assert!(report.is_sound());
}

// Conforms: X509-SVID 3.2 no-authentication
#[test]
fn what_a_server_presents_first_is_held_to_the_rules_of_a_leaf() {
    let ca = Ca::new();
    let (leaf, _) = ca.leaf(WEB, 3600);
    let presented = certificates(&[ca.der.clone(), ca.der, leaf], true, at(0));
    let roles: Vec<_> = presented.iter().map(|certificate| certificate.role).collect();
    assert_eq!(roles, [RoleOf::Leaf, RoleOf::Authority, RoleOf::Authority], "only the first is its own");
    assert!(!presented[2].flaws.is_empty());
    assert!(presented[0].flaws.iter().any(|flaw| flaw.section.as_deref() == Some("X509-SVID 4.1")));
}

#[test]
fn every_broken_rule_is_told_and_time_is_one_of_them() {
    let (leaf, _) = Ca::new().leaf_with(WEB, -1, |params| {
        params.key_usages.clear();
        params.extended_key_usages.pop();
    });
    let told = rules(&report(&leaf)).join("; ");
    for want in ["no keyUsage", "clientAuth", "expired 1s ago"] {
        assert!(told.contains(want), "{want}: {told}");
    }
}

#[test]
fn a_bundle_without_a_name_takes_that_of_its_authorities() {
    let ca = Ca::named(&format!("spiffe://{PARTNER}"));
    let jwks = Bundle::parse(TrustDomain::parse(PARTNER).unwrap(), &[&ca.der]).unwrap().to_jwks();
    let report = report(jwks);
    assert_eq!(report.bundles[0].0.trust_domain().as_str(), PARTNER);
    assert_eq!((report.bundles[0].1.len(), report.broken()), (1, 0), "{:?}", rules(&report));
}

#[test]
fn keys_of_unknown_kinds_break_no_rule_and_a_leaf_in_a_bundle_does() {
    let unknown = report(r#"{"keys":[{"kty":"XYZ","use":"x509-svid"},{"kty":"EC","use":"other"}]}"#);
    assert_eq!((unknown.broken(), unknown.bundles[0].0.ignored().len()), (0, 2));
    let none = report(r#"{"keys":[{"kty":"EC","use":"x509-svid"}]}"#);
    assert_eq!(none.flaws[0].section.as_deref(), Some("X509-SVID 6.2"));
}

#[test]
fn a_token_breaks_a_rule_outside_the_time_it_is_for() {
    let token = |claim: &str, offset: i64| {
        let second = 1_800_000_000 + offset;
        let claims = format!(r#"{{"sub":"{WEB}","aud":"api","exp":1800009999,"{claim}":{second}}}"#);
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        rules(&report(format!("{}.{}.AAAA", encode(r#"{"alg":"ES256","kid":"k"}"#), encode(&claims))))
    };
    for claim in ["nbf", "iat"] {
        assert_eq!(token(claim, 60), Vec::<String>::new(), "as far as clocks may differ");
        let told = token(claim, 61).join("; ");
        assert!(told.contains(claim) && told.contains("in the future"), "{told}");
    }
}

#[test]
fn a_trust_domain_that_nothing_is_held_against_is_refused() {
    let certificates = subject(pem::certificates(&[&Ca::new().leaf(WEB, 3600).0]).as_bytes());
    let token = subject(b"eyJhbGciOiJFUzI1NiJ9.e30.AAAA");
    for subject in [&certificates, &token] {
        assert_eq!(check_trust_domain(subject, false), Err(UsageError::NoAnchors));
        assert_eq!(check_trust_domain(subject, true), Ok(()));
    }
    assert_eq!(check_trust_domain(&subject(br#"{"keys":[]}"#), false), Ok(()), "it says whose it is");
}

#[test]
fn a_bundle_without_keys_breaks_a_rule_and_broken_json_is_unreadable() {
    assert_eq!(report("{}").flaws[0].section.as_deref(), Some("Trust-Domain-and-Bundle 4.1.3"));
    for text in [r#"{"keys":["#, r#"{"trust_domains":{"#] {
        assert!(
            matches!(look_at("it", text.as_bytes(), None, at(0)), Err(InputError::Unknown { .. })),
            "{text}"
        );
    }
}

#[test]
fn a_map_has_a_bundle_for_each_trust_domain() {
    let report = report(r#"{"trust_domains":{"a.example":{"keys":[]},"b.example":{"keys":[]}}}"#);
    let names: Vec<_> = report.bundles.iter().map(|(bundle, _)| bundle.trust_domain().to_string()).collect();
    assert_eq!(names, ["a.example", "b.example"]);
}

#[test]
fn a_key_that_others_may_read_is_a_flaw_of_the_file() {
    let (leaf, key) = Ca::new().leaf(WEB, 3600);
    let text = format!("{}{}", pem::certificates(&[&leaf]), key.serialize_pem());
    for (mode, broken) in [(Some(0o600), 0), (None, 0), (Some(0o644), 1)] {
        let report = look_at("it", text.as_bytes(), mode, at(0)).unwrap();
        assert_eq!((report.broken(), report.beside.join(", ").as_str()), (broken, "PRIVATE KEY"));
    }
}
