//! The profile of a signing certificate, a row for each rule.

use proptest::prelude::*;
use rcgen::{CertificateParams, IsCa, KeyUsagePurpose as Usage};

use super::*;
use crate::der::DerError;
use crate::spiffe_id::SpiffeIdError;
use crate::testing::{Raw, authority, der, extension, name, oid, sequence};

const DEMO: &str = "spiffe://demo.local";

fn parse(spoil: impl FnOnce(&mut CertificateParams)) -> Result<Authority, ProfileError> {
    let mut params = authority(DEMO);
    spoil(&mut params);
    Authority::parse(&der(&params)).map_err(|broken| broken.rule)
}

fn parse_raw(spoil: impl FnOnce(&mut Raw)) -> Result<Authority, ProfileError> {
    let mut raw = Raw::authority(DEMO);
    spoil(&mut raw);
    Authority::parse(&raw.der()).map_err(|broken| broken.rule)
}

// Conforms: SPIFFE-ID 3.1 authority-path, X509-SVID 4.3 authority-crl
#[test]
fn an_authority_names_its_trust_domain_or_none() {
    let named = parse(|_| ()).unwrap();
    assert_eq!(named.trust_domain().map(TrustDomain::as_str), Some("demo.local"));
    assert_eq!(parse(|p| p.subject_alt_names.clear()).unwrap().trust_domain(), None);
    assert!(parse(|p| p.key_usages = vec![Usage::KeyCertSign]).is_ok(), "cRLSign may be missing");
}

// Conforms: X509-SVID 3.2 authority-path, X509-SVID 4.1 authority, X509-SVID 4.3 present
// Conforms: X509-SVID 4.3 authority-signs, X509-SVID 5.1 critical-extensions
#[test]
fn every_rule_of_the_profile_refuses_by_name() {
    type Spoil = fn(&mut CertificateParams);
    let rows: [(&str, Spoil, ProfileError); 8] = [
        ("4.1: cA false (F9)", |p| p.is_ca = IsCa::ExplicitNoCa, ProfileError::NotAnAuthority),
        ("4.1: no basicConstraints", |p| p.is_ca = IsCa::NoCa, ProfileError::NotAnAuthority),
        ("4.3: no keyUsage", |p| p.key_usages.clear(), ProfileError::KeyUsageMissing),
        (
            "4.3: no keyCertSign",
            |p| p.key_usages = vec![Usage::CrlSign],
            ProfileError::KeyUsageLacks("keyCertSign"),
        ),
        (
            "3.2: an identity with a path",
            |p| p.subject_alt_names = vec![name("spiffe://demo.local/ns/a/sa/b")],
            ProfileError::AuthorityPath,
        ),
        (
            "two identities",
            |p| p.subject_alt_names.push(name("spiffe://other.example")),
            ProfileError::SeveralUris { count: 2 },
        ),
        (
            "a URI that is no identity",
            |p| p.subject_alt_names = vec![name("https://demo.local")],
            ProfileError::Uri(SpiffeIdError::Scheme { offset: 0 }),
        ),
        (
            "RFC 5280 4.2: an unknown critical extension",
            |p| p.custom_extensions.push(extension(&[1, 2, 3], &[5, 0], true)),
            ProfileError::UnknownCriticalExtension { oid: "1.2.3".into() },
        ),
    ];
    for (rule, spoil, want) in rows {
        assert_eq!(parse(spoil), Err(want), "{rule}");
    }
}

// RFC 5280 4.2.1.9, X509-SVID 4.3.
// Conforms: X509-SVID 4.3 critical
#[test]
fn what_makes_an_authority_is_critical() {
    let constraints = parse_raw(|raw| raw.set(19, false, &[0x30, 3, 1, 1, 0xff]));
    assert_eq!(constraints, Err(ProfileError::BasicConstraintsNotCritical));
    assert_eq!(parse_raw(|raw| raw.set(15, false, &[3, 2, 1, 6])), Err(ProfileError::KeyUsageNotCritical));
}

