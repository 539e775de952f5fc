//! Hostile CSRs: each is refused for the reason it is hostile, not for another.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256K1_SHA256_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    KeyPair as _,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use rcgen::{CertificateParams, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};

use super::*;
use crate::testing::{csr, csr_asking, key_pair};

/// `openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -sha384 -subj / -nodes -outform DER`
const OPENSSL_P256_SHA384: &[&str] = &[
    "MIG7MGICAQAwADBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABCjijQL6bAOl8m6nQ1Ry434ALnFZVIjp+3a4NmALuZZzGsWONXZA",
    "YEe65sfMWjMupZnMphm725108rpRv8SVw5SgADAKBggqhkjOPQQDAwNJADBGAiEAuSCXXHw2yGtZfKnVKRHTPrktIB4OK85fC8mx",
    "/5FTJgsCIQDRm1cQXSa/wzy5cedBBdyerbAo5QRpxQ7uSg4YeLK5Yw==",
];
/// The same with `P-384` and `-sha256`.
const OPENSSL_P384_SHA256: &[&str] = &[
    "MIH3MH8CAQAwADB2MBAGByqGSM49AgEGBSuBBAAiA2IABHIALuJhCuUDpJtZDf98yM35uhfIbjDQqagnLahz3UK/AjCHDPEA0vjf",
    "di1cNrEAtbamGskzFYvuZmmqqodNatpwLDz3DxWHMeu40O9i9BLnxykh1DvddG9HfIjUjDdXr6AAMAoGCCqGSM49BAMCA2gAMGUC",
    "MGLsWuhSxeAStU016EseupGUpYLbBxzcv7v6AZDCpOVv8TT+uimOwA53wgPoOS6BLgIxAJK3GJAiGiykwF4NbT/eiX+mA6uGzjRC",
    "FN5N/04yftNhZr58IaM8pLuUnTqvKiGf9w==",
];
const ATTRIBUTES: u8 = CONTEXT_0;
const OID: u8 = 0x06;
const P256K1: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x0a];
const P192: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x01];
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// A CSR put together octet by octet. The default is honest; a test spoils one thing.
struct Forge {
    pair: EcdsaKeyPair,
    version: Vec<u8>,
    key_info: Vec<u8>,
    /// After the attributes, inside what is signed.
    more: Vec<u8>,
    algorithm: Vec<u8>,
    unused_bits: u8,
}

impl Forge {
    fn new() -> Self {
        Self::with(&ECDSA_P256_SHA256_ASN1_SIGNING, P256_INFO)
    }

    fn with(algorithm: &'static EcdsaSigningAlgorithm, info: &[u8]) -> Self {
        let pair = EcdsaKeyPair::generate(algorithm).unwrap();
        let key_info = [info, &pair.public_key().as_ref()[1..]].concat();
        let (version, algorithm) = (vec![0], ECDSA_SHA256.to_vec());
        Self { pair, version, key_info, more: Vec::new(), algorithm, unused_bits: 0 }
    }

    fn der(&self) -> Vec<u8> {
        let fields = [
            tlv(INTEGER, &self.version),
            tlv(SEQUENCE, &[]),
            self.key_info.clone(),
            tlv(ATTRIBUTES, &[]),
            self.more.clone(),
        ];
        let info = tlv(SEQUENCE, &fields.concat());
        let signature = self.pair.sign(&SystemRandom::new(), &info).unwrap();
        let signature = tlv(BIT_STRING, &[&[self.unused_bits], signature.as_ref()].concat());
        tlv(SEQUENCE, &[info, self.algorithm.clone(), signature].concat())
    }
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    let length = match (high, low) {
        (0, ..=0x7f) => vec![low],
        (0, _) => vec![0x81, low],
        _ => vec![0x82, high, low],
    };
    [&[tag], length.as_slice(), content].concat()
}

/// SubjectPublicKeyInfo of any algorithm.
fn key_info(algorithm: &[u8], parameters: &[u8], key: &[u8]) -> Vec<u8> {
    let algorithm = tlv(SEQUENCE, &[tlv(OID, algorithm), parameters.to_vec()].concat());
    tlv(SEQUENCE, &[algorithm, tlv(BIT_STRING, &[&[0], key].concat())].concat())
}

fn rsa_key_info(modulus_octets: usize, exponent: &[u8]) -> Vec<u8> {
    let modulus = [&[0], vec![0xb5; modulus_octets].as_slice()].concat();
    let key = tlv(SEQUENCE, &[tlv(INTEGER, &modulus), tlv(INTEGER, exponent)].concat());
    key_info(RSA, &[0x05, 0x00], &key)
}

