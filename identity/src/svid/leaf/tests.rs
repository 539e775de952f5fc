//! The profile of an end certificate, a row for each rule.

use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose as Extended, IsCa, KeyUsagePurpose as Usage,
    SerialNumber, date_time_ymd,
};

use super::*;
use crate::der::DerError;
use crate::spiffe_id::SpiffeIdError;
use crate::testing::{SERIAL, der, extension, leaf, name};

const WEB: &str = "spiffe://demo.local/ns/shop/sa/web";
const BASIC_CONSTRAINTS: &[u64] = &[2, 5, 29, 19];
const SUBJECT_ALT_NAME: &[u64] = &[2, 5, 29, 17];
const KEY_USAGE: &[u64] = &[2, 5, 29, 15];
const EXTENDED_KEY_USAGE: &[u64] = &[2, 5, 29, 37];

/// The leaf, or the first rule that it breaks.
fn parse(spoil: impl FnOnce(&mut CertificateParams)) -> Result<Leaf, ProfileError> {
    let mut params = leaf(WEB);
    spoil(&mut params);
    read(&der(&params))
}

fn read(der: &[u8]) -> Result<Leaf, ProfileError> {
    Leaf::parse(der).map_err(|broken| broken.rule)
}

#[test]
fn a_correct_certificate_is_read_as_a_whole() {
    let leaf = parse(|_| ()).unwrap();
    assert_eq!(leaf.identity().as_str(), WEB);
    assert_eq!(leaf.serial().to_string(), "1122334455667701");
    assert_eq!(leaf.not_before(), UNIX_EPOCH + Duration::from_secs(1_767_225_600));
    assert_eq!(leaf.not_after(), UNIX_EPOCH + Duration::from_secs(1_767_312_000));
}

// Conforms: X509-SVID 2 other-names, X509-SVID 4.3 leaf-exchange
#[test]
fn what_the_standard_leaves_open_is_accepted() {
    let rows: [(&str, Spoil); 6] = [
        ("no basicConstraints", |p| p.is_ca = IsCa::NoCa),
        ("no extendedKeyUsage (4.4: SHOULD)", |p| p.extended_key_usages.clear()),
        ("keyEncipherment and keyAgreement (4.3: MAY)", |p| {
            p.key_usages = vec![Usage::DigitalSignature, Usage::KeyEncipherment, Usage::KeyAgreement];
        }),
        ("a DNS name beside the URI (2)", |p| {
            p.subject_alt_names.push(rcgen::SanType::DnsName("web.shop.svc".try_into().unwrap()));
        }),
        ("a subject", |p| p.distinguished_name.push(rcgen::DnType::CommonName, "web")),
        ("an unknown extension that is not critical", |p| {
            p.custom_extensions.push(extension(&[1, 2, 3], &[5, 0], false));
        }),
    ];
    for (what, spoil) in rows {
        assert!(parse(spoil).is_ok(), "{what}: {:?}", parse(spoil));
    }
}

type Spoil = fn(&mut CertificateParams);

/// Spoils a correct certificate row by row, and wants each refused for its own reason.
fn check(rows: &[(&str, Spoil, ProfileError)]) {
    for (rule, spoil, want) in rows {
        assert_eq!(parse(spoil).as_ref(), Err(want), "{rule}");
    }
}

// Conforms: X509-SVID 2 several-uris, X509-SVID 5.2 several-uris, X509-SVID 5.2 scheme
// Conforms: X509-SVID 3.1 leaf-path, X509-SVID 5.2 path
#[test]
fn a_certificate_without_exactly_one_workload_identity_is_refused() {
    check(&[
        ("2: no URI", |p| p.subject_alt_names.clear(), ProfileError::NoUri),
        (
            "2: only a DNS name",
            |p| p.subject_alt_names = vec![rcgen::SanType::DnsName("web".try_into().unwrap())],
            ProfileError::NoUri,
        ),
        (
            "2: two identities (C3)",
            |p| p.subject_alt_names.push(name("spiffe://demo.local/ns/shop/sa/admin")),
            ProfileError::SeveralUris { count: 2 },
        ),
        (
            "2: the same identity twice",
            |p| p.subject_alt_names.push(name(WEB)),
            ProfileError::SeveralUris { count: 2 },
        ),
        (
            "2: a second URI that is no identity",
            |p| p.subject_alt_names.push(name("https://demo.local")),
            ProfileError::SeveralUris { count: 2 },
        ),
        (
            "5.2: another scheme",
            |p| p.subject_alt_names = vec![name("https://demo.local/a")],
            ProfileError::Uri(SpiffeIdError::Scheme { offset: 0 }),
        ),
        (
            "X4: a byte that would need quoting",
            |p| p.subject_alt_names = vec![name("spiffe://demo.local/a;b")],
            ProfileError::Uri(SpiffeIdError::Byte { offset: 21, found: ';' }),
        ),
        (
            "a NUL byte in the URI",
            |p| p.subject_alt_names = vec![name("spiffe://demo.local/a\0b")],
            ProfileError::Uri(SpiffeIdError::Byte { offset: 21, found: '\0' }),
        ),
        (
            "3.1: a root path",
            |p| p.subject_alt_names = vec![name("spiffe://demo.local")],
            ProfileError::RootPath,
        ),
    ]);
}

