//! Keys that are made anew in each run, and the algorithms that they sign with. Making an RSA key takes its time, so there is
//! one of each size in a run, made when it is first asked for.

use std::sync::LazyLock;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKey, KeySize};
use aws_lc_rs::signature::{self as sig, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaEncoding};

use super::der;

/// Why nothing here fails.
const SOUND: &str = "a sound library makes, writes and uses keys of its own";

/// A key that can sign.
#[derive(Clone, Copy)]
pub(crate) enum Key {
    P256(&'static EcdsaKey),
    P384(&'static EcdsaKey),
    P521(&'static EcdsaKey),
    Rsa(&'static RsaKey),
    Ed25519(&'static Ed25519KeyPair),
}

/// One elliptic key, for every way in which it signs: the library ties a pair to one.
pub(crate) struct EcdsaKey {
    document: Vec<u8>,
    public: Vec<u8>,
}

/// How a certificate is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    EcdsaSha256,
    EcdsaSha384,
    EcdsaSha512,
    RsaSha256,
    RsaSha384,
    RsaSha512,
    PssSha256,
    PssSha384,
    PssSha512,
    Ed25519,
}

impl Key {
    /// A fresh key.
    pub(crate) fn p256() -> Self {
        Self::P256(EcdsaKey::generate(&sig::ECDSA_P256_SHA256_ASN1_SIGNING))
    }

    pub(crate) fn p384() -> Self {
        Self::P384(EcdsaKey::generate(&sig::ECDSA_P384_SHA384_ASN1_SIGNING))
    }

    pub(crate) fn p521() -> Self {
        Self::P521(EcdsaKey::generate(&sig::ECDSA_P521_SHA512_ASN1_SIGNING))
    }

    pub(crate) fn ed25519() -> Self {
        Self::Ed25519(Box::leak(Box::new(Ed25519KeyPair::generate().expect(SOUND))))
    }

    /// This run's key of 2048 bits.
    pub(crate) fn rsa2048() -> Self {
        static KEY: LazyLock<RsaKey> = LazyLock::new(|| RsaKey::generate(KeySize::Rsa2048).expect(SOUND));
        Self::Rsa(&KEY)
    }

    pub(crate) fn rsa3072() -> Self {
        static KEY: LazyLock<RsaKey> = LazyLock::new(|| RsaKey::generate(KeySize::Rsa3072).expect(SOUND));
        Self::Rsa(&KEY)
    }

    /// Its SubjectPublicKeyInfo.
    pub(crate) fn public_key_info(self) -> Vec<u8> {
        match self {
            Self::P256(key) | Self::P384(key) | Self::P521(key) => key.public.clone(),
            Self::Rsa(key) => key.public_key().as_der().expect(SOUND).as_ref().to_vec(),
            Self::Ed25519(key) => key.public_key().as_der().expect(SOUND).as_ref().to_vec(),
        }
    }

    /// What it signs with when nothing else is said.
    pub(crate) fn algorithm(self) -> Algorithm {
        match self {
            Self::P256(_) => Algorithm::EcdsaSha256,
            Self::P384(_) => Algorithm::EcdsaSha384,
            Self::P521(_) => Algorithm::EcdsaSha512,
            Self::Rsa(_) => Algorithm::RsaSha256,
            Self::Ed25519(_) => Algorithm::Ed25519,
        }
    }

    /// The signature as a certificate carries it.
    pub(crate) fn sign(self, algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
        match (self, algorithm) {
            (Self::P256(key), Algorithm::EcdsaSha256) => {
                key.sign(&sig::ECDSA_P256_SHA256_ASN1_SIGNING, message)
            }
            (Self::P384(key), Algorithm::EcdsaSha384) => {
                key.sign(&sig::ECDSA_P384_SHA384_ASN1_SIGNING, message)
            }
            (Self::P521(key), Algorithm::EcdsaSha512) => {
                key.sign(&sig::ECDSA_P521_SHA512_ASN1_SIGNING, message)
            }
            (Self::Rsa(key), Algorithm::RsaSha256) => rsa(key, &sig::RSA_PKCS1_SHA256, message),
            (Self::Rsa(key), Algorithm::RsaSha384) => rsa(key, &sig::RSA_PKCS1_SHA384, message),
            (Self::Rsa(key), Algorithm::RsaSha512) => rsa(key, &sig::RSA_PKCS1_SHA512, message),
            (Self::Rsa(key), Algorithm::PssSha256) => rsa(key, &sig::RSA_PSS_SHA256, message),
            (Self::Rsa(key), Algorithm::PssSha384) => rsa(key, &sig::RSA_PSS_SHA384, message),
            (Self::Rsa(key), Algorithm::PssSha512) => rsa(key, &sig::RSA_PSS_SHA512, message),
            (Self::Ed25519(key), Algorithm::Ed25519) => key.sign(message).as_ref().to_vec(),
            (_, other) => panic!("this key does not sign with {other:?}"),
        }
    }

    /// The signature as a token carries it: for ECDSA the two numbers side by side, at their full width.
    pub(crate) fn sign_token(self, name: &str, message: &[u8]) -> Vec<u8> {
        match (self, name) {
            (Self::P256(key), _) => key.sign(&sig::ECDSA_P256_SHA256_FIXED_SIGNING, message),
            (Self::P384(key), _) => key.sign(&sig::ECDSA_P384_SHA384_FIXED_SIGNING, message),
            (Self::P521(key), _) => key.sign(&sig::ECDSA_P521_SHA512_FIXED_SIGNING, message),
            (Self::Rsa(key), "RS384") => rsa(key, &sig::RSA_PKCS1_SHA384, message),
            (Self::Rsa(key), "RS512") => rsa(key, &sig::RSA_PKCS1_SHA512, message),
            (Self::Rsa(key), "PS256") => rsa(key, &sig::RSA_PSS_SHA256, message),
            (Self::Rsa(key), "PS384") => rsa(key, &sig::RSA_PSS_SHA384, message),
            (Self::Rsa(key), "PS512") => rsa(key, &sig::RSA_PSS_SHA512, message),
            (Self::Rsa(key), _) => rsa(key, &sig::RSA_PKCS1_SHA256, message),
            (Self::Ed25519(key), _) => key.sign(message).as_ref().to_vec(),
        }
    }

    /// The public numbers as a JWK names them: x and y of a curve, n and e of RSA.
    pub(crate) fn numbers(self) -> (Vec<u8>, Vec<u8>) {
        match self {
            Self::Rsa(key) => {
                let public = key.public_key();
                (
                    public.modulus().big_endian_without_leading_zero().to_vec(),
                    public.exponent().big_endian_without_leading_zero().to_vec(),
                )
            }
            Self::Ed25519(key) => (key.public_key().as_ref().to_vec(), Vec::new()),
            Self::P256(key) => key.point(32),
            Self::P384(key) => key.point(48),
            Self::P521(key) => key.point(66),
        }
    }
}

impl EcdsaKey {
    fn generate(kind: &'static sig::EcdsaSigningAlgorithm) -> &'static Self {
        let pair = EcdsaKeyPair::generate(kind).expect(SOUND);
        let document = pair.to_pkcs8v1().expect(SOUND).as_ref().to_vec();
        let public = pair.public_key().as_der().expect(SOUND).as_ref().to_vec();
        Box::leak(Box::new(Self { document, public }))
    }

    fn sign(&self, kind: &'static sig::EcdsaSigningAlgorithm, message: &[u8]) -> Vec<u8> {
        let pair = EcdsaKeyPair::from_pkcs8(kind, &self.document).expect(SOUND);
        pair.sign(&SystemRandom::new(), message).expect(SOUND).as_ref().to_vec()
    }

    /// The uncompressed point ends the public key: both numbers at the width of the curve.
    fn point(&self, width: usize) -> (Vec<u8>, Vec<u8>) {
        let (_, point) = self.public.split_at(self.public.len() - 2 * width);
        let (x, y) = point.split_at(width);
        (x.to_vec(), y.to_vec())
    }
}

fn rsa(key: &RsaKey, encoding: &'static dyn RsaEncoding, message: &[u8]) -> Vec<u8> {
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(encoding, &SystemRandom::new(), message, &mut signature).expect(SOUND);
    signature
}

impl Algorithm {
    /// Its AlgorithmIdentifier.
    pub(crate) fn identifier(self) -> Vec<u8> {
        match self {
            Self::EcdsaSha256 => der::sequence(&[der::oid("1.2.840.10045.4.3.2")]),
            Self::EcdsaSha384 => der::sequence(&[der::oid("1.2.840.10045.4.3.3")]),
            Self::EcdsaSha512 => der::sequence(&[der::oid("1.2.840.10045.4.3.4")]),
            Self::RsaSha256 => der::sequence(&[der::oid("1.2.840.113549.1.1.11"), der::null()]),
            Self::RsaSha384 => der::sequence(&[der::oid("1.2.840.113549.1.1.12"), der::null()]),
            Self::RsaSha512 => der::sequence(&[der::oid("1.2.840.113549.1.1.13"), der::null()]),
            Self::PssSha256 => pss("2.16.840.1.101.3.4.2.1", 32),
            Self::PssSha384 => pss("2.16.840.1.101.3.4.2.2", 48),
            Self::PssSha512 => pss("2.16.840.1.101.3.4.2.3", 64),
            Self::Ed25519 => der::sequence(&[der::oid("1.3.101.112")]),
        }
    }
}

/// RSASSA-PSS with one hash for all, and a salt of its length (RFC 4055 §3.1).
fn pss(hash: &str, salt: u8) -> Vec<u8> {
    let hash = der::sequence(&[der::oid(hash), der::null()]);
    let mask = der::sequence(&[der::oid("1.2.840.113549.1.1.8"), hash.clone()]);
    let parameters = der::sequence(&[
        der::constructed(0, &hash),
        der::constructed(1, &mask),
        der::constructed(2, &der::unsigned(&[salt])),
    ]);
    der::sequence(&[der::oid("1.2.840.113549.1.1.10"), parameters])
}
