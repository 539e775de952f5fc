//! Proving oneself again in a session that is already there, with a renewed svid. Owns what is signed and the order of the
//! checks; how a [`Proof`] travels, and what the session's new deadline does, is for the session's protocol.
//!
//! The message is built like TLS 1.3's CertificateVerify (RFC 8446 §4.4.3), with a context string of its own, so that a
//! signature made for one is never one for the other:
//!
//! ```text
//! 64 x 0x20 | "kith re-proof v1 client" or "... server" | 0x00 | exporter value | sequence (u64) | SHA-256 of the new chain
//! ```
//!
//! The exporter value ties it to one session, the string to one of its two ends, the sequence to one moment, and the digest
//! to the certificates beside it.

use std::time::SystemTime;

use kith_identity::{BundleSet, SpiffeId};
use rustls::SignatureScheme;
use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm};
use webpki::{EndEntityCert, aws_lc_rs as algorithm};

use crate::accept::Accept;
use crate::chain::ChainError;
use crate::digest::chain_digest;
use crate::error::Refusal;
use crate::exporter::SessionBinding;
use crate::key::KeyError;
use crate::path::Role;
use crate::svid::Svid;
use crate::verified_peer::VerifiedPeer;

/// As many as an RSA key of 4096 bits makes; ECDSA needs far fewer.
const MAX_SIGNATURE: usize = 512;

/// One algorithm for each kind of key that an svid may have, so the key alone says which it is and nobody can choose.
const SCHEMES: [SignatureScheme; 3] = [
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::RSA_PSS_SHA256,
];
/// The same, for whoever verifies.
static ALGORITHMS: [&dyn SignatureVerificationAlgorithm; 3] = [
    algorithm::ECDSA_P256_SHA256,
    algorithm::ECDSA_P384_SHA384,
    algorithm::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
];

/// What one end of a session shows to prove itself again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Greater than any that this end sent in this session before.
    pub sequence: u64,
    /// The renewed chain in DER, the end certificate first.
    pub chain: Vec<Vec<u8>>,
    /// By the key of the end certificate, over the message that belongs to this session.
    pub signature: Vec<u8>,
}

/// Why a proof changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReproofRefusal {
    /// It is of the other end of the session: our own, perhaps, sent back to us.
    #[error("the proof is of the session's {}, its {} has to prove itself", end(*shown), end(*peer))]
    OtherEnd {
        /// Whose it is said to be.
        shown: Role,
        /// Which end the peer is.
        peer: Role,
    },
    /// It was accepted before, or overtaken by one that was.
    #[error("the proof has number {sequence}, one with number {after} was accepted already")]
    Replayed {
        /// Its number.
        sequence: u64,
        /// The last one accepted.
        after: u64,
    },
    /// More bytes than any key signs.
    #[error("the proof has a signature of {bytes} bytes, at most {MAX_SIGNATURE} are read")]
    LongSignature {
        /// How many.
        bytes: usize,
    },
    /// The chain does not prove the peer of this session now.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The key of the certificate did not sign this, here and now.
    #[error("the proof of {found} is not signed for this session by the key of its certificate")]
    BadSignature {
        /// Whom the certificate names.
        found: SpiffeId,
    },
}

impl ReproofRefusal {
    /// The stable name of the reason, as logs and metrics carry it.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::OtherEnd { .. } => "proof_of_the_other_end",
            Self::Replayed { .. } => "proof_replayed",
            Self::LongSignature { .. } => "bad_proof",
            Self::Refused(refusal) => refusal.reason(),
            Self::BadSignature { .. } => "bad_proof_signature",
        }
    }
}

impl Svid {
    /// Proves this svid in a session of which we are the `role` end. `sequence` must grow with each proof in it.
    pub fn prove_again(
        &self,
        role: Role,
        binding: &SessionBinding,
        sequence: u64,
    ) -> Result<Proof, KeyError> {
        let unusable = |detail: &str| KeyError::Unusable { detail: detail.to_owned() };
        let signer = self.certified().key.choose_scheme(&SCHEMES);
        let signer = signer.ok_or_else(|| unusable("no algorithm for proofs fits it"))?;
        let message = message(role, binding, sequence, &chain_digest(self.chain()));
        let signature = signer.sign(&message).map_err(|error| unusable(&error.to_string()))?;
        Ok(Proof { sequence, chain: self.chain().map(<[u8]>::to_vec).collect(), signature })
    }
}

impl VerifiedPeer {
    /// The same peer, proven by a renewed svid; or why everything stays as it was.
    ///
    /// `role`: which end of the session proves itself, as the proof's sender says. `after`: the number of the last proof
    /// that was accepted from that end in this session, 0 when there was none.
    pub fn prove_again(
        &self,
        proof: &Proof,
        role: Role,
        binding: &SessionBinding,
        after: u64,
        bundles: &BundleSet,
        now: SystemTime,
    ) -> Result<Self, ReproofRefusal> {
        // What costs nothing comes first.
        if role != self.role() {
            return Err(ReproofRefusal::OtherEnd { shown: role, peer: self.role() });
        }
        if proof.sequence <= after {
            return Err(ReproofRefusal::Replayed { sequence: proof.sequence, after });
        }
        let [end_entity, ..] = proof.chain.as_slice() else {
            return Err(Refusal::from(ChainError::Empty).into());
        };
        if proof.signature.len() > MAX_SIGNATURE {
            return Err(ReproofRefusal::LongSignature { bytes: proof.signature.len() });
        }
        let accept = Accept::only(self.identity().clone());
        let peer = Self::of_chain(&proof.chain, bundles, &accept, role, now)?;
        let digest = chain_digest(proof.chain.iter().map(Vec::as_slice));
        let message = message(role, binding, proof.sequence, &digest);
        if is_signed(end_entity, &message, &proof.signature) {
            Ok(peer)
        } else {
            Err(ReproofRefusal::BadSignature { found: peer.identity().clone() })
        }
    }
}

fn end(role: Role) -> &'static str {
    match role {
        Role::Client => "client",
        Role::Server => "server",
    }
}

fn message(role: Role, binding: &SessionBinding, sequence: u64, digest: &[u8; 32]) -> Vec<u8> {
    let context = format!("kith re-proof v1 {}", end(role));
    let parts: [&[u8]; 6] =
        [&[0x20; 64], context.as_bytes(), &[0], binding.bytes(), &sequence.to_be_bytes(), digest];
    parts.concat()
}

/// Whether the certificate's key signed the message, with the one algorithm for such a key.
fn is_signed(end_entity: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let der = CertificateDer::from(end_entity);
    EndEntityCert::try_from(&der).is_ok_and(|certificate| {
        ALGORITHMS
            .iter()
            .any(|algorithm| certificate.verify_signature(*algorithm, message, signature).is_ok())
    })
}

#[cfg(test)]
mod tests;