// Conforms: X509-SVID 3.2 no-authentication, X509-SVID 4.1 leaf, X509-SVID 5.2 ca, X509-SVID 4.3 present
// Conforms: X509-SVID 4.3 critical, X509-SVID 4.3 leaf-signature, X509-SVID 4.3 leaf-signs, X509-SVID 5.2 key-usage
// Conforms: X509-SVID 4.4 both
#[test]
fn a_certificate_for_any_use_but_proving_a_workload_is_refused() {
    check(&[
        (
            "3.2, 4.1: a signing certificate",
            |p| p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained),
            ProfileError::LeafIsAuthority,
        ),
        ("4.3: no keyUsage", |p| p.key_usages.clear(), ProfileError::KeyUsageMissing),
        (
            "4.3: keyUsage that is not critical",
            |p| {
                p.key_usages.clear();
                p.custom_extensions.push(extension(KEY_USAGE, &[3, 2, 7, 0x80], false));
            },
            ProfileError::KeyUsageNotCritical,
        ),
        (
            "4.3: no digitalSignature",
            |p| p.key_usages = vec![Usage::KeyEncipherment],
            ProfileError::KeyUsageLacks("digitalSignature"),
        ),
        (
            "4.3: keyCertSign",
            |p| p.key_usages.push(Usage::KeyCertSign),
            ProfileError::KeyUsageHas("keyCertSign"),
        ),
        ("4.3: cRLSign", |p| p.key_usages.push(Usage::CrlSign), ProfileError::KeyUsageHas("cRLSign")),
        (
            "4.4: only clientAuth",
            |p| p.extended_key_usages = vec![Extended::ClientAuth],
            ProfileError::ExtendedKeyUsageLacks("serverAuth"),
        ),
        (
            "4.4: only serverAuth",
            |p| p.extended_key_usages = vec![Extended::ServerAuth],
            ProfileError::ExtendedKeyUsageLacks("clientAuth"),
        ),
        (
            "4.4: anyExtendedKeyUsage stands for neither",
            |p| p.extended_key_usages = vec![Extended::Any],
            ProfileError::ExtendedKeyUsageLacks("serverAuth"),
        ),
        (
            "4.2: name constraints in an end certificate",
            |p| p.custom_extensions.push(name_constraints()),
            ProfileError::LeafConstrainsNames,
        ),
    ]);
}

// Conforms: X509-SVID 5.1 critical-extensions
#[test]
fn a_certificate_with_a_frame_outside_rfc_5280_is_refused() {
    check(&[
        (
            "RFC 5280 4.2: an unknown critical extension (C4)",
            |p| p.custom_extensions.push(extension(&[1, 2, 3], &[5, 0], true)),
            ProfileError::UnknownCriticalExtension { oid: "1.2.3".into() },
        ),
        (
            "the validity ends before it begins",
            |p| p.not_after = date_time_ymd(2025, 12, 31),
            ProfileError::Validity,
        ),
        ("before 1970", |p| p.not_before = date_time_ymd(1969, 1, 1), ProfileError::Moment),
        (
            "serial number zero",
            |p| p.serial_number = Some(SerialNumber::from_slice(&[0])),
            ProfileError::Serial,
        ),
        (
            "serial number of 21 octets",
            |p| p.serial_number = Some(SerialNumber::from_slice(&[1; 21])),
            ProfileError::Serial,
        ),
    ]);
}

/// rcgen writes name constraints only into authorities; this writes the one the table needs.
fn name_constraints() -> rcgen::CustomExtension {
    // SEQUENCE { [1] { SEQUENCE { [2] "evil" } } }
    let value = [0x30, 10, 0xa1, 8, 0x30, 6, 0x82, 4, b'e', b'v', b'i', b'l'];
    extension(&[2, 5, 29, 30], &value, true)
}

/// SEQUENCE { [6] uri }
fn san(uri: &str) -> Vec<u8> {
    let length = u8::try_from(uri.len()).unwrap();
    [&[0x30, length + 2, 0x86, length], uri.as_bytes()].concat()
}

