//! From a CSR (PKCS#10, RFC 2986) to the one thing that is taken from it: a public key whose owner proved that he
//! has the private one.
//!
//! Names, extensions and attributes are never read, so they can never be copied (C2 to C7). The key, and the
//! algorithm of the signature, must be byte for byte one of the few encodings written down here (C8, C12).

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1,
    EcdsaVerificationAlgorithm, ParsedPublicKey,
};
use kith_identity::svid::KeyHash;
use rcgen::{PublicKeyData, SignatureAlgorithm};

use crate::issue::der::{self, BIT_STRING, CONTEXT_0, DerError, INTEGER, Reader, SEQUENCE};

/// Ours have 200 bytes; other people's, with names and extensions, rarely a few KiB.
const MAX_BYTES: usize = 8 * 1024;

/// Everything of a SubjectPublicKeyInfo (RFC 5480) before the coordinates, the uncompressed form's 04 included.
const P256_INFO: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];
const P384_INFO: &[u8] = &[
    0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81,
    0x04, 0x00, 0x22, 0x03, 0x62, 0x00, 0x04,
];
/// AlgorithmIdentifiers (RFC 5758 §3.2): ecdsa-with-SHA256 and ecdsa-with-SHA384, without parameters.
const ECDSA_SHA256: &[u8] = &[0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const ECDSA_SHA384: &[u8] = &[0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03];

/// Why a CSR is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CsrError {
    /// Larger than any honest one (C11).
    #[error("the CSR has {size} bytes, more than {MAX_BYTES}")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// Not one CSR in DER, no byte more (C11).
    #[error("the CSR is not DER of one PKCS#10 request: {0}")]
    Der(#[from] DerError),
    /// A version that does not exist.
    #[error("the CSR does not have version 0 (RFC 2986 4.1)")]
    Version,
    /// A key of another kind (C8), or not in uncompressed form (C10).
    #[error("the CSR's key is not an uncompressed P-256 or P-384 key; make a P-256 one")]
    Key,
    /// A point that is not on the curve (C10).
    #[error("the CSR's key is not a point on its curve")]
    Point,
    /// A weak or unknown signature algorithm (C12).
    #[error("the CSR is not signed by ECDSA with SHA-256 or SHA-384")]
    SignatureAlgorithm,
    /// Its owner did not prove that he has the private key (C1).
    #[error("the CSR's signature does not verify with its own key")]
    Signature,
}

/// A public key that may be certified: of a kind we accept, and proven to be its presenter's.
#[derive(Clone, PartialEq, Eq)]
pub struct SubjectKey {
    info: Vec<u8>,
    curve: Curve,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Curve {
    P256,
    P384,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Digest {
    Sha256,
    Sha384,
}

impl SubjectKey {
    /// Takes the key out of a DER CSR, after its proof of possession held. Everything else in it is ignored.
    pub fn from_csr(der: &[u8]) -> Result<Self, CsrError> {
        if der.len() > MAX_BYTES {
            return Err(CsrError::TooLarge { size: der.len() });
        }
        der::check(der)?;
        let request = Request::read(der)?;
        let key = Self::from_info(request.key_info)?;
        let algorithm = key.curve.algorithm(Digest::read(request.signature_algorithm)?);
        let parsed = ParsedPublicKey::new(algorithm, key.der_bytes()).map_err(|_| CsrError::Point)?;
        parsed.verify_sig(request.info, request.signature).map_err(|_| CsrError::Signature)?;
        Ok(key)
    }

    /// What names this key in attestation and in distrust lists.
    pub fn key_hash(&self) -> KeyHash {
        KeyHash::of_public_key_info(&self.info)
    }

    fn from_info(info: &[u8]) -> Result<Self, CsrError> {
        let of = |curve: Curve| info.starts_with(curve.info()) && info.len() == curve.info_len();
        let curve = [Curve::P256, Curve::P384].into_iter().find(|curve| of(*curve)).ok_or(CsrError::Key)?;
        Ok(Self { info: info.to_vec(), curve })
    }
}

/// The four parts that matter, as slices of the CSR.
struct Request<'a> {
    /// What is signed.
    info: &'a [u8],
    key_info: &'a [u8],
    signature_algorithm: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Request<'a> {
    fn read(der: &'a [u8]) -> Result<Self, CsrError> {
        let mut outer = Reader::new(der);
        let mut request = Reader::new(outer.expect(SEQUENCE)?.content);
        outer.end()?;
        let info = request.expect(SEQUENCE)?;
        let signature_algorithm = request.expect(SEQUENCE)?.whole;
        let signature = request.expect(BIT_STRING)?.content;
        request.end()?;
        let mut fields = Reader::new(info.content);
        let version = fields.expect(INTEGER)?.content;
        let _subject = fields.expect(SEQUENCE)?;
        let key_info = fields.expect(SEQUENCE)?.whole;
        let _attributes = fields.expect(CONTEXT_0)?;
        fields.end()?;
        if version != [0] {
            return Err(CsrError::Version);
        }
        // The first octet of a bit string counts the unused bits of its last one; a signature has none.
        let [0, signature @ ..] = signature else {
            return Err(CsrError::Signature);
        };
        Ok(Self { info: info.whole, key_info, signature_algorithm, signature })
    }
}

impl Curve {
    fn info(self) -> &'static [u8] {
        match self {
            Self::P256 => P256_INFO,
            Self::P384 => P384_INFO,
        }
    }

    /// Two coordinates follow.
    fn info_len(self) -> usize {
        match self {
            Self::P256 => P256_INFO.len() + 2 * 32,
            Self::P384 => P384_INFO.len() + 2 * 48,
        }
    }

    fn algorithm(self, digest: Digest) -> &'static EcdsaVerificationAlgorithm {
        match (self, digest) {
            (Self::P256, Digest::Sha256) => &ECDSA_P256_SHA256_ASN1,
            (Self::P256, Digest::Sha384) => &ECDSA_P256_SHA384_ASN1,
            (Self::P384, Digest::Sha256) => &ECDSA_P384_SHA256_ASN1,
            (Self::P384, Digest::Sha384) => &ECDSA_P384_SHA384_ASN1,
        }
    }
}

impl Digest {
    fn read(algorithm: &[u8]) -> Result<Self, CsrError> {
        match algorithm {
            ECDSA_SHA256 => Ok(Self::Sha256),
            ECDSA_SHA384 => Ok(Self::Sha384),
            _ => Err(CsrError::SignatureAlgorithm),
        }
    }
}

impl PublicKeyData for SubjectKey {
    /// The point: 04 and both coordinates.
    fn der_bytes(&self) -> &[u8] {
        &self.info[self.curve.info().len() - 1..]
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        match self.curve {
            Curve::P256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            Curve::P384 => &rcgen::PKCS_ECDSA_P384_SHA384,
        }
    }
}

impl fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SubjectKey({:?}, {})", self.curve, self.key_hash())
    }
}

#[cfg(test)]
mod tests;
