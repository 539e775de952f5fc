//! Keys, rule by rule: what is refused differs from a good key in one member.

use std::sync::LazyLock;

use super::*;
use crate::json::{self, Limits};
use crate::svid::jwt::testing::TestKey;

static EC: LazyLock<PublicKey> = LazyLock::new(|| PublicKey::from_info(&TestKey::p256().info()).unwrap());
static RSA: LazyLock<PublicKey> = LazyLock::new(|| PublicKey::from_info(&TestKey::rsa().info()).unwrap());

fn written(key: &PublicKey) -> Members {
    let mut members = Members::new();
    key.write(&mut members);
    members
}

/// The key with one member replaced, or removed.
fn with(key: &PublicKey, name: &str, value: Option<Value>) -> Result<PublicKey, JwkError> {
    let mut members = written(key);
    match value {
        Some(value) => members.insert(name.to_owned(), value),
        None => members.remove(name),
    };
    PublicKey::from_members(&members)
}

fn text(octets: &[u8]) -> Option<Value> {
    Some(Value::from(URL_SAFE_NO_PAD.encode(octets).as_str()))
}

fn modulus() -> Vec<u8> {
    let Material::Rsa { modulus, .. } = RSA.material() else { panic!("an RSA key") };
    modulus.clone()
}

fn x() -> Vec<u8> {
    let Material::Ec { point, .. } = EC.material() else { panic!("an EC key") };
    point[1..33].to_vec()
}

// Conforms: Bundle 4.2.1 written-kty
#[test]
fn a_key_reads_back_as_it_was_written_and_has_the_hash_of_its_certificates() {
    for key in [TestKey::p256(), TestKey::p384(), TestKey::p521(), TestKey::rsa()] {
        let read = PublicKey::from_info(&key.info()).unwrap();
        let members = written(&read);
        assert_eq!(members["kty"].text(), Ok(read.key_type()));
        assert_eq!(PublicKey::from_members(&members), Ok(read.clone()));
        assert_eq!(read.hash(), KeyHash::of_public_key_info(&key.info()));
    }
}

#[test]
fn a_point_is_on_its_curve_and_spelt_in_full_length() {
    let mut short = x();
    short.pop();
    let mut long = x();
    long.insert(0, 0);
    assert_eq!(with(&EC, "x", text(&short)), Err(JwkError::CoordinateLength("x")));
    assert_eq!(with(&EC, "y", text(&long)), Err(JwkError::CoordinateLength("y")));
    assert_eq!(with(&EC, "x", text(&[0; 32])), Err(JwkError::Point));
    assert_eq!(with(&EC, "x", text(&[0xff; 32])), Err(JwkError::Point));
    assert_eq!(with(&EC, "crv", Some(Value::from("P-384"))), Err(JwkError::CoordinateLength("x")));
    for curve in ["P-224", "p-256", "secp256k1", "Ed25519", ""] {
        assert_eq!(with(&EC, "crv", Some(Value::from(curve))), Err(JwkError::Curve), "{curve}");
    }
}

#[test]
fn an_rsa_key_is_of_a_safe_size_and_exponent() {
    for (octets, bits) in [(0, 0), (1, 8), (128, 1024), (255, 2040), (513, 4104), (1024, 8192)] {
        let mut modulus = vec![0xff; octets];
        modulus.iter_mut().last().map(|last| *last |= 1).unwrap_or_default();
        assert_eq!(with(&RSA, "n", text(&modulus)), Err(JwkError::ModulusSize { bits }), "{octets} octets");
    }
    let mut shorter = modulus();
    shorter[0] = 0x7f;
    assert_eq!(with(&RSA, "n", text(&shorter)), Err(JwkError::ModulusSize { bits: 2047 }));
    let mut even = modulus();
    *even.last_mut().unwrap() &= 0xfe;
    assert_eq!(with(&RSA, "n", text(&even)), Err(JwkError::EvenModulus));
    for exponent in [&[1_u8][..], &[3], &[17], &[255, 255], &[1, 0, 0], &[1, 0, 0, 0, 1], &[0xff; 32]] {
        assert_eq!(with(&RSA, "e", text(exponent)), Err(JwkError::Exponent), "{exponent:?}");
    }
    assert!(with(&RSA, "e", text(&[1, 0, 3])).is_ok());
}

#[test]
fn a_number_has_one_spelling() {
    let mut led_by_zero = modulus();
    led_by_zero.insert(0, 0);
    assert_eq!(with(&RSA, "n", text(&led_by_zero)), Err(JwkError::Encoding("n")));
    assert_eq!(with(&RSA, "e", Some(Value::from("AAEAAQ"))), Err(JwkError::Encoding("e")));
    for spelling in ["AQAB=", "AQAB ", "A+AB", "AQA", "AQABA", "AQABAA=="] {
        assert!(with(&RSA, "e", Some(Value::from(spelling))).is_err(), "{spelling}");
    }
    assert_eq!(with(&RSA, "e", Some(Value::from(65537))), Err(JwkError::Missing("e")));
}

#[test]
fn a_missing_member_is_named() {
    for name in ["kty", "crv", "x", "y"] {
        assert!(matches!(with(&EC, name, None), Err(JwkError::Missing(found)) if found == name));
    }
    for name in ["kty", "n", "e"] {
        assert!(matches!(with(&RSA, name, None), Err(JwkError::Missing(found)) if found == name));
    }
    for kty in ["oct", "OKP", "ec", "rsa", ""] {
        assert_eq!(with(&EC, "kty", Some(Value::from(kty))), Err(JwkError::Type), "{kty}");
    }
}

#[test]
fn whoever_publishes_a_private_key_publishes_no_key() {
    for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        assert_eq!(with(&EC, name, Some(Value::from("AQAB"))), Err(JwkError::Private), "{name}");
        assert_eq!(with(&RSA, name, Some(Value::from("AQAB"))), Err(JwkError::Private), "{name}");
    }
}

#[test]
fn no_key_info_but_a_whole_one_is_read() {
    let info = TestKey::p256().info();
    assert_eq!(PublicKey::from_info(&info[..info.len() - 1]), Err(JwkError::Info));
    assert_eq!(PublicKey::from_info(&[&info[..], &[0]].concat()), Err(JwkError::Info));
    assert_eq!(PublicKey::from_info(&[]), Err(JwkError::Info));
    let ed25519 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    assert_eq!(
        PublicKey::from_info(&rcgen::PublicKeyData::subject_public_key_info(&ed25519)),
        Err(JwkError::Type)
    );
}

#[test]
fn a_key_that_json_spells_otherwise_is_the_same_key() {
    let spaced =
        Value::from(written(&EC)).to_string().replace(':', " : ").replace("\"kty\"", "\"\\u006bty\"");
    let limits = Limits { bytes: 4096, depth: 2, values: 16 };
    let members = json::read(spaced.as_bytes(), limits).unwrap().into_members().unwrap();
    assert_eq!(PublicKey::from_members(&members).as_ref(), Ok(&*EC));
}
