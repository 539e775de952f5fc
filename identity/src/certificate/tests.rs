//! What we read and what another reader does: they may differ in what they refuse, never in what both accept.

use proptest::prelude::*;
use x509_parser::extensions::GeneralName as TheirName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::svid::{Authority, Broken, Leaf, ProfileError};
use crate::testing::{Raw, authority, der, leaf};

const WEB: &str = "spiffe://demo.local/ns/shop/sa/web";

/// Holds what an independent reader says of an accepted leaf against what ours does.
fn agree(leaf: &Leaf, der: &[u8]) -> bool {
    let Ok(([], theirs)) = X509Certificate::from_der(der) else { return false };
    let names = theirs.subject_alternative_name().unwrap().unwrap();
    let uris: Vec<&str> = names
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            TheirName::URI(uri) => Some(*uri),
            _ => None,
        })
        .collect();
    let seconds = |at: std::time::SystemTime| at.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let usage = theirs.key_usage().unwrap().unwrap();
    uris == [leaf.identity().as_str()]
        && theirs.validity().not_before.timestamp().unsigned_abs() == seconds(leaf.not_before())
        && theirs.validity().not_after.timestamp().unsigned_abs() == seconds(leaf.not_after())
        && theirs.raw_serial().iter().skip_while(|octet| **octet == 0).eq(leaf.serial().octets())
        && !theirs.basic_constraints().unwrap().is_some_and(|constraints| constraints.value.ca)
        && usage.critical
        && usage.value.digital_signature()
        && !usage.value.key_cert_sign()
        && !usage.value.crl_sign()
}

#[test]
fn another_reader_says_the_same_of_certificates_of_both_makers() {
    for der in [Raw::leaf(WEB).der(), der(&leaf(WEB))] {
        assert!(agree(&Leaf::parse(&der).unwrap(), &der));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Damage in one or two places: refused, or read as another reader does.
    #[test]
    fn a_damaged_certificate_is_refused_or_read_the_same_by_another_reader(
        places in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..3),
        cut in any::<prop::sample::Index>(),
    ) {
        static WHOLE: std::sync::LazyLock<[Vec<u8>; 4]> = std::sync::LazyLock::new(|| {
            let root = "spiffe://demo.local";
            [Raw::leaf(WEB).der(), der(&leaf(WEB)), Raw::authority(root).der(), der(&authority(root))]
        });
        for whole in WHOLE.iter() {
            let mut bytes = whole.clone();
            for (place, byte) in &places {
                let at = place.index(bytes.len());
                bytes[at] = *byte;
            }
            if let Ok(leaf) = Leaf::parse(&bytes) {
                prop_assert!(agree(&leaf, &bytes), "{:02x?}", bytes);
            }
            for bytes in [&bytes[..], &bytes[..cut.index(bytes.len())]] {
                let seen = crate::svid::inspect::certificate(bytes);
                // A damaged key may be none: only an inspection does the arithmetic.
                let first = |broken: &[Broken]| broken.iter().find(|it| it.rule != ProfileError::NoKey).cloned();
                prop_assert_eq!(Leaf::parse(bytes).err(), first(&seen.broken_as_leaf));
                prop_assert_eq!(Authority::parse(bytes).err(), first(&seen.broken_as_authority));
            }
        }
    }

    #[test]
    fn arbitrary_bytes_are_no_certificate(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Leaf::parse(&bytes).is_err());
        prop_assert!(Authority::parse(&bytes).is_err());
        prop_assert!(!crate::svid::inspect::certificate(&bytes).broken_as_leaf.is_empty());
    }
}
