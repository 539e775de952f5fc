//! Against anchors in each of their forms. That every rule is held to is the business of those who own the rules.

use kith_identity::Bundle;

use super::*;
use crate::commands::svid::pem;
use crate::commands::svid::testing::{Ca, WEB, at};

fn domain(name: &str) -> TrustDomain {
    TrustDomain::parse(name).unwrap()
}

fn chain(ders: Vec<Vec<u8>>) -> Subject {
    Subject::Certificates { ders, keys: vec![], others: vec![], is_presented: false }
}

/// The anchors of `demo.local` in every form.
fn forms(ca: &Ca) -> [(&'static str, String); 3] {
    let jwks = Bundle::parse(domain("demo.local"), &[&ca.der]).unwrap().to_jwks();
    let jwks = String::from_utf8(jwks).unwrap();
    let map = format!(r#"{{"trust_domains":{{"demo.local":{jwks}}}}}"#);
    [("PEM", pem::certificates(&[&ca.der])), ("JWKS", jwks), ("map", map)]
}

fn read(text: &str) -> Anchors {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bundle");
    std::fs::write(&path, text).unwrap();
    Anchors::read(&path).unwrap()
}

fn judge(subject: &Subject, anchors: &Anchors, expected: Option<&str>) -> Verdict {
    let expected = expected.map(domain);
    of(subject, anchors, expected.as_ref(), None, at(0)).unwrap()
}

#[test]
fn a_chain_verifies_by_its_own_anchors_in_every_form_and_by_no_others() {
    let (ca, other) = (Ca::new(), Ca::new());
    let subject = chain(vec![ca.leaf(WEB, 3600).0]);
    for (name, text) in forms(&ca) {
        let verdict = judge(&subject, &read(&text), None);
        assert_eq!(verdict.outcome.as_deref(), Ok(WEB), "{name}");
        assert_eq!(verdict.trust_domain, Some(domain("demo.local")), "{name}");
    }
    for (name, text) in forms(&other) {
        let reason = judge(&subject, &read(&text), None).outcome.unwrap_err();
        assert!(reason.contains("no authority in the bundle of demo.local signed"), "{name}: {reason}");
    }
}

#[test]
fn another_trust_domain_than_the_expected_one_is_refused() {
    let ca = Ca::new();
    let subject = chain(vec![ca.leaf("spiffe://other.example/web", 3600).0]);
    for (name, text) in forms(&ca) {
        assert!(judge(&subject, &read(&text), Some("demo.local")).outcome.is_err(), "{name}");
    }
    // A map has nobody of that domain.
    let [_, _, (_, map)] = forms(&ca);
    let reason = judge(&subject, &read(&map), None).outcome.unwrap_err();
    assert!(reason.contains("no bundle for trust domain other.example"), "{reason}");
}

#[test]
fn the_time_is_the_one_that_was_asked_for() {
    let ca = Ca::new();
    let (subject, anchors) = (chain(vec![ca.leaf(WEB, 3600).0]), read(&pem::certificates(&[&ca.der])));
    let late = of(&subject, &anchors, None, None, at(3601)).unwrap();
    assert!(late.outcome.unwrap_err().contains("expired"));
}

#[test]
fn a_leaf_that_names_nobody_is_nobody_s() {
    let ca = Ca::new();
    let (leaf, _) = ca.leaf_with(WEB, 3600, |params| params.subject_alt_names.clear());
    let verdict = judge(&chain(vec![leaf]), &read(&pem::certificates(&[&ca.der])), None);
    assert!(verdict.outcome.unwrap_err().contains("--trust-domain"));
    let two = |params: &mut rcgen::CertificateParams| {
        params.subject_alt_names.push(params.subject_alt_names[0].clone());
    };
    let verdict =
        judge(&chain(vec![ca.leaf_with(WEB, 3600, two).0]), &read(&pem::certificates(&[&ca.der])), None);
    let reason = verdict.outcome.unwrap_err();
    assert!(reason.contains("2 URIs in subjectAltName"), "what is in the way is said: {reason}");
}

#[test]
fn a_token_is_verified_for_somebody_or_not_at_all() {
    let ca = Ca::new();
    let token = Subject::Token("e30.e30.AAAA".to_owned().into());
    let anchors = read(&pem::certificates(&[&ca.der]));
    assert_eq!(of(&token, &anchors, None, None, at(0)), Err(UsageError::NoAudience));
    let demo = domain("demo.local");
    let verdict = of(&token, &anchors, Some(&demo), Some("api"), at(0)).unwrap();
    assert!(verdict.outcome.is_err());
    let leaf = chain(vec![ca.leaf(WEB, 3600).0]);
    assert_eq!(of(&leaf, &anchors, None, Some("api"), at(0)), Err(UsageError::AudienceOfNoToken));
    let bundle = Subject::Bundle(br#"{"keys":[]}"#.to_vec().into());
    assert_eq!(of(&bundle, &anchors, None, None, at(0)), Err(UsageError::NothingToVerify));
}

#[test]
fn what_holds_no_anchors_is_refused_as_a_bundle() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bundle");
    for text in ["eyJhbGciOiJFUzI1NiJ9.e30.AAAA", "hello", r#"{"trust_domains":{"A":{"keys":[]}}}"#] {
        std::fs::write(&path, text).unwrap();
        assert!(matches!(Anchors::read(&path), Err(InputError::Unknown { .. })), "{text}");
    }
}
