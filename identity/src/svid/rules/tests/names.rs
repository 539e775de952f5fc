//! Exactly one identity, wherever another may be hidden.

use super::*;
use crate::spiffe_id::SpiffeIdError;

/// What is said of a list of names that cannot be read.
fn unreadable(error: DerError) -> ProfileError {
    ProfileError::Extension { name: "subjectAltName", error }
}

// X509-SVID 2: exactly one URI in any encoding.
// Conforms: X509-SVID 2 several-uris, X509-SVID 5.2 several-uris
#[test]
fn several_uris_are_refused_even_if_they_are_one() {
    let web = (0x86, WEB.as_bytes());
    for names in [
        &[web, (0x86, ADMIN.as_bytes())][..],
        &[web, web],
        &[(0x86, b""), web],
        &[web, (0x82, b"web.shop.svc"), (0x86, b"https://demo.local")],
        &[web; 3],
    ] {
        let count = names.iter().filter(|(tag, _)| *tag == 0x86).count();
        let refused = parse(|r| r.set(17, true, &san(names)));
        assert_eq!(refused, Err(ProfileError::SeveralUris { count }));
    }
}

// What one reader steps over is where another finds a second identity.
// Conforms: X509-SVID 2 several-uris, X509-SVID 5.2 several-uris
#[test]
fn a_second_identity_cannot_hide_in_another_encoding() {
    let pieces = element(0x16, ADMIN.as_bytes());
    for (what, tag, content) in [
        ("a URI in pieces", 0xa6, pieces.as_slice()),
        ("a string without a context", 0x16, ADMIN.as_bytes()),
        ("a tag of another class", 0x46, ADMIN.as_bytes()),
        ("the tag in its long form", 0x9f, b"\x06"),
    ] {
        let refused = Err(unreadable(DerError::TagForm));
        let beside = [(0x86, WEB.as_bytes()), (tag, content)];
        assert_eq!(parse(|r| r.set(17, true, &san(&beside))), refused, "{what}, beside ours");
        assert_eq!(parse(|r| r.set(17, true, &san(&beside[1..]))), refused, "{what}, alone");
    }
    let wrapped = parse(|r| r.set(17, true, &san(&[(0x86, &pieces)])));
    assert_eq!(wrapped, Err(ProfileError::Uri(SpiffeIdError::Scheme { offset: 0 })));
    let long = [&element(0x86, WEB.as_bytes())[..], &[0x82, 0x81, 1, b'a']].concat();
    assert_eq!(parse(|r| r.set(17, true, &element(0x30, &long))), Err(unreadable(DerError::Length)));
    let lists = [san(&[(0x86, WEB.as_bytes())]), san(&[(0x86, ADMIN.as_bytes())])].concat();
    assert_eq!(parse(|r| r.set(17, true, &lists)), Err(unreadable(DerError::Surplus)));
}

// Conforms: X509-SVID 2 several-uris, X509-SVID 5.2 several-uris
#[test]
fn a_second_identity_cannot_hide_in_a_second_extension() {
    let other = |critical| Raw::extension(17, critical, &san(&[(0x86, ADMIN.as_bytes())]));
    for critical in [true, false] {
        for place in [0, 4] {
            let refused = parse(|r| r.extensions.insert(place, other(critical)));
            assert_eq!(refused, Err(ProfileError::Repeated { oid: "2.5.29.17".into() }));
        }
    }
}

// Conforms: X509-SVID 2 other-names
#[test]
fn names_of_other_kinds_may_stand_beside_the_uri_if_they_can_be_read() {
    let other = [&oid(&[1, 3, 6, 1])[..], &element(0xa0, &element(0x0c, ADMIN.as_bytes()))].concat();
    for (tag, content) in [
        (0xa0, other.as_slice()),
        (0x81, b"a@demo.local"),
        (0x82, b"web.shop.svc"),
        (0xa4, &Raw::name(b"web")),
        (0x87, &[10, 0, 0, 1]),
        (0x87, &[0; 16]),
        (0x88, &[0x2a, 3]),
    ] {
        assert!(
            parse(|r| r.set(17, true, &san(&[(tag, content), (0x86, WEB.as_bytes())]))).is_ok(),
            "{tag:02x}"
        );
    }
    for (tag, content, error) in [
        (0xa0, &[][..], DerError::Truncated),
        (0xa0, ADMIN.as_bytes(), DerError::Truncated),
        (0x81, b"\xe9", DerError::NotAscii),
        (0x82, b"w\xc3\xa9b", DerError::NotAscii),
        (0xa4, &[5, 0], DerError::Tag { found: 5, wanted: 0x30 }),
        (0x84, &[], DerError::TagForm),
        (0x87, &[10, 0, 0], DerError::Address),
        (0x88, &[0x80], DerError::Oid),
        (0x89, &[], DerError::TagForm),
    ] {
        let refused = parse(|r| r.set(17, true, &san(&[(0x86, WEB.as_bytes()), (tag, content)])));
        assert_eq!(refused, Err(unreadable(error)), "{tag:02x}");
    }
}

// X4. A NUL, a byte that is not ASCII and a URI that is too long name nobody.
// Conforms: SPIFFE-ID 2.2 alphabet, SPIFFE-ID 2.3 support
#[test]
fn a_uri_outside_the_alphabet_or_too_long_is_refused() {
    let uri = |uri: &[u8]| parse(|r| r.set(17, true, &san(&[(0x86, uri)])));
    let at = |offset, found| Err(ProfileError::Uri(SpiffeIdError::Byte { offset, found }));
    assert_eq!(uri(b"spiffe://demo.local/a\0b"), at(21, '\0'));
    let not_ascii = Err(unreadable(DerError::NotAscii));
    assert_eq!(uri("spiffe://demo.local/\u{e9}".as_bytes()), not_ascii);
    assert_eq!(uri(b"spiffe://demo.local/\xff"), not_ascii);
    let longest = format!("spiffe://demo.local/{}", "a".repeat(2028));
    assert_eq!(uri(longest.as_bytes()).unwrap().identity().as_str(), longest);
    let too_long = SpiffeIdError::TooLong { length: 2049, offset: 2048 };
    assert_eq!(uri(format!("{longest}a").as_bytes()), Err(ProfileError::Uri(too_long)));
}
