//! The authorities' certificates, their serial numbers, and when an issuing one is due.

use std::collections::HashSet;
use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use x509_parser::extensions::{GeneralName, ParsedExtension, X509Extension};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::*;
use crate::testing::{DAY, HOUR, authority_key, start, subject_key_identifier, trust_domain};

fn root() -> Authority {
    root::create(&trust_domain("demo.local"), 365 * DAY, start()).unwrap()
}

fn issuing(root: &Authority) -> Authority {
    issuing::create(root, &trust_domain("demo.local"), 7 * DAY, start()).unwrap()
}

/// Name, critical, and (for those that matter here) value of each extension.
fn extensions(der: &[u8]) -> Vec<(String, bool, String)> {
    let (_, certificate) = X509Certificate::from_der(der).unwrap();
    let value = |extension: &X509Extension<'_>| match extension.parsed_extension() {
        ParsedExtension::BasicConstraints(value) => format!("{:?} {:?}", value.ca, value.path_len_constraint),
        ParsedExtension::KeyUsage(value) => value.to_string(),
        ParsedExtension::SubjectAlternativeName(value) => match value.general_names.as_slice() {
            [GeneralName::URI(uri)] => (*uri).to_owned(),
            other => format!("{other:?}"),
        },
        ParsedExtension::SubjectKeyIdentifier(_) => "subject key".to_owned(),
        ParsedExtension::AuthorityKeyIdentifier(_) => "authority key".to_owned(),
        other => format!("{other:?}"),
    };
    let row =
        |extension: &X509Extension<'_>| (extension.oid.to_id_string(), extension.critical, value(extension));
    let mut rows: Vec<_> = certificate.extensions().iter().map(row).collect();
    rows.sort();
    rows
}

fn row(oid: &str, critical: bool, value: &str) -> (String, bool, String) {
    (oid.to_owned(), critical, value.to_owned())
}

// Conforms: SPIFFE-ID 3.1 authority, SPIFFE-ID 3.1 authority-domain, SPIFFE-ID 3.1 authority-path
// Conforms: X509-SVID 4.1 issued, X509-SVID 4.3 issued
#[test]
fn a_root_says_its_trust_domain_that_it_is_an_authority_and_nothing_else() {
    let want = [
        row("2.5.29.14", false, "subject key"),
        row("2.5.29.15", true, "Key Cert Sign, CRL Sign"),
        row("2.5.29.17", false, "spiffe://demo.local"),
        row("2.5.29.19", true, "true None"),
    ];
    assert_eq!(extensions(root().der()), want);
}

// Conforms: SPIFFE-ID 3.1 authority-domain, SPIFFE-ID 3.1 authority-path, X509-SVID 4.1 issued, X509-SVID 4.3 issued
// Conforms: X509-SVID 3.2 signing-svid, X509-SVID 3.2 signing-domain
#[test]
fn an_issuing_authority_may_sign_svids_but_no_further_authority() {
    let want = [
        row("2.5.29.14", false, "subject key"),
        row("2.5.29.15", true, "Key Cert Sign, CRL Sign"),
        row("2.5.29.17", false, "spiffe://demo.local"),
        row("2.5.29.19", true, "true Some(0)"),
        row("2.5.29.35", false, "authority key"),
    ];
    assert_eq!(extensions(issuing(&root()).der()), want);
}

#[test]
fn subject_and_issuer_chain_by_name_and_by_key_identifier() {
    let root = root();
    let issuing = issuing(&root);
    let (_, upper) = X509Certificate::from_der(root.der()).unwrap();
    let (_, lower) = X509Certificate::from_der(issuing.der()).unwrap();
    assert_eq!(upper.subject().to_string(), "CN=kith root demo.local");
    assert_eq!(lower.issuer(), upper.subject());
    assert_ne!(lower.subject(), upper.subject());
    assert!(subject_key_identifier(&upper).is_some());
    assert_eq!(authority_key(&lower), subject_key_identifier(&upper));
}

