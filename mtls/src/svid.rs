//! Our own svid: a key and the chain that names it, bound together at construction. Owns that binding; where the
//! chain comes from and when it is renewed is for others.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use kith_identity::SpiffeId;
use kith_identity::svid::{Authority, Broken, KeyHash, Leaf, Serial};
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use zeroize::Zeroizing;

use crate::chain::{ChainError, check_size};
use crate::key::{KeyError, WorkloadKey};

/// A certificate chain with the private key of its end certificate.
pub struct Svid {
    leaf: Leaf,
    not_after: SystemTime,
    certified: Arc<CertifiedKey>,
    pkcs8: Zeroizing<Vec<u8>>,
}

/// Why a key and a chain do not make an svid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SvidError {
    /// There is no certificate at all.
    #[error("the certificate chain is empty")]
    Empty,
    /// The chain breaks a rule that every peer would refuse it for.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The end certificate is for another key.
    #[error("the certificate is for key {certified}, this workload's key is {own}")]
    OtherKey {
        /// The hash of the certificate's key.
        certified: KeyHash,
        /// The hash of ours.
        own: KeyHash,
    },
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl Svid {
    /// Binds `key` to `chain` (DER; the end certificate first, then the authorities between it and the root).
    #[expect(clippy::needless_pass_by_value, reason = "the key is taken: one key serves one svid")]
    pub fn new(key: WorkloadKey, chain: Vec<Vec<u8>>) -> Result<Self, SvidError> {
        let certificates: Vec<_> = chain.into_iter().map(CertificateDer::from).collect();
        let (end_entity, intermediates) = certificates.split_first().ok_or(SvidError::Empty)?;
        check_size(end_entity, intermediates)?;
        let leaf = Leaf::parse(end_entity).map_err(|error| profile(0, error))?;
        let mut not_after = leaf.not_after();
        for (position, der) in (1..).zip(intermediates) {
            let authority = Authority::parse(der).map_err(|error| profile(position, error))?;
            not_after = not_after.min(authority.not_after());
        }
        if leaf.key_hash() != key.key_hash() {
            return Err(SvidError::OtherKey { certified: leaf.key_hash(), own: key.key_hash() });
        }
        let certified = Arc::new(CertifiedKey::new(certificates, key.for_tls()?));
        Ok(Self { leaf, not_after, certified, pkcs8: key.pkcs8()? })
    }

    /// Whose it is.
    pub fn identity(&self) -> &SpiffeId {
        self.leaf.identity()
    }

    /// The end certificate's serial number.
    pub fn serial(&self) -> &Serial {
        self.leaf.serial()
    }

    /// The hash of its public key.
    pub fn key_hash(&self) -> KeyHash {
        self.leaf.key_hash()
    }

    /// The first second at which it holds.
    pub fn not_before(&self) -> SystemTime {
        self.leaf.not_before()
    }

    /// The last second at which it holds: the end certificate's, or an authority's in the chain if that is earlier.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// Whether it proves anything at this time.
    pub fn holds_at(&self, now: SystemTime) -> bool {
        self.not_before() <= now && now <= self.not_after()
    }

    /// The certificates in DER, the end certificate first.
    pub fn chain(&self) -> impl Iterator<Item = &[u8]> {
        self.certified.cert.iter().map(|der| der.as_ref())
    }

    /// The key in PKCS#8, not encrypted: for the workload that it belongs to, and for nobody else. What the caller copies
    /// out of it is no longer wiped.
    pub fn key_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        self.pkcs8.clone()
    }

    /// What rustls presents.
    pub(crate) fn certified(&self) -> &Arc<CertifiedKey> {
        &self.certified
    }
}

fn profile(position: usize, error: Broken) -> SvidError {
    ChainError::Profile { position, error }.into()
}

impl fmt::Debug for Svid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Svid")
            .field("identity", self.identity())
            .field("serial", self.serial())
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
