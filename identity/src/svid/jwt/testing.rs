//! Token keys and tokens for this crate's tests, made when they run.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
    RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::JwtAuthority;
use crate::bundle::Bundle;
use crate::testing::{authority, der};
use crate::trust_domain::TrustDomain;

/// The second at which tests look at tokens.
pub(crate) const NOW: u64 = 1_800_000_000;

pub(crate) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW)
}

/// A key that signs tokens.
pub(crate) enum TestKey {
    Ec(EcdsaKeyPair),
    Rsa(rsa::KeyPair),
}

impl TestKey {
    pub(crate) fn p256() -> Self {
        Self::ec(&ECDSA_P256_SHA256_FIXED_SIGNING)
    }

    pub(crate) fn p384() -> Self {
        Self::ec(&ECDSA_P384_SHA384_FIXED_SIGNING)
    }

    pub(crate) fn p521() -> Self {
        Self::ec(&ECDSA_P521_SHA512_FIXED_SIGNING)
    }

    fn ec(algorithm: &'static EcdsaSigningAlgorithm) -> Self {
        Self::Ec(EcdsaKeyPair::generate(algorithm).unwrap())
    }

    pub(crate) fn rsa() -> Self {
        Self::Rsa(rsa::KeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    /// DER SubjectPublicKeyInfo.
    pub(crate) fn info(&self) -> Vec<u8> {
        let der = match self {
            Self::Ec(key) => key.public_key().as_der(),
            Self::Rsa(key) => key.public_key().as_der(),
        };
        der.unwrap().as_ref().to_vec()
    }

    pub(crate) fn authority(&self, key_id: &str) -> JwtAuthority {
        JwtAuthority::from_public_key_info(key_id, &self.info()).unwrap()
    }

    /// Signs as `alg` says, where the key can.
    fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Ec(key) => key.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Rsa(key) => {
                let encoding: &'static dyn RsaEncoding = match algorithm {
                    "RS384" => &RSA_PKCS1_SHA384,
                    "RS512" => &RSA_PKCS1_SHA512,
                    "PS256" => &RSA_PSS_SHA256,
                    "PS384" => &RSA_PSS_SHA384,
                    "PS512" => &RSA_PSS_SHA512,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(encoding, &random, message, &mut signature).unwrap();
                signature
            }
        }
    }

    /// A token with this header and these claims, signed as `algorithm` says whatever the header says.
    pub(crate) fn token(&self, algorithm: &str, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", encoded(header.as_bytes()), encoded(claims.as_bytes()));
        format!("{signed}.{}", encoded(&self.sign(algorithm, signed.as_bytes())))
    }
}

pub(crate) fn encoded(octets: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(octets)
}

/// Claims that are good at `now()` for the audience `reports`.
pub(crate) fn claims() -> String {
    format!(r#"{{"sub":"spiffe://demo.local/ns/shop/sa/web","aud":"reports","exp":{}}}"#, NOW + 300)
}

/// A bundle with one anchor and these token keys.
pub(crate) fn bundle_with(trust_domain: &str, keys: impl IntoIterator<Item = JwtAuthority>) -> Bundle {
    let anchor = der(&authority(&format!("spiffe://{trust_domain}")));
    Bundle::parse(TrustDomain::parse(trust_domain).unwrap(), &[anchor]).unwrap().with_jwt_authorities(keys)
}
