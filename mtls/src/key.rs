//! A workload's private key: made here, never read from anywhere. Owns the signing request and the one
//! encoding in which the key leaves this file, for the workload that it belongs to; every copy is wiped when dropped.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use kith_identity::svid::KeyHash;
use rcgen::{CertificateParams, DistinguishedName, PublicKeyData, SignatureAlgorithm};
use rustls::crypto::aws_lc_rs::sign::any_ecdsa_type;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::SigningKey;
use zeroize::Zeroizing;

/// A fresh ECDSA P-256 key that no certificate names yet. Neither `Clone` nor serializable: one key serves one
/// svid, and the next svid gets a new one.
pub struct WorkloadKey(EcdsaKeyPair);

/// Why a key could not be made or used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The system's random source or the cryptographic library failed.
    #[error("no ECDSA P-256 key could be generated")]
    Generate,
    /// The signing request could not be made.
    #[error("the certificate signing request could not be made: {detail}")]
    Request {
        /// What the encoder or the signer said.
        detail: String,
    },
    /// The key cannot be encoded, or nothing can be signed with it.
    #[error("the key cannot be used: {detail}")]
    Unusable {
        /// What the library said.
        detail: String,
    },
}

impl WorkloadKey {
    /// A new key from the system's random source.
    pub fn generate() -> Result<Self, KeyError> {
        EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map(Self).map_err(|_| KeyError::Generate)
    }

    /// What attestation and the issued certificate must name.
    pub fn key_hash(&self) -> KeyHash {
        KeyHash::of_public_key_info(&self.public_key_info())
    }

    /// A PKCS#10 request, signed as proof of possession. It names nobody: who this is comes from attestation.
    pub fn csr_der(&self) -> Result<Vec<u8>, KeyError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let request = params
            .serialize_request(&RequestSigner(&self.0))
            .map_err(|error| KeyError::Request { detail: error.to_string() })?;
        Ok(request.der().to_vec())
    }

    /// The DER SubjectPublicKeyInfo.
    pub(crate) fn public_key_info(&self) -> Vec<u8> {
        RequestSigner(&self.0).subject_public_key_info()
    }

    /// The key in PKCS#8, not encrypted.
    pub(crate) fn pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        // What the library encodes into is wiped by its own `Drop`.
        let document =
            self.0.to_pkcs8v1().map_err(|_| KeyError::Unusable { detail: "no encoding".into() })?;
        Ok(Zeroizing::new(document.as_ref().to_vec()))
    }

    /// The key as TLS signs with it.
    pub(crate) fn for_tls(&self) -> Result<Arc<dyn SigningKey>, KeyError> {
        let encoded = self.pkcs8()?;
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(encoded.as_slice()));
        any_ecdsa_type(&der).map_err(|error| KeyError::Unusable { detail: error.to_string() })
    }
}

impl fmt::Debug for WorkloadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WorkloadKey(..)")
    }
}

/// Lends the key to the encoder of requests without making `WorkloadKey` a general signer.
struct RequestSigner<'a>(&'a EcdsaKeyPair);

impl PublicKeyData for RequestSigner<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for RequestSigner<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature =
            self.0.sign(&SystemRandom::new(), message).map_err(|_| rcgen::Error::RingUnspecified)?;
        Ok(signature.as_ref().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use rcgen::CertificateSigningRequestParams;
    use rustls::pki_types::CertificateSigningRequestDer;

    use super::*;

    #[test]
    fn a_request_is_signed_by_its_key_and_names_nobody() {
        let key = WorkloadKey::generate().unwrap();
        let csr = CertificateSigningRequestDer::from(key.csr_der().unwrap());
        // The parser checks the proof of possession.
        let request = CertificateSigningRequestParams::from_der(&csr).unwrap();
        assert_eq!(
            KeyHash::of_public_key_info(&request.public_key.subject_public_key_info()),
            key.key_hash()
        );
        assert_eq!(request.params.distinguished_name.iter().count(), 0);
        assert!(request.params.subject_alt_names.is_empty());
    }

    #[test]
    fn two_keys_are_never_the_same() {
        let (one, other) = (WorkloadKey::generate().unwrap(), WorkloadKey::generate().unwrap());
        assert_ne!(one.key_hash(), other.key_hash());
    }

    #[test]
    fn a_key_is_not_printed() {
        assert_eq!(format!("{:?}", WorkloadKey::generate().unwrap()), "WorkloadKey(..)");
    }
}