fn refusal(der: &[u8]) -> CsrError {
    SubjectKey::from_csr(der).unwrap_err()
}

#[test]
fn an_honest_csr_gives_its_key() {
    let forge = Forge::new();
    let key = SubjectKey::from_csr(&forge.der()).unwrap();
    assert_eq!(key.key_hash(), KeyHash::of_public_key_info(&forge.key_info));
    assert_eq!(key.subject_public_key_info(), forge.key_info);
}

// C8
#[test]
fn p256_and_p384_with_either_digest_are_taken() {
    for algorithm in [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384] {
        let key = key_pair(algorithm);
        assert_eq!(
            SubjectKey::from_csr(&csr(&key)).unwrap().subject_public_key_info(),
            key.subject_public_key_info()
        );
    }
    for (name, csr) in [("P-256, SHA-384", OPENSSL_P256_SHA384), ("P-384, SHA-256", OPENSSL_P384_SHA256)] {
        let der = STANDARD.decode(csr.concat()).unwrap();
        assert!(SubjectKey::from_csr(&der).is_ok(), "{name}");
    }
}

// C1
#[test]
fn a_csr_with_a_bad_signature_is_refused() {
    let mut der = csr(&key_pair(&PKCS_ECDSA_P256_SHA256));
    *der.last_mut().unwrap() ^= 1;
    assert_eq!(refusal(&der), CsrError::Signature);
}

// C1: a public key that somebody else owns.
#[test]
fn a_csr_signed_by_another_key_than_its_own_is_refused() {
    let mut forge = Forge::new();
    forge.key_info = Forge::new().key_info;
    assert_eq!(refusal(&forge.der()), CsrError::Signature);
}

// C1: the signature covers everything in the request, also what we ignore.
#[test]
fn a_csr_changed_after_it_was_signed_is_refused() {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, "web");
    let mut der = csr_asking(&params, &key_pair(&PKCS_ECDSA_P256_SHA256));
    let at = der.windows(3).position(|window| window == b"web").unwrap();
    der[at] = b'W';
    assert_eq!(refusal(&der), CsrError::Signature);
}

#[test]
fn a_signature_with_unused_bits_is_refused() {
    assert_eq!(refusal(&Forge { unused_bits: 1, ..Forge::new() }.der()), CsrError::Signature);
}

// C8
#[test]
fn keys_of_any_other_kind_are_refused() {
    let p521 = [&[4], vec![1; 132].as_slice()].concat();
    let rows = [
        ("RSA 1024", rsa_key_info(128, &[1, 0, 1])),
        ("RSA 2048", rsa_key_info(256, &[1, 0, 1])),
        ("RSA 2048, e=1", rsa_key_info(256, &[1])),
        ("RSA 16384", rsa_key_info(2048, &[1, 0, 1])),
        ("P-192", key_info(EC_PUBLIC_KEY, &tlv(OID, P192), &[&[4], vec![1; 48].as_slice()].concat())),
        ("P-521", key_info(EC_PUBLIC_KEY, &tlv(OID, &[0x2b, 0x81, 0x04, 0x00, 0x23]), &p521)),
        ("Ed448", key_info(&[0x2b, 0x65, 0x71], &[], &[7; 57])),
        ("no curve", key_info(EC_PUBLIC_KEY, &[], &[&[4], vec![1; 64].as_slice()].concat())),
        ("implicit curve", key_info(EC_PUBLIC_KEY, &[5, 0], &[&[4], vec![1; 64].as_slice()].concat())),
    ];
    for (name, key_info) in rows {
        assert_eq!(refusal(&Forge { key_info, ..Forge::new() }.der()), CsrError::Key, "{name}");
    }
}

// C8: and with a signature that is good.
#[test]
fn genuine_secp256k1_and_ed25519_requests_are_refused() {
    let mut forge = Forge::with(&ECDSA_P256K1_SHA256_ASN1_SIGNING, &[]);
    forge.key_info = key_info(EC_PUBLIC_KEY, &tlv(OID, P256K1), forge.pair.public_key().as_ref());
    assert_eq!(refusal(&forge.der()), CsrError::Key);
    assert_eq!(refusal(&csr(&key_pair(&PKCS_ED25519))), CsrError::Key);
}

