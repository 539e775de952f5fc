//! From certificates made here. Hashes, serial numbers and offsets differ at every run, and are masked.

use rcgen::{CertificateParams, SanType};

use super::*;
use crate::commands::svid::testing::{Ca, WEB, at, masked};
use crate::commands::svid::{look_at, pem};
use crate::render::{escape, json};

/// A report of a file with these bytes.
fn report(bytes: &[u8]) -> Report {
    look_at("web.pem", bytes, Some(0o644), at(0)).unwrap()
}

fn plain(text: &str) -> String {
    let text = anstream::adapter::strip_str(text).to_string();
    assert!(!text.lines().any(|line| line.chars().any(escape::deceives)), "G1, G2: {text}");
    masked(&text)
}

fn spoilt(spoil: impl FnOnce(&mut CertificateParams)) -> String {
    pem::certificates(&[&Ca::new().leaf_with(WEB, 3600, spoil).0])
}

#[test]
fn a_chain_of_which_nothing_is_broken() {
    let ca = Ca::new();
    let (leaf, _) = ca.leaf(WEB, 3600);
    let report = report(pem::certificates(&[&leaf, &ca.der]).as_bytes());
    insta::assert_snapshot!(plain(&table(&report)));
}

#[test]
fn every_broken_rule_has_its_section_and_its_place() {
    let text = spoilt(|params| {
        params.key_usages.clear();
        params.subject_alt_names.push(SanType::URI("spiffe://other.example/\u{7f}x".try_into().unwrap()));
        params.subject_alt_names.push(SanType::DnsName("web.shop".try_into().unwrap()));
        params.extended_key_usages.pop();
        (params.not_before, params.not_after) = (at(-20).into(), at(-10).into());
    });
    let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
    let report = report(format!("{text}{key}").as_bytes());
    insta::assert_snapshot!(plain(&table(&report)));
    assert!(!report.is_sound());
}

#[test]
fn a_verdict_is_the_last_word_and_that_there_is_none_is_said() {
    let mut report = report(spoilt(|_| ()).as_bytes());
    let none = "no rule is broken; whether to believe it was not asked (--bundle)";
    assert!(plain(&table(&report)).ends_with(none));
    let demo = kith_identity::TrustDomain::parse("demo.local").unwrap();
    report.verdict = Some(Verdict { trust_domain: Some(demo), outcome: Ok(WEB.to_owned()) });
    assert!(plain(&table(&report)).ends_with(
        "\nno rule is broken\n\nVERIFIED  spiffe://demo.local/ns/shop/sa/web by the anchors given for demo.local"
    ));
    assert!(report.is_sound());
    report.verdict = Some(Verdict { trust_domain: None, outcome: Err("it has expired".to_owned()) });
    assert!(plain(&table(&report)).ends_with("\nno rule is broken\n\nREFUSED   it has expired"));
    assert!(!report.is_sound());
}

#[test]
fn a_bundle_that_names_nobody_says_how_to_name_it() {
    let report = report(br#"{"keys":[],"spiffe_sequence":7,"spiffe_refresh_hint":300}"#);
    insta::assert_snapshot!(plain(&table(&report)));
    let value = serde_json::to_value(InspectionJson::new(&report)).unwrap();
    let bundle = &value["bundles"][0];
    assert_eq!((bundle["trust_domain"].is_null(), bundle["sequence"].as_u64()), (true, Some(7)));
}

#[test]
fn a_token_is_shown_as_what_it_says() {
    // {"alg":"none","jku":"x"} . {"sub":"spiffe://demo.local/web","exp":1}
    let token =
        "eyJhbGciOiJub25lIiwiamt1IjoieCJ9.eyJzdWIiOiJzcGlmZmU6Ly9kZW1vLmxvY2FsL3dlYiIsImV4cCI6MX0.AAAA";
    let report = report(token.as_bytes());
    insta::assert_snapshot!(plain(&table(&report)));
}

#[test]
fn an_extension_has_its_name_in_both_forms() {
    let report = report(spoilt(|params| params.use_authority_key_identifier_extension = true).as_bytes());
    assert!(plain(&table(&report)).contains("others    authorityKeyIdentifier"));
    let value = serde_json::to_value(InspectionJson::new(&report)).unwrap();
    let extensions = value["certificates"][0]["extensions"].as_array().unwrap();
    let found = extensions.iter().find(|extension| extension["oid"] == "2.5.29.35").unwrap();
    assert_eq!(found["name"], "authorityKeyIdentifier");
}

#[test]
fn the_json_of_a_chain() {
    let report = report(spoilt(|params| params.key_usages.clear()).as_bytes());
    insta::assert_snapshot!(masked(&json::pretty(&InspectionJson::new(&report)).unwrap()));
}
