//! What a certificate shows, and that all of its faults are found at once.

use super::*;
use crate::svid::ProfileError;
use crate::testing::{Raw, element, oid, san, sequence};

const WEB: &str = "spiffe://demo.local/ns/shop/sa/web";

#[test]
fn a_correct_certificate_shows_all_that_it_says() {
    let mut raw = Raw::leaf(WEB);
    raw.subject = Raw::name(b"web");
    let dns = b"web.shop.svc";
    raw.set(17, true, &san(&[(0x86, WEB.as_bytes()), (0x82, dns), (0x87, &[10, 0, 0, 1]), (0x87, &[0; 16])]));
    let der = raw.der();
    let seen = certificate(&der);
    let leaf = Leaf::parse(&der).unwrap();
    assert_eq!((seen.subject.as_deref(), seen.issuer.as_deref()), (Some("CN=web"), Some("CN=test")));
    assert_eq!(seen.identity.as_ref(), Some(leaf.identity()));
    assert_eq!(seen.serial.as_ref(), Some(leaf.serial()));
    assert_eq!((seen.not_before, seen.not_after), (Some(leaf.not_before()), Some(leaf.not_after())));
    assert_eq!((seen.key, seen.key_hash), (Some(PublicKey::P256), Some(leaf.key_hash())));
    assert_eq!(seen.signature_algorithm.as_deref(), Some("ECDSA with SHA-256"));
    assert_eq!(seen.key_usage, ["digitalSignature"]);
    assert_eq!(seen.extended_key_usage, ["serverAuth", "clientAuth"]);
    assert_eq!((seen.is_ca, seen.path_length), (Some(false), None));
    let names: Vec<_> = seen.names.iter().map(|name| (name.kind, name.text.as_str())).collect();
    assert_eq!(names, [("URI", WEB), ("DNS", "web.shop.svc"), ("IP", "10.0.0.1"), ("IP", "::")]);
    let extensions: Vec<_> = seen.extensions.iter().filter_map(|e| Some((e.name?, e.critical))).collect();
    let want = [
        ("keyUsage", true),
        ("extendedKeyUsage", false),
        ("basicConstraints", true),
        ("subjectAltName", true),
    ];
    assert_eq!(extensions, want);
    assert_eq!(seen.broken_as_leaf, []);
    let as_authority: Vec<_> = seen.broken_as_authority.into_iter().map(|broken| broken.rule).collect();
    let want = [
        ProfileError::NotAnAuthority,
        ProfileError::KeyUsageLacks("keyCertSign"),
        ProfileError::AuthorityPath,
    ];
    assert_eq!(as_authority, want);
}

#[test]
fn a_key_that_nobody_can_have_is_found_although_it_looks_like_one() {
    let mut raw = Raw::leaf(WEB);
    raw.key = Raw::ec_key(&Raw::P256, 65);
    let off_curve = certificate(&raw.der());
    // All of its bits are set: odd. One less is even.
    raw.key = Raw::rsa_key(2048, &[1, 0, 1]);
    assert_eq!(certificate(&raw.der()).broken_as_leaf, []);
    let exponent = raw.key.len() - 6;
    raw.key[exponent] = 0xfe;
    for seen in [off_curve, certificate(&raw.der())] {
        let [broken] = seen.broken_as_leaf.as_slice() else { panic!("{:?}", seen.broken_as_leaf) };
        assert_eq!(broken.rule, ProfileError::NoKey);
    }
}

#[test]
fn an_authority_shows_its_path_length_and_why_it_is_no_peer() {
    let mut raw = Raw::authority("spiffe://demo.local");
    raw.set(19, true, &[0x30, 6, 1, 1, 0xff, 2, 1, 3]);
    let seen = certificate(&raw.der());
    assert_eq!((seen.is_ca, seen.path_length), (Some(true), Some(3)));
    assert_eq!(seen.key_usage, ["keyCertSign", "cRLSign"]);
    assert_eq!(seen.broken_as_authority, []);
    let rules: Vec<_> = seen.broken_as_leaf.into_iter().map(|broken| broken.rule).collect();
    let want = [
        ProfileError::LeafIsAuthority,
        ProfileError::KeyUsageLacks("digitalSignature"),
        ProfileError::KeyUsageHas("keyCertSign"),
        ProfileError::KeyUsageHas("cRLSign"),
        ProfileError::RootPath,
    ];
    assert_eq!(rules, want);
}

#[test]
fn every_broken_rule_is_listed_and_the_first_is_the_parsers() {
    let mut raw = Raw::leaf("https://demo.local/a");
    raw.version.clear();
    raw.serial = element(2, &[0]);
    raw.sign_with(&[6, 3, 0x2b, 0x65, 0x70]);
    raw.not_after = element(0x17, b"250101000000Z");
    raw.key = Raw::rsa_key(1024, &[3]);
    raw.extensions.push(sequence(&[&oid(&[1, 2, 3])[..], &[1, 1, 0xff], &[4, 2, 5, 0]]));
    raw.set(15, false, &[3, 2, 1, 6]);
    raw.set(37, false, &sequence(&[element(6, &[0x2b, 6, 1, 5, 5, 7, 3, 3])]));
    raw.set(19, true, &[0x30, 3, 1, 1, 1]);
    let der = raw.der();
    let seen = certificate(&der);
    let sections: Vec<_> = seen.broken_as_leaf.iter().map(|broken| broken.rule.section()).collect();
    let want = [
        "RFC 5280 4.1.2.1",
        "RFC 5280 4.1.2.2",
        "Kith",
        "RFC 5280 4.1.2.5",
        "Kith",
        "RFC 5280 4.2",
        "RFC 5280 4.2",
        "X509-SVID 4.3",
        "X509-SVID 4.3",
        "X509-SVID 4.3",
        "X509-SVID 4.3",
        "X509-SVID 4.4",
        "X509-SVID 4.4",
        "SPIFFE-ID 2",
    ];
    assert_eq!(sections, want, "{:#?}", seen.broken_as_leaf);
    assert_eq!(Leaf::parse(&der).unwrap_err(), seen.broken_as_leaf[0]);
    assert_eq!(seen.key, Some(PublicKey::Rsa { bits: 1024, exponent: Some(3) }));
    assert_eq!(seen.signature_algorithm.as_deref(), Some("1.3.101.112"));
    assert_eq!((seen.serial, seen.identity, seen.is_ca), (None, None, None));
    assert_eq!(seen.extended_key_usage, ["codeSigning"]);
}

#[test]
fn what_is_no_certificate_shows_its_fingerprint_and_why() {
    let seen = certificate(b"hello");
    let rules: Vec<_> = seen.broken_as_leaf.iter().map(|broken| &broken.rule).collect();
    assert_eq!(rules, [&ProfileError::NotACertificate]);
    assert_eq!(seen.fingerprint[..4], [0x2c, 0xf2, 0x4d, 0xba]);
    assert_eq!((seen.subject, seen.is_ca), (None, None));
}

// Somebody else's certificate does not decide how much we write down.
#[test]
fn the_list_of_broken_rules_is_bounded() {
    let mut raw = Raw::leaf(WEB);
    let unknown = sequence(&[&oid(&[1, 2, 3])[..], &[1, 1, 0xff], &[4, 2, 5, 0]]);
    raw.extensions.extend(std::iter::repeat_n(unknown, 60));
    assert_eq!(certificate(&raw.der()).broken_as_leaf.len(), 100);
}
