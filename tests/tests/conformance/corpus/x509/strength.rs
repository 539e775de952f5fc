//! Which keys prove anything, and which algorithms sign.

use super::super::certificate::Certificate;
use super::super::der;
use super::super::keys::{Algorithm, Key};
use super::{ACCEPT, Case, Presented, Signer, WEB, World, leaf, refuse, root, whole};

const EC_KEY: &str = "1.2.840.10045.2.1";
const RSA_KEY: &str = "1.2.840.113549.1.1.1";
const P256: &str = "1.2.840.10045.3.1.7";

/// The keys of leaves, then the algorithms of their signers, then signatures that do not hold.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = accepted_keys();
    cases.extend(weak_keys());
    cases.extend(keys_that_are_none());
    cases.extend(algorithms());
    cases.extend(signatures());
    cases
}

fn accepted_keys() -> Vec<Case> {
    vec![
        leaf("key-p384", "SPIFFE-ID 3.2 signed", ACCEPT, |c| {
            c.public_key_info = Key::p384().public_key_info();
        }),
        leaf("key-rsa-2048", "SPIFFE-ID 3.2 signed", ACCEPT, |c| {
            c.public_key_info = Key::rsa2048().public_key_info();
        }),
        leaf("key-rsa-3072", "SPIFFE-ID 3.2 signed", ACCEPT, |c| {
            c.public_key_info = Key::rsa3072().public_key_info();
        }),
        leaf("key-rsa-4096", "Kith", ACCEPT, |c| c.public_key_info = rsa(4096, &[1, 0, 1])),
        leaf("key-rsa-of-a-larger-exponent", "Kith", ACCEPT, |c| {
            c.public_key_info = rsa(2048, &[1, 0, 0, 1]);
        }),
    ]
}

fn weak_keys() -> Vec<Case> {
    let weak = |id, spoil: fn(&mut Certificate)| leaf(id, "Kith", refuse("WeakKey"), spoil);
    vec![
        weak("key-rsa-512", |c| c.public_key_info = rsa(512, &[1, 0, 1])),
        weak("key-rsa-1024", |c| c.public_key_info = rsa(1024, &[1, 0, 1])),
        weak("key-rsa-2040", |c| c.public_key_info = rsa(2040, &[1, 0, 1])),
        weak("key-rsa-8192", |c| c.public_key_info = rsa(8192, &[1, 0, 1])),
        weak("key-rsa-of-exponent-one", |c| c.public_key_info = rsa(2048, &[1])),
        weak("key-rsa-of-exponent-three", |c| c.public_key_info = rsa(2048, &[3])),
        weak("key-rsa-of-an-exponent-beyond-32-bits", |c| c.public_key_info = rsa(2048, &[1, 0, 0, 0, 1])),
        weak("key-rsa-of-an-even-exponent", |c| c.public_key_info = rsa(2048, &[1, 0, 2])),
        weak("key-p521", |c| c.public_key_info = Key::p521().public_key_info()),
        weak("key-ed25519", |c| c.public_key_info = Key::ed25519().public_key_info()),
        weak("key-ed448", |c| c.public_key_info = bare_key("1.3.101.113", &[7; 57])),
        weak("key-x25519", |c| c.public_key_info = bare_key("1.3.101.110", &[7; 32])),
        weak("key-p192", |c| c.public_key_info = ec("1.2.840.10045.3.1.1", &[&[4][..], &[7; 48]].concat())),
        weak("key-p224", |c| c.public_key_info = ec("1.3.132.0.33", &[&[4][..], &[7; 56]].concat())),
        weak("key-secp256k1", |c| c.public_key_info = ec("1.3.132.0.10", &[&[4][..], &[7; 64]].concat())),
        weak("key-dsa", |c| c.public_key_info = bare_key("1.2.840.10040.4.1", &der::unsigned(&[7; 128]))),
        weak("key-of-unknown-algorithm", |c| c.public_key_info = bare_key("1.2.3.4", &[7; 32])),
    ]
}