// C10
#[test]
fn points_off_the_curve_at_infinity_and_compressed_are_refused() {
    let point = |point: &[u8]| {
        let curve = tlv(OID, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]);
        Forge { key_info: key_info(EC_PUBLIC_KEY, &curve, point), ..Forge::new() }.der()
    };
    let good = Forge::new().pair.public_key().as_ref().to_vec();
    let mut off = good.clone();
    off[64] ^= 1;
    assert_eq!(refusal(&point(&off)), CsrError::Point, "off the curve");
    assert_eq!(refusal(&point(&[&[4], [0; 64].as_slice()].concat())), CsrError::Point, "zero");
    assert_eq!(refusal(&point(&[&[4], [0xff; 64].as_slice()].concat())), CsrError::Point, "beyond the field");
    assert_eq!(refusal(&point(&[0])), CsrError::Key, "infinity");
    assert_eq!(refusal(&point(&[&[2], &good[1..33]].concat())), CsrError::Key, "compressed");
    assert_eq!(refusal(&point(&[&[3], [0xff; 32].as_slice()].concat())), CsrError::Key, "compressed, bad x");
    assert_eq!(refusal(&point(&[&[6], &good[1..]].concat())), CsrError::Key, "hybrid");
    assert_eq!(refusal(&point(&good)), CsrError::Signature, "a good point, of somebody else");
}

// C11
#[test]
fn pem_two_requests_trailing_data_and_nothing_are_refused() {
    let der = Forge::new().der();
    let pem = key_pair(&PKCS_ECDSA_P256_SHA256);
    let pem = CertificateParams::default().serialize_request(&pem).unwrap().pem().unwrap();
    let rows = [
        ("nothing", Vec::new()),
        ("one PEM block", pem.clone().into_bytes()),
        ("two PEM blocks", [pem.as_bytes(), pem.as_bytes()].concat()),
        ("trailing data", [der.as_slice(), &[0]].concat()),
        ("a second request", [der.as_slice(), &der].concat()),
        ("a field too many", Forge { more: tlv(INTEGER, &[1]), ..Forge::new() }.der()),
    ];
    for (name, input) in rows {
        let refused = refusal(&input);
        assert!(matches!(refused, CsrError::Der(_)), "{name}: {refused:?}");
    }
    for length in 0..der.len() {
        let refused = refusal(&der[..length]);
        assert!(matches!(refused, CsrError::Der(_)), "{length}: {refused:?}");
    }
}

// C11: refused by its size, before a single octet is looked at.
#[test]
fn a_csr_of_a_mebibyte_is_refused() {
    assert_eq!(refusal(&vec![SEQUENCE; 1 << 20]), CsrError::TooLarge { size: 1 << 20 });
    assert_eq!(refusal(&vec![SEQUENCE; MAX_BYTES + 1]), CsrError::TooLarge { size: MAX_BYTES + 1 });
}

// C11: a length that BER allows and DER does not, outside and inside what is signed.
#[test]
fn a_csr_with_ber_lengths_is_refused() {
    let honest = Forge::new().der();
    assert_eq!(honest[1], 0x81);
    let outside = [&[SEQUENCE, 0x82, 0], &honest[2..]].concat();
    assert_eq!(refusal(&outside), CsrError::Der(DerError::Length));
    let indefinite = [&[SEQUENCE, 0x80], &honest[3..], &[0, 0]].concat();
    assert_eq!(refusal(&indefinite), CsrError::Der(DerError::Length));
    let inside = Forge { more: vec![INTEGER, 0x81, 1, 7], ..Forge::new() };
    assert_eq!(refusal(&inside.der()), CsrError::Der(DerError::Length));
}

// C12
#[test]
fn weak_and_unknown_signature_algorithms_are_refused() {
    let rows: [(&str, Vec<u8>); 4] = [
        ("ECDSA with SHA-1", tlv(OID, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01])),
        (
            "RSA with MD5",
            [tlv(OID, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x04]), vec![5, 0]].concat(),
        ),
        ("ECDSA with SHA-224", tlv(OID, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x01])),
        ("ECDSA with SHA-256 and parameters", [ECDSA_SHA256[2..].to_vec(), vec![5, 0]].concat()),
    ];
    for (name, algorithm) in rows {
        let forge = Forge { algorithm: tlv(SEQUENCE, &algorithm), ..Forge::new() };
        assert_eq!(refusal(&forge.der()), CsrError::SignatureAlgorithm, "{name}");
    }
}

#[test]
fn another_version_is_refused() {
    for version in [vec![1], vec![], vec![0, 0]] {
        assert_eq!(refusal(&Forge { version, ..Forge::new() }.der()), CsrError::Version);
    }
}

proptest! {
    #[test]
    fn no_input_makes_the_reader_panic(input in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(SubjectKey::from_csr(&input).is_err());
    }

    // C1: whatever octet is changed, the request no longer holds.
    #[test]
    fn no_changed_octet_is_accepted(at: prop::sample::Index, change in 1u8..) {
        let mut der = Forge::new().der();
        let at = at.index(der.len());
        der[at] ^= change;
        prop_assert!(SubjectKey::from_csr(&der).is_err());
    }
}
