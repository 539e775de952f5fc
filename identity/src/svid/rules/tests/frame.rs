//! The layout and the fields that every certificate has.

use super::*;

// RFC 5280 4.1.2.1, 4.1.2.2, 4.1.2.8.
#[test]
fn a_frame_outside_the_rules_is_refused_by_name() {
    check(&[
        ("no version, which is version 1", |r| r.version.clear(), ProfileError::Version),
        ("version 2", |r| r.version = vec![0xa0, 3, 2, 1, 1], ProfileError::Version),
        ("version 4", |r| r.version = vec![0xa0, 3, 2, 1, 3], ProfileError::Version),
        ("version 3 in two octets", |r| r.version = vec![0xa0, 4, 2, 2, 0, 2], ProfileError::Version),
        ("serial number zero", |r| r.serial = element(2, &[0]), ProfileError::Serial),
        ("a negative one", |r| r.serial = element(2, &[0x80]), ProfileError::Serial),
        ("one of 21 octets", |r| r.serial = element(2, &[1; 21]), ProfileError::Serial),
        (
            "one of 20 with a zero in front",
            |r| r.serial = element(2, &[&[0][..], &[0xff; 20]].concat()),
            ProfileError::Serial,
        ),
        ("one of none", |r| r.serial = element(2, &[]), ProfileError::Layout(DerError::Integer)),
        ("a zero too many", |r| r.serial = element(2, &[0, 1]), ProfileError::Layout(DerError::Integer)),
        (
            "an issuer's unique identifier",
            |r| r.unique_ids = element(0x81, &[0, 1]),
            ProfileError::UniqueIdentifier,
        ),
        ("a subject's", |r| r.unique_ids = element(0x82, &[0, 1]), ProfileError::UniqueIdentifier),
    ]);
    assert!(parse(|r| r.serial = element(2, &[0x7f; 20])).is_ok());
}

// RFC 5280 4.1: what belongs nowhere, and what is no DER.
#[test]
fn a_layout_that_others_could_read_otherwise_is_refused() {
    let tag = |found, wanted| DerError::Tag { found, wanted };
    check_layout(&[
        ("behind the extensions", |r| r.surplus = element(0xa4, &[]), DerError::Surplus),
        ("behind the signature", |r| r.signature.extend([5, 0]), DerError::Surplus),
        ("behind the version", |r| r.version = vec![0xa0, 5, 2, 1, 2, 5, 0], DerError::Surplus),
        ("a third moment", |r| r.not_after.extend(element(0x17, b"270101000000Z")), DerError::Surplus),
        ("a signature with unused bits", |r| r.signature = element(3, &[1, 2]), DerError::BitString),
        ("a long length that is short", |r| r.serial = vec![2, 0x81, 1, 5], DerError::Length),
        ("an indefinite length", |r| r.subject = vec![0x30, 0x80, 0, 0], DerError::Length),
        ("a serial number that is none", |r| r.serial = element(4, &[1]), tag(4, 2)),
        ("a subject that is a set", |r| r.subject = element(0x31, &[]), tag(0x31, 0x30)),
        ("an empty set in the subject", |r| r.subject = sequence(&[element(0x31, &[])]), DerError::EmptyList),
        (
            "a subject in pieces",
            |r| {
                let pair = sequence(&[oid(&[2, 5, 4, 3]), element(0x2c, &element(0x0c, b"a"))]);
                r.subject = sequence(&[element(0x31, &pair)]);
            },
            DerError::TagForm,
        ),
        (
            "a set out of order",
            |r| {
                let pair = |arc: u8| sequence(&[oid(&[2, 5, 4, arc]), element(0x0c, b"a")]);
                r.subject = sequence(&[element(0x31, &[pair(10), pair(3)].concat())]);
            },
            DerError::SetOrder,
        ),
        (
            "an empty list of extensions",
            |r| {
                r.extensions.clear();
                r.surplus = element(0xa3, &[0x30, 0]);
            },
            DerError::EmptyList,
        ),
        (
            "critical FALSE, written out",
            |r| {
                r.extensions.push(sequence(&[&oid(&[1, 2, 3])[..], &[1, 1, 0], &[4, 2, 5, 0]]));
            },
            DerError::Default,
        ),
        (
            "critical 01",
            |r| {
                r.extensions.push(sequence(&[&oid(&[1, 2, 3])[..], &[1, 1, 1], &[4, 2, 5, 0]]));
            },
            DerError::Boolean,
        ),
        (
            "bytes behind an extension's value",
            |r| {
                r.extensions.push(sequence(&[&oid(&[1, 2, 3])[..], &[4, 2, 5, 0], &[5, 0]]));
            },
            DerError::Surplus,
        ),
    ]);
}

// T4, RFC 5280 4.1.2.5. The spellings are `der::time`'s; that each of the two is checked is for here.
#[test]
fn both_moments_are_well_formed_and_in_order() {
    check(&[
        ("a fraction", |r| r.not_before = element(0x18, b"20260101000000.5Z"), ProfileError::Moment),
        ("2026 in four digits", |r| r.not_after = element(0x18, b"20260102000000Z"), ProfileError::Moment),
        ("no seconds", |r| r.not_after = element(0x17, b"2601020000Z"), ProfileError::Moment),
        ("a zone", |r| r.not_before = element(0x17, b"260101000000+0100"), ProfileError::Moment),
        ("no moment", |r| r.not_before = element(2, &[1]), ProfileError::Moment),
        (
            "it ends before it begins",
            |r| r.not_after = element(0x17, b"251231235959Z"),
            ProfileError::Validity,
        ),
    ]);
    assert!(parse(|r| r.not_after = r.not_before.clone()).is_ok(), "one second");
    let year_9999 = parse(|r| r.not_after = element(0x18, b"99991231235959Z")).unwrap();
    assert!(year_9999.not_after() > year_9999.not_before());
}