// RFC 5280 4.2.1.9.
#[test]
fn a_path_length_is_read_or_refused() {
    let with = |octets: &[u8]| {
        let number = crate::testing::element(2, octets);
        parse_raw(|raw| raw.set(19, true, &sequence(&[&[1, 1, 0xff][..], &number])))
    };
    assert_eq!(parse_raw(|_| ()).unwrap().path_length(), None);
    assert_eq!(with(&[0]).unwrap().path_length(), Some(0));
    assert_eq!(with(&[1, 0]).unwrap().path_length(), Some(256));
    assert_eq!(with(&[0x7f; 9]).unwrap().path_length(), Some(usize::MAX));
    let broken = |error| Err(ProfileError::Extension { name: "basicConstraints", error });
    assert_eq!(with(&[0xff]), broken(DerError::Negative));
    assert_eq!(with(&[0, 1]), broken(DerError::Integer));
    assert_eq!(with(&[]), broken(DerError::Integer));
    let default = parse_raw(|raw| raw.set(19, true, &[0x30, 3, 1, 1, 0]));
    assert_eq!(default, broken(DerError::Default));
    assert_eq!(parse_raw(|raw| raw.set(19, true, &[0x30, 3, 1, 1, 1])), broken(DerError::Boolean));
}

// An authority whose constraints we cannot read would otherwise be one without.
// Conforms: X509-SVID 4.2 name-constraints
#[test]
fn name_constraints_are_readable_or_the_authority_is_refused() {
    let uri = [0x30, 8, 0xa0, 6, 0x30, 4, 0x86, 2, b'.', b'a'];
    let address = [0x30, 14, 0xa1, 12, 0x30, 10, 0x87, 8, 10, 0, 0, 0, 255, 0, 0, 0];
    for value in [&uri[..], &address] {
        assert!(parse_raw(|raw| raw.set(30, true, value)).is_ok(), "{value:02x?}");
    }
    for (value, error) in [
        (&[0x30, 0][..], DerError::EmptyList),
        (&[0x30, 2, 0xa0, 0], DerError::EmptyList),
        (&[0x30, 4, 0xa0, 2, 0x30, 0], DerError::Truncated),
        (&[0x30, 8, 0xa0, 6, 0x30, 4, 0xa6, 2, 5, 0], DerError::TagForm),
        (&[0x30, 8, 0xa2, 6, 0x30, 4, 0x86, 2, b'.', b'a'], DerError::Surplus),
        // A minimum that is its default, written out.
        (&[0x30, 11, 0xa0, 9, 0x30, 7, 0x86, 2, b'.', b'a', 0x80, 1, 0], DerError::Surplus),
        (&[0x30, 10, 0xa0, 8, 0x30, 6, 0x87, 4, 10, 0, 0, 0], DerError::Address),
        // The excluded before the permitted.
        (
            &[0x30, 16, 0xa1, 6, 0x30, 4, 0x86, 2, b'.', b'a', 0xa0, 6, 0x30, 4, 0x86, 2, b'.', b'a'],
            DerError::Surplus,
        ),
    ] {
        let refused = parse_raw(|raw| raw.set(30, true, value));
        assert_eq!(refused, Err(ProfileError::Extension { name: "nameConstraints", error }), "{value:02x?}");
    }
}

#[test]
fn an_extended_key_usage_of_an_authority_is_readable_or_refused() {
    let code_signing = sequence(&[oid(&[2, 5, 29, 37, 0])]);
    assert!(parse_raw(|raw| raw.set(37, false, &code_signing)).is_ok());
    let refused = parse_raw(|raw| raw.set(37, false, &[0x30, 0]));
    let error = DerError::EmptyList;
    assert_eq!(refused, Err(ProfileError::Extension { name: "extendedKeyUsage", error }));
}

proptest! {
    #[test]
    fn a_damaged_authority_never_panics(at in 0_usize..400, byte in any::<u8>()) {
        let mut bytes = Raw::authority(DEMO).der();
        let at = at % bytes.len();
        bytes[at] = byte;
        drop(Authority::parse(&bytes));
        drop(Authority::parse(&bytes[..at]));
    }
}
