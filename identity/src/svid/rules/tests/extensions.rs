//! Usages, constraints, and how many extensions there may be.

use super::*;

#[test]
fn key_usages_have_one_spelling() {
    let unreadable = |name, error| ProfileError::Extension { name, error };
    check(&[
        (
            "zeros at the end",
            |r| r.set(15, true, &[3, 3, 0, 0x80, 0]),
            unreadable("keyUsage", DerError::BitString),
        ),
        (
            "unused bits that are set",
            |r| r.set(15, true, &[3, 2, 7, 0x81]),
            unreadable("keyUsage", DerError::BitString),
        ),
        (
            "three octets",
            |r| r.set(15, true, &[3, 4, 0, 0x80, 0, 1]),
            unreadable("keyUsage", DerError::BitString),
        ),
        ("no bits", |r| r.set(15, true, &[3, 1, 0]), ProfileError::KeyUsageLacks("digitalSignature")),
        (
            "bytes behind",
            |r| r.set(15, true, &[3, 2, 7, 0x80, 5, 0]),
            unreadable("keyUsage", DerError::Surplus),
        ),
        (
            "no extended usages",
            |r| r.set(37, false, &[0x30, 0]),
            unreadable("extendedKeyUsage", DerError::EmptyList),
        ),
        (
            "an extended usage cut short",
            |r| r.set(37, false, &[0x30, 3, 6, 1, 0x80]),
            unreadable("extendedKeyUsage", DerError::Oid),
        ),
        (
            "cA FALSE, written out",
            |r| r.set(19, true, &[0x30, 3, 1, 1, 0]),
            unreadable("basicConstraints", DerError::Default),
        ),
        (
            "cA 01",
            |r| r.set(19, true, &[0x30, 3, 1, 1, 1]),
            unreadable("basicConstraints", DerError::Boolean),
        ),
        (
            "a path length alone",
            |r| r.set(19, true, &[0x30, 3, 2, 1, 0]),
            ProfileError::PathLengthWithoutAuthority,
        ),
    ]);
    // decipherOnly is the ninth bit; a leaf may have it.
    assert!(parse(|r| r.set(15, true, &[3, 3, 7, 0x80, 0x80])).is_ok());
}

// Only the whole identifier makes an extension one that we understand.
// Conforms: X509-SVID 5.1 critical-extensions
#[test]
fn an_extension_that_ends_like_a_known_one_is_not_understood() {
    let like_key_usage = sequence(&[&oid(&[2, 5, 28, 15])[..], &[1, 1, 0xff], &element(4, &[3, 2, 7, 0x80])]);
    let refused = parse(|r| r.extensions.push(like_key_usage));
    assert_eq!(refused, Err(ProfileError::UnknownCriticalExtension { oid: "2.5.28.15".into() }));
}

// A bound on what is held against all others.
#[test]
fn more_extensions_than_anybody_needs_are_refused() {
    let with = |count: u8| {
        parse(|r| r.extensions.extend((0..count).map(|arc| sequence(&[oid(&[1, 2, arc]), vec![4, 2, 5, 0]]))))
    };
    assert!(with(60).is_ok());
    assert_eq!(with(61), Err(ProfileError::TooManyExtensions));
    let repeated = parse(|r| {
        let unknown = sequence(&[oid(&[1, 2, 3]), vec![4, 2, 5, 0]]);
        r.extensions.extend([unknown.clone(), unknown]);
    });
    assert_eq!(repeated, Err(ProfileError::Repeated { oid: "1.2.3".into() }));
}
