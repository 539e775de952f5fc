//! Which algorithms and keys are believed.

use super::*;

const EC_PUBLIC_KEY: [u8; 9] = [6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const RSA: [u8; 11] = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];

// RFC 5280 4.1.1.2. The signed part says how it was signed, so that nobody can say otherwise afterwards.
#[test]
fn both_places_name_the_same_algorithm_and_a_strong_one() {
    let weak = |oid: &str| ProfileError::WeakSignature { oid: oid.into() };
    let sha1_rsa = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5, 5, 0];
    let no_null = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11];
    let ecdsa_null = [&Raw::ECDSA[..], &[5, 0]].concat();
    let ecdsa_sha512 = [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4];
    let ed25519 = [6, 3, 0x2b, 0x65, 0x70];
    for (algorithm, oid) in [
        (&sha1_rsa[..], "1.2.840.113549.1.1.5"),
        (&no_null, "1.2.840.113549.1.1.11"),
        (&ecdsa_null, "1.2.840.10045.4.3.2"),
        (&ecdsa_sha512, "1.2.840.10045.4.3.4"),
        (&ed25519, "1.3.101.112"),
        (&[], ""),
    ] {
        assert_eq!(parse(|r| r.sign_with(algorithm)), Err(weak(oid)), "{oid}");
    }
    let differs = parse(|r| r.outer_algorithm = sequence(&[[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3]]));
    assert_eq!(differs, Err(ProfileError::AlgorithmsDiffer));
    assert!(parse(|r| r.sign_with(&[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 13, 5, 0])).is_ok());
}

#[test]
fn only_strong_keys_are_accepted() {
    let p384 = [6, 5, 0x2b, 0x81, 4, 0, 0x22];
    let accepted = [
        Raw::ec_key(&p384, 97),
        Raw::rsa_key(2048, &[1, 0, 1]),
        Raw::rsa_key(3072, &[1, 0, 0, 1]),
        Raw::rsa_key(4096, &[1, 0, 1]),
    ];
    for key in accepted {
        assert!(parse(|r| r.key = key.clone()).is_ok(), "{key:02x?}");
    }
    let rsa = |bits, exponent| PublicKey::Rsa { bits, exponent };
    let p521 = [6, 5, 0x2b, 0x81, 4, 0, 0x23];
    let ed25519 = sequence(&[sequence(&[oid(&[1, 3, 101, 112])]), element(3, &[0; 33])]);
    for (key, found) in [
        (Raw::rsa_key(2047, &[1, 0, 1]), rsa(2047, Some(65_537))),
        (Raw::rsa_key(1024, &[1, 0, 1]), rsa(1024, Some(65_537))),
        (Raw::rsa_key(4097, &[1, 0, 1]), rsa(4097, Some(65_537))),
        (Raw::rsa_key(2048, &[3]), rsa(2048, Some(3))),
        (Raw::rsa_key(2048, &[1, 0, 0]), rsa(2048, Some(65_536))),
        (Raw::rsa_key(2048, &[1; 9]), rsa(2048, None)),
        (Raw::ec_key(&p521, 133), PublicKey::OtherCurve { oid: "1.3.132.0.35".into() }),
        (ed25519, PublicKey::Other { oid: "1.3.101.112".into() }),
    ] {
        assert_eq!(parse(|r| r.key = key.clone()), Err(ProfileError::WeakKey { key: found }));
    }
}

#[test]
fn a_key_that_cannot_be_read_is_refused() {
    let key = |error| ProfileError::PublicKey(error);
    check(&[
        ("a compressed point", |r| r.key = Raw::ec_key(&Raw::P256, 33), key(DerError::BitString)),
        ("a point that is too long", |r| r.key = Raw::ec_key(&Raw::P256, 66), key(DerError::BitString)),
        (
            "a curve with more behind it",
            |r| r.key = Raw::ec_key(&[&Raw::P256[..], &[5, 0]].concat(), 65),
            key(DerError::Surplus),
        ),
        (
            "a curve written out",
            |r| r.key = Raw::ec_key(&[0x30, 0], 65),
            key(DerError::Tag { found: 0x30, wanted: 6 }),
        ),
        (
            "a negative modulus",
            |r| {
                let numbers = sequence(&[element(2, &[0xff; 256]), element(2, &[1, 0, 1])]);
                let algorithm = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
                r.key = sequence(&[sequence(&[algorithm]), element(3, &[&[0], &numbers[..]].concat())]);
            },
            key(DerError::Integer),
        ),
        ("an exponent of zero", |r| r.key = Raw::rsa_key(2048, &[0]), key(DerError::Integer)),
        (
            "an exponent with a zero too many",
            |r| r.key = Raw::rsa_key(2048, &[0, 1, 0, 1]),
            key(DerError::Integer),
        ),
        (
            "a point with unused bits",
            |r| r.key = sequence(&[sequence(&[&EC_PUBLIC_KEY[..], &Raw::P256]), element(3, &[1, 4])]),
            key(DerError::BitString),
        ),
        (
            "more behind the key",
            |r| r.key = [&[0x30, 0x5b][..], &Raw::ec_key(&Raw::P256, 65)[2..], &[5, 0]].concat(),
            key(DerError::Surplus),
        ),
        (
            "an RSA key without its parameters",
            |r| r.key = sequence(&[sequence(&[RSA]), element(3, &[0, 0x30, 0])]),
            key(DerError::Truncated),
        ),
        (
            "an RSA key with other parameters",
            |r| r.key = sequence(&[sequence(&[&RSA[..], &[0x30, 0]]), element(3, &[0, 0x30, 0])]),
            key(DerError::Tag { found: 0x30, wanted: 5 }),
        ),
        (
            "more behind the numbers of an RSA key",
            |r| r.key = sequence(&[sequence(&[&RSA[..], &[5, 0]]), element(3, &[0, 0x30, 0, 5, 0])]),
            key(DerError::Surplus),
        ),
    ]);
}