/// What stands where a key should, and is none.
fn keys_that_are_none() -> Vec<Case> {
    let no_key = |id, spoil: fn(&mut Certificate)| leaf(id, "RFC 5280 4.1.2.7", refuse("PublicKey"), spoil);
    vec![
        no_key("point-at-infinity", |c| c.public_key_info = ec(P256, &[0])),
        no_key("point-too-short", |c| c.public_key_info = ec(P256, &[&[4][..], &[7; 63]].concat())),
        no_key("point-compressed", |c| {
            let whole = Key::p256().public_key_info();
            let x = &whole[whole.len() - 64..whole.len() - 32];
            c.public_key_info = ec(P256, &[&[2][..], x].concat());
        }),
        no_key("curve-in-full", |c| {
            let algorithm = der::sequence(&[der::oid(EC_KEY), der::sequence(&[der::unsigned(&[1])])]);
            c.public_key_info = der::sequence(&[algorithm, der::bits(0, &[&[4][..], &[7; 64]].concat())]);
        }),
        no_key("curve-left-out", |c| {
            let algorithm = der::sequence(&[der::oid(EC_KEY)]);
            c.public_key_info = der::sequence(&[algorithm, der::bits(0, &[&[4][..], &[7; 64]].concat())]);
        }),
        no_key("rsa-of-a-negative-modulus", |c| {
            let modulus = der::tlv(der::INTEGER, &[0x87; 256]);
            c.public_key_info = rsa_of(&der::sequence(&[modulus, der::unsigned(&[1, 0, 1])]));
        }),
        no_key("rsa-of-one-number", |c| {
            c.public_key_info = rsa_of(&der::sequence(&[der::unsigned(&[0x87; 256])]));
        }),
        no_key("rsa-with-bytes-behind", |c| {
            let numbers = der::sequence(&[der::unsigned(&[0x87; 256]), der::unsigned(&[1, 0, 1])]);
            c.public_key_info = rsa_of(&der::joined(&[numbers, der::null()]));
        }),
    ]
}

fn rsa(bits: usize, exponent: &[u8]) -> Vec<u8> {
    let mut modulus = vec![0; bits / 8];
    aws_lc_rs::rand::fill(&mut modulus).expect("the machine has randomness");
    (modulus[0], modulus[bits / 8 - 1]) = (modulus[0] | 0x80, modulus[bits / 8 - 1] | 1);
    rsa_of(&der::sequence(&[der::unsigned(&modulus), der::unsigned(exponent)]))
}

fn rsa_of(key: &[u8]) -> Vec<u8> {
    der::sequence(&[der::sequence(&[der::oid(RSA_KEY), der::null()]), der::bits(0, key)])
}

fn ec(curve: &str, point: &[u8]) -> Vec<u8> {
    der::sequence(&[der::sequence(&[der::oid(EC_KEY), der::oid(curve)]), der::bits(0, point)])
}

fn bare_key(algorithm: &str, key: &[u8]) -> Vec<u8> {
    der::sequence(&[der::sequence(&[der::oid(algorithm)]), der::bits(0, key)])
}

/// A leaf that a root with this key signs directly.
fn signed_with(key: Key, algorithm: Algorithm) -> Presented {
    let root = Signer::root_with("root", key, |c| c.signed_with = Some(algorithm));
    let mut leaf = Certificate::leaf(WEB, Key::p256());
    leaf.signed_with = Some(algorithm);
    Presented::new(vec![root.sign(&leaf)], &root.der)
}

