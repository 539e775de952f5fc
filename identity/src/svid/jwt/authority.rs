//! A key that signs tokens, as a bundle names it (JWT-SVID §6).

use crate::json::Members;
use crate::jwk::{JwkError, PublicKey};
use crate::svid::KeyHash;
use crate::svid::jwt::algorithm::Algorithm;

/// An id is a name, not a document.
const MAX_KEY_ID: usize = 1024;

/// A token key of a trust domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtAuthority {
    key_id: String,
    key: PublicKey,
    /// The only algorithm that the key is published for, if the bundle says so.
    algorithm: Option<Algorithm>,
    /// What else the bundle says of it, kept to be written back.
    parameters: Members,
}

impl JwtAuthority {
    /// From a DER SubjectPublicKeyInfo, for publishing. The id is what tokens name it by.
    pub fn from_public_key_info(key_id: &str, der: &[u8]) -> Result<Self, JwkError> {
        Self::new(key_id, PublicKey::from_info(der)?, None, Members::new())
    }

    pub(crate) fn new(
        key_id: &str,
        key: PublicKey,
        algorithm: Option<Algorithm>,
        parameters: Members,
    ) -> Result<Self, JwkError> {
        if key_id.is_empty() || key_id.len() > MAX_KEY_ID {
            return Err(JwkError::KeyId);
        }
        Ok(Self { key_id: key_id.to_owned(), key, algorithm, parameters })
    }

    /// `kid`.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The hash of its public key, by which it may be distrusted.
    pub fn key_hash(&self) -> KeyHash {
        self.key.hash()
    }

    /// `kty`: `EC` or `RSA`.
    pub fn key_type(&self) -> &'static str {
        self.key.key_type()
    }

    /// `alg`, if the key is published for one algorithm alone.
    pub fn algorithm(&self) -> Option<&'static str> {
        self.algorithm.map(Algorithm::name)
    }

    /// Whether tokens of this algorithm may be its own.
    pub(super) fn may_sign(&self, algorithm: Algorithm) -> bool {
        algorithm.fits(&self.key) && self.algorithm.is_none_or(|only| only == algorithm)
    }

    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.may_sign(algorithm) && algorithm.verifies(&self.key, message, signature)
    }

    pub(crate) fn key(&self) -> &PublicKey {
        &self.key
    }

    pub(crate) fn parameters(&self) -> &Members {
        &self.parameters
    }
}
