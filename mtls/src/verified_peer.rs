//! Who the other end is. Owns the type that stands for it: a [`VerifiedChain`] whose key was proven to be held, in a
//! handshake or in a re-proof. Nothing else makes one, so holding the value means that every check passed. The chain is
//! kept with it: while the session lives, what is trusted may change.

use std::sync::Arc;
use std::time::SystemTime;

use kith_identity::svid::{KeyHash, Serial};
use kith_identity::{BundleSet, SpiffeId};
use rustls::pki_types::CertificateDer;

use crate::accept::Accept;
use crate::chain_memory::ChainMemory;
use crate::error::Refusal;
use crate::path::Role;
use crate::verified_chain::{VerifiedChain, verify_chain};

/// The other end of a session, proven in its handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedPeer(Arc<VerifiedChain>);

/// What a presented chain is held against: fixed when the handshake begins.
#[derive(Debug, Clone)]
pub(crate) struct Expectation {
    pub(crate) bundles: Arc<BundleSet>,
    pub(crate) memory: ChainMemory,
    pub(crate) accept: Accept,
    pub(crate) role: Role,
}

impl Expectation {
    /// For the handshakes that follow. Only when one is over: until then nobody has proved to have the key.
    pub(crate) fn remember(&self, peer: &VerifiedPeer) {
        self.memory.remember(&peer.0, &self.bundles);
    }
}

impl VerifiedPeer {
    /// For a handshake: that the peer holds the certificate's key, or the secret of a session in which it did, is the
    /// handshake's own check, and a session exists only after both. Whom was expected is asked of a remembered chain
    /// too.
    pub(crate) fn verify(
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        expectation: &Expectation,
        now: SystemTime,
    ) -> Result<Self, Refusal> {
        let Expectation { bundles, memory, accept, role } = expectation;
        let chain = memory.verify(end_entity, intermediates, bundles, *role, now)?;
        chain.check_expected(accept)?;
        Ok(Self(chain))
    }

    /// For a re-proof, which checks the key's signature itself before it lets the value out.
    pub(crate) fn of_chain(
        chain: &[Vec<u8>],
        bundles: &BundleSet,
        accept: &Accept,
        role: Role,
        now: SystemTime,
    ) -> Result<Self, Refusal> {
        verify_chain(chain, bundles, accept, role, now).map(|chain| Self(Arc::new(chain)))
    }

    /// Whether the chain that proved the peer is trusted by other bundles too, those that are in force now.
    pub fn check_again(&self, bundles: &BundleSet, now: SystemTime) -> Result<(), Refusal> {
        self.0.check_again(bundles, now)
    }

    /// Who it is.
    pub fn identity(&self) -> &SpiffeId {
        self.0.identity()
    }

    /// The serial number of its certificate.
    pub fn serial(&self) -> &Serial {
        self.0.serial()
    }

    /// The last second at which its proof holds: its svid's, or that of an authority in the path if earlier.
    pub fn not_after(&self) -> SystemTime {
        self.0.not_after()
    }

    /// The hash of its public key.
    pub fn key_hash(&self) -> KeyHash {
        self.0.key_hash()
    }

    /// Which end of the session it is.
    pub fn role(&self) -> Role {
        self.0.role()
    }
}

#[cfg(test)]
mod tests;
