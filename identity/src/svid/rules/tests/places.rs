//! Where a broken rule is, and which part of the certificate counts.

use super::*;

#[test]
fn a_broken_rule_points_at_the_element_that_breaks_it() {
    let spoiled = |needle: &[u8], spoil: Spoil| {
        let der = raw(spoil);
        let place = der.windows(needle.len()).position(|window| window == needle).unwrap();
        (Leaf::parse(&der).unwrap_err(), place)
    };
    let serial = element(2, &[0]);
    let uri = element(0x86, b"spiffe://demo.local");
    let usage = Raw::extension(15, true, &[3, 2, 6, 0xc0]);
    let usage = [&usage[..usage.len() - 1], &[0x40]].concat();
    let rows: [(&[u8], Spoil, ProfileError); 5] = [
        (&serial, |r| r.serial = element(2, &[0]), ProfileError::Serial),
        (&uri, |r| r.set(17, true, &san(&[(0x86, b"spiffe://demo.local")])), ProfileError::RootPath),
        (&usage, |r| r.set(15, true, &[3, 2, 6, 0x40]), ProfileError::KeyUsageLacks("digitalSignature")),
        (b"\x17\x03bad", |r| r.not_after = element(0x17, b"bad"), ProfileError::Moment),
        (&[0xa4, 0], |r| r.surplus = element(0xa4, &[]), ProfileError::Layout(DerError::Surplus)),
    ];
    for (needle, spoil, rule) in rows {
        let (broken, place) = spoiled(needle, spoil);
        assert_eq!(broken, Broken { offset: place, rule });
        assert!(broken.to_string().ends_with(&format!(", at byte {place}")), "{broken}");
        assert!(!broken.rule.section().is_empty());
    }
}

// Conforms: SPIFFE-ID 3.2 signed
#[test]
fn the_identity_and_the_key_are_those_of_the_signed_part() {
    let der = raw(|_| ());
    let signed = crate::der::Reader::new(&der).any().unwrap().elements().any().unwrap();
    let position = |needle: &[u8]| der.windows(needle.len()).position(|window| window == needle).unwrap();
    let end = signed.offset + signed.raw.len();
    assert!(position(WEB.as_bytes()) < end && position(&Raw::leaf(WEB).key) < end);
    let leaf = Leaf::parse(&der).unwrap();
    assert_eq!(leaf.key_hash(), KeyHash::of_public_key_info(&Raw::leaf(WEB).key));
    // The same certificate with another identity outside of what is signed is no certificate.
    let behind = [&der[..], &san(&[(0x86, ADMIN.as_bytes())])].concat();
    assert!(Leaf::parse(&behind).is_err());
}
