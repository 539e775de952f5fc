//! One P-256 key that signs certificates. Owns its generation, its PKCS#8 form for sealing, and signing; a key
//! on a token (PKCS#11) will stand beside it.

use std::fmt;

use aws_lc_rs::pkcs8::Document;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use kith_identity::svid::KeyHash;
use rcgen::{PublicKeyData, SignatureAlgorithm};

/// What can go wrong with an authority's key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The generator failed.
    #[error("a signing key could not be generated")]
    Generate,
    /// The key cannot be written.
    #[error("a signing key could not be encoded")]
    Encode,
    /// What was sealed is no P-256 key.
    #[error("what is kept as a signing key is not a P-256 key: {reason}")]
    Decode {
        /// What the library said.
        reason: String,
    },
}

/// A private key of an authority.
pub(crate) struct SigningKey(EcdsaKeyPair);

impl SigningKey {
    pub(crate) fn generate() -> Result<Self, KeyError> {
        EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map(Self).map_err(|_| KeyError::Generate)
    }

    pub(crate) fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        match EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der) {
            Ok(pair) => Ok(Self(pair)),
            Err(rejected) => Err(KeyError::Decode { reason: rejected.to_string() }),
        }
    }

    /// The key in the clear, for sealing only. The document wipes itself when dropped.
    pub(crate) fn to_pkcs8(&self) -> Result<Document, KeyError> {
        self.0.to_pkcs8v1().map_err(|_| KeyError::Encode)
    }

    pub(crate) fn key_hash(&self) -> KeyHash {
        KeyHash::of_public_key_info(&self.subject_public_key_info())
    }
}

impl PublicKeyData for SigningKey {
    fn der_bytes(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for SigningKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature =
            self.0.sign(&SystemRandom::new(), message).map_err(|_| rcgen::Error::RingUnspecified)?;
        Ok(signature.as_ref().to_vec())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, ..)", self.key_hash())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_same_after_sealing() {
        let key = SigningKey::generate().unwrap();
        let again = SigningKey::from_pkcs8(key.to_pkcs8().unwrap().as_ref()).unwrap();
        assert_eq!(again.key_hash(), key.key_hash());
    }

    #[test]
    fn something_else_than_a_p256_key_is_refused_with_a_reason() {
        assert!(matches!(SigningKey::from_pkcs8(b"no key"), Err(KeyError::Decode { .. })));
    }

    // G4
    #[test]
    fn debug_shows_only_the_hash_of_the_public_key() {
        let key = SigningKey::generate().unwrap();
        assert_eq!(format!("{key:?}"), format!("SigningKey({}, ..)", key.key_hash()));
    }
}
