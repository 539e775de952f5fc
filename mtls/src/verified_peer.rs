//! Who the other end is. Owns the order of the checks by which a presented chain becomes a [`VerifiedPeer`]; no
//! other function makes one, so holding the value means that all of them passed. The chain is kept with it: while the
//! session lives, what is trusted may change.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use kith_identity::svid::{KeyHash, Serial};
use kith_identity::{BundleSet, SpiffeId};
use rustls::pki_types::{CertificateDer, UnixTime};

use crate::accept::Accept;
use crate::chain::Chain;
use crate::error::Refusal;
use crate::path::{self, Role};

/// The other end of a session, proven in its handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedPeer {
    identity: SpiffeId,
    serial: Serial,
    not_after: SystemTime,
    key_hash: KeyHash,
    presented: Arc<Presented>,
}

/// The chain as it was presented, and as what.
#[derive(Debug, PartialEq, Eq)]
struct Presented {
    end_entity: CertificateDer<'static>,
    intermediates: Vec<CertificateDer<'static>>,
    role: Role,
}

/// What a presented chain is held against: fixed when the handshake begins.
#[derive(Debug, Clone)]
pub(crate) struct Expectation {
    pub(crate) bundles: Arc<BundleSet>,
    pub(crate) accept: Accept,
    pub(crate) role: Role,
}

impl VerifiedPeer {
    /// The only maker. That the peer holds the certificate's key is the handshake's own check, and a session
    /// exists only after both.
    pub(crate) fn verify(
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        expectation: &Expectation,
        now: UnixTime,
    ) -> Result<Self, Refusal> {
        let chain = Chain::parse(end_entity, intermediates)?;
        let identity = chain.leaf.identity().clone();
        let not_after = trusted_until(&chain, &expectation.bundles, expectation.role, now)?;
        // Last, so that "unexpected" always speaks of an identity that was proven.
        if !expectation.accept.includes(&identity) {
            return Err(Refusal::UnexpectedIdentity {
                found: identity,
                expected: expectation.accept.clone(),
            });
        }
        let serial = chain.leaf.serial().clone();
        let presented = Arc::new(Presented {
            end_entity: end_entity.clone().into_owned(),
            intermediates: intermediates.iter().map(|der| der.clone().into_owned()).collect(),
            role: expectation.role,
        });
        Ok(Self { identity, serial, not_after, key_hash: chain.leaf.key_hash(), presented })
    }

    /// Whether the chain that proved the peer is trusted by other bundles too, those that are in force now.
    pub fn check_again(&self, bundles: &BundleSet, now: SystemTime) -> Result<(), Refusal> {
        let Presented { end_entity, intermediates, role } = &*self.presented;
        // A clock before 1970 is before every certificate.
        let now = UnixTime::since_unix_epoch(now.duration_since(UNIX_EPOCH).unwrap_or_default());
        let chain = Chain::parse(end_entity, intermediates)?;
        trusted_until(&chain, bundles, *role, now).map(drop)
    }

    /// Who it is.
    pub fn identity(&self) -> &SpiffeId {
        &self.identity
    }

    /// The serial number of its certificate.
    pub fn serial(&self) -> &Serial {
        &self.serial
    }

    /// The last second at which its proof holds: its svid's, or that of an authority in the path if earlier.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// The hash of its public key.
    pub fn key_hash(&self) -> KeyHash {
        self.key_hash
    }
}

/// The presented domain alone chooses the bundle: another domain's anchors, even the same bytes, say nothing about this
/// identity (F1, Federation §4.2).
fn trusted_until(
    chain: &Chain<'_>,
    bundles: &BundleSet,
    role: Role,
    now: UnixTime,
) -> Result<SystemTime, Refusal> {
    let identity = chain.leaf.identity();
    let Some(bundle) = bundles.of(identity.trust_domain()) else {
        return Err(Refusal::UntrustedDomain { found: identity.clone() });
    };
    path::validate(chain, bundle, role, now)
}

#[cfg(test)]
mod tests;