// Conforms: X509-SVID 6.1 self-signed
#[test]
fn a_root_signs_itself() {
    let root = root();
    let (_, certificate) = X509Certificate::from_der(root.der()).unwrap();
    assert_eq!(certificate.issuer(), certificate.subject());
    let key = &certificate.public_key().subject_public_key.data;
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key);
    let signature = &certificate.signature_value.data;
    key.verify(certificate.tbs_certificate.as_ref(), signature).unwrap();
}

// C18
#[test]
fn an_issuing_authority_never_outlives_its_root_and_is_not_made_by_an_ended_one() {
    let root = root();
    let near_the_end = root.validity().not_after() - DAY;
    let domain = trust_domain("demo.local");
    let late = issuing::create(&root, &domain, 7 * DAY, near_the_end).unwrap();
    assert_eq!(late.validity().not_after(), root.validity().not_after());
    for outside in [root.validity().not_after(), start() - HOUR] {
        let refused = issuing::create(&root, &domain, 7 * DAY, outside).map(|_| ());
        assert!(matches!(refused, Err(AuthorityError::Root(_))), "{refused:?}");
    }
}

#[test]
fn an_issuing_authority_is_due_at_half_of_its_life_or_when_it_begins_in_the_future() {
    let root = root();
    let current = issuing(&root).validity();
    let due = |now| issuing::is_due(current, root.validity(), 7 * DAY, now);
    let life = current.not_after().duration_since(current.not_before()).unwrap();
    let half = current.not_before() + life / 2;
    assert!(!due(start()));
    assert!(!due(half - Duration::from_secs(1)));
    assert!(due(half));
    assert!(due(current.not_after() + 30 * DAY));
    // T2: made by a clock that ran ahead.
    assert!(due(current.not_before() - Duration::from_secs(1)));
}

#[test]
fn an_issuing_authority_that_ends_with_its_root_is_not_replaced_over_and_over() {
    let root = root();
    let domain = trust_domain("demo.local");
    let now = root.validity().not_after() - DAY;
    let last = issuing::create(&root, &domain, 7 * DAY, now).unwrap().validity();
    assert!(!issuing::is_due(last, root.validity(), 7 * DAY, now + 20 * HOUR));
}

// C16
#[test]
fn a_hundred_thousand_serial_numbers_are_positive_unique_and_of_sixteen_octets() {
    let mut seen = HashSet::new();
    for _ in 0..100_000 {
        let serial = random_serial().unwrap().to_bytes();
        assert_eq!(serial.len(), 16);
        // The first bit clear: positive. The second set: never shorter, never zero.
        assert_eq!(serial[0] >> 6, 0b01);
        assert!(seen.insert(serial));
    }
}

// C16: every other bit is free, so that at least 64 of them are random.
#[test]
fn every_other_bit_of_a_serial_number_takes_both_values() {
    let (mut all, mut any) = ([0xff_u8; 16], [0_u8; 16]);
    for _ in 0..1_000 {
        for (index, octet) in random_serial().unwrap().to_bytes().into_iter().enumerate() {
            all[index] &= octet;
            any[index] |= octet;
        }
    }
    assert_eq!((all[0], any[0]), (0x40, 0x7f));
    assert_eq!((&all[1..], &any[1..]), ([0; 15].as_slice(), [0xff; 15].as_slice()));
}

// C23
#[test]
fn an_authority_of_another_trust_domain_is_refused() {
    let key = SigningKey::generate().unwrap();
    let validity = Validity::starting(start(), DAY).unwrap();
    let params =
        certificate(&trust_domain("other.local"), "root", BasicConstraints::Unconstrained, validity).unwrap();
    let der = params.self_signed(&key).unwrap().der().to_vec();
    let refused = Authority::new(der, key, &trust_domain("demo.local")).map(|_| ());
    assert!(matches!(refused, Err(AuthorityError::Foreign { .. })), "{refused:?}");
}

#[test]
fn a_certificate_over_another_key_is_refused() {
    let der = root().der().to_vec();
    let refused =
        Authority::new(der, SigningKey::generate().unwrap(), &trust_domain("demo.local")).map(|_| ());
    assert!(matches!(refused, Err(AuthorityError::OtherKey { .. })), "{refused:?}");
}