// Conforms: X509-SVID 3.1 critical-name
#[test]
fn without_a_subject_the_name_must_be_critical() {
    let with_san = |critical: bool, subject: bool| {
        parse(|p| {
            p.subject_alt_names.clear();
            p.custom_extensions.push(extension(SUBJECT_ALT_NAME, &san(WEB), critical));
            if subject {
                p.distinguished_name.push(rcgen::DnType::CommonName, "web");
            }
        })
    };
    assert_eq!(with_san(false, false), Err(ProfileError::NameNotCritical));
    assert!(with_san(false, true).is_ok());
    assert!(with_san(true, false).is_ok());
}

// A reader that takes the first and a reader that takes the last must not see two identities.
#[test]
fn an_extension_that_can_be_read_in_two_ways_is_refused() {
    let other = san("spiffe://demo.local/ns/shop/sa/admin");
    let twice = parse(|p| p.custom_extensions.push(extension(SUBJECT_ALT_NAME, &other, true)));
    assert_eq!(twice, Err(ProfileError::Repeated { oid: "2.5.29.17".into() }));
    let behind = parse(|p| {
        p.subject_alt_names.clear();
        let value = [san(WEB), other.clone()].concat();
        p.custom_extensions.push(extension(SUBJECT_ALT_NAME, &value, true));
    });
    assert_eq!(behind, Err(ProfileError::Extension { name: "subjectAltName", error: DerError::Surplus }));
}

// A broken basicConstraints must not pass for "not an authority".
#[test]
fn an_extension_that_cannot_be_read_is_refused_and_not_taken_for_absent() {
    for (oid, rcgen_clears, name) in [
        (BASIC_CONSTRAINTS, (|p| p.is_ca = IsCa::NoCa) as fn(&mut CertificateParams), "basicConstraints"),
        (KEY_USAGE, |p| p.key_usages.clear(), "keyUsage"),
        (EXTENDED_KEY_USAGE, |p| p.extended_key_usages.clear(), "extendedKeyUsage"),
        (SUBJECT_ALT_NAME, |p| p.subject_alt_names.clear(), "subjectAltName"),
    ] {
        for value in [&[][..], &[0x30, 0x82], &[0x30, 3, 1, 1], &[4, 1, 0xff]] {
            let result = parse(|p| {
                rcgen_clears(p);
                p.custom_extensions.push(extension(oid, value, true));
            });
            let is_unreadable = |rule: &ProfileError| matches!(rule, ProfileError::Extension { name: broken, .. } if *broken == name);
            assert!(result.as_ref().is_err_and(is_unreadable), "{name} {value:?}: {result:?}");
        }
    }
}

// RFC 5280 4.1.2.2; rcgen writes only positive numbers, so the sign bit is set afterwards.
#[test]
fn a_negative_serial_number_is_refused() {
    let mut der = der(&leaf(WEB));
    let at = der.windows(SERIAL.len()).position(|octets| octets == SERIAL).unwrap();
    der[at] |= 0x80;
    assert_eq!(read(&der), Err(ProfileError::Serial));
}

#[test]
fn bytes_behind_the_certificate_are_refused() {
    let mut bytes = der(&leaf(WEB));
    bytes.extend([0, 0]);
    assert_eq!(read(&bytes), Err(ProfileError::TrailingBytes { count: 2 }));
}

#[test]
fn what_is_no_certificate_is_refused() {
    let whole = der(&leaf(WEB));
    for bytes in [&[][..], b"-----BEGIN CERTIFICATE-----", &[0x30, 0x80], &whole[..whole.len() - 1]] {
        assert_eq!(read(bytes), Err(ProfileError::NotACertificate));
    }
}

// T4.
#[test]
fn dates_on_both_sides_of_the_encodings_boundary_are_read() {
    let leaf = parse(|p| {
        p.not_before = date_time_ymd(2049, 12, 31);
        p.not_after = date_time_ymd(2050, 1, 1);
    })
    .unwrap();
    assert_eq!(leaf.not_before() + Duration::from_secs(86_400), leaf.not_after());
    assert!(parse(|p| p.not_after = date_time_ymd(9999, 12, 31)).is_ok());
}

proptest! {
    #[test]
    fn a_damaged_certificate_never_panics(at in 0_usize..400, bit in 0_u8..8) {
        // One certificate for all cases: making a key each time would take the test's whole time.
        static WHOLE: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| der(&leaf(WEB)));
        let mut bytes = WHOLE.clone();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        drop(Leaf::parse(&bytes));
        drop(Leaf::parse(&bytes[..at]));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Leaf::parse(&bytes).is_err());
    }
}