fn algorithms() -> Vec<Case> {
    let path = "X509-SVID 5.1 signature";
    vec![
        whole("signed-by-p384", path, ACCEPT, |_| signed_with(Key::p384(), Algorithm::EcdsaSha384)),
        whole("signed-by-p256-itself", path, ACCEPT, |_| signed_with(Key::p256(), Algorithm::EcdsaSha256)),
        whole("signed-by-rsa-with-sha256", path, ACCEPT, |_| {
            signed_with(Key::rsa2048(), Algorithm::RsaSha256)
        }),
        whole("signed-by-rsa-with-sha384", path, ACCEPT, |_| {
            signed_with(Key::rsa2048(), Algorithm::RsaSha384)
        }),
        whole("signed-by-rsa-with-sha512", path, ACCEPT, |_| {
            signed_with(Key::rsa3072(), Algorithm::RsaSha512)
        }),
        whole("signed-by-pss-with-sha256", path, ACCEPT, |_| {
            signed_with(Key::rsa2048(), Algorithm::PssSha256)
        }),
        whole("signed-by-pss-with-sha384", path, ACCEPT, |_| {
            signed_with(Key::rsa2048(), Algorithm::PssSha384)
        }),
        whole("signed-by-pss-with-sha512", path, ACCEPT, |_| {
            signed_with(Key::rsa2048(), Algorithm::PssSha512)
        }),
        whole("root-of-p521", "Kith", refuse("WeakSignature"), |_| {
            signed_with(Key::p521(), Algorithm::EcdsaSha512)
        }),
        whole("root-of-ed25519", "Kith", refuse("WeakSignature"), |_| {
            signed_with(Key::ed25519(), Algorithm::Ed25519)
        }),
        root("root-of-a-weak-key", "Kith", refuse("WeakKey"), |c| c.public_key_info = rsa(1024, &[1, 0, 1])),
        root("root-whose-point-is-off-the-curve", "RFC 5280 4.1.2.7", refuse("Key"), |c| {
            c.public_key_info = ec(P256, &[&[4][..], &[7; 64]].concat());
        }),
        leaf("signed-with-sha1", "Kith", refuse("WeakSignature"), |c| {
            say_signed_with(c, der::sequence(&[der::oid("1.2.840.113549.1.1.5"), der::null()]));
        }),
        leaf("signed-with-md5", "Kith", refuse("WeakSignature"), |c| {
            say_signed_with(c, der::sequence(&[der::oid("1.2.840.113549.1.1.4"), der::null()]));
        }),
        leaf("signed-by-ecdsa-with-sha1", "Kith", refuse("WeakSignature"), |c| {
            say_signed_with(c, der::sequence(&[der::oid("1.2.840.10045.4.1")]));
        }),
        leaf("signed-by-pss-with-sha1", "Kith", refuse("WeakSignature"), |c| {
            let defaults = der::sequence::<&[u8]>(&[]);
            say_signed_with(c, der::sequence(&[der::oid("1.2.840.113549.1.1.10"), defaults]));
        }),
        leaf("ecdsa-with-parameters", "RFC 5758 3.2", refuse("WeakSignature"), |c| {
            say_signed_with(c, der::sequence(&[der::oid("1.2.840.10045.4.3.2"), der::null()]));
        }),
        leaf("algorithms-differ", "RFC 5280 4.1.1.2", refuse("AlgorithmsDiffer"), |c| {
            c.inner_algorithm = Some(Algorithm::EcdsaSha384.identifier());
        }),
    ]
}

fn say_signed_with(certificate: &mut Certificate, identifier: Vec<u8>) {
    certificate.inner_algorithm = Some(identifier.clone());
    certificate.outer_algorithm = Some(identifier);
}

fn signatures() -> Vec<Case> {
    let path = "X509-SVID 5.1 signature";
    let unknown = refuse("UnknownAuthority");
    vec![
        whole("signed-by-somebody-else", path, unknown, |world: &World| {
            let leaf = Certificate::leaf(WEB, Key::p256());
            world.present(leaf.signed_by(&world.issuing.name, world.other_issuing.key))
        }),
        whole("signed-by-itself", path, unknown, |world| {
            let key = Key::p256();
            world.present(Certificate::leaf(WEB, key).signed_by(&world.issuing.name, key))
        }),
        whole("identity-changed-behind-the-signature", path, unknown, |world| {
            let mut leaf = world.issuing.svid();
            let place = leaf.windows(3).rposition(|bytes| bytes == b"web").expect("its identity ends so");
            leaf[place] = b'W';
            world.present(leaf)
        }),
        leaf("signature-changed", path, unknown, |c| {
            c.spoil_signature = Some(|signature| *signature.last_mut().expect("not empty") ^= 1);
        }),
        leaf("signature-of-another-certificate", path, unknown, |c| {
            // Two zero numbers would verify for every message in a verifier that does not check their range.
            c.spoil_signature = Some(|signature| {
                *signature = der::bits(0, &der::sequence(&[der::unsigned(&[0]), der::unsigned(&[0])]));
            });
        }),
        leaf("signature-empty", path, unknown, |c| {
            c.spoil_signature = Some(|signature| *signature = der::bits(0, &[]));
        }),
        leaf("signature-with-unused-bits", "RFC 5280 4.1.1.3", refuse("Layout"), |c| {
            c.spoil_signature = Some(|signature| signature[2] = 1);
        }),
    ]
}
