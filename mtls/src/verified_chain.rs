//! A presented chain that proves an identity now, whoever holds its key. Owns the order of the checks from bytes to that
//! value; that its key is held too is what a handshake or a re-proof adds, and then it is a [`crate::VerifiedPeer`].

use std::time::SystemTime;

use kith_identity::svid::{KeyHash, Leaf, Serial};
use kith_identity::{Bundle, BundleSet, SpiffeId};
use rustls::pki_types::CertificateDer;

use crate::accept::Accept;
use crate::chain::{Chain, ChainError, read_leaf};
use crate::error::Refusal;
use crate::path::{self, Role};

/// A chain whose path leads to an anchor of the trust domain that it names, with every rule of the profile kept.
///
/// It says who a certificate belongs to, and nothing about who showed it: certificates are public.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedChain {
    identity: SpiffeId,
    serial: Serial,
    verified_at: SystemTime,
    not_after: SystemTime,
    key_hash: KeyHash,
    role: Role,
    certificates: Vec<CertificateDer<'static>>,
}

/// Holds a chain (DER, the end certificate first) against the bundles, the profile and whom was expected. Nobody has
/// proved to have its key by that.
pub fn verify_chain(
    chain: &[Vec<u8>],
    bundles: &BundleSet,
    accept: &Accept,
    role: Role,
    now: SystemTime,
) -> Result<VerifiedChain, Refusal> {
    let certificates: Vec<_> = chain.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
    let (end_entity, intermediates) = certificates.split_first().ok_or(ChainError::Empty)?;
    let leaf = read_leaf(end_entity, intermediates)?;
    let chain = VerifiedChain::verify(leaf, end_entity, intermediates, bundles, role, now)?;
    chain.check_expected(accept)?;
    Ok(chain)
}

impl VerifiedChain {
    /// Everything but whether the identity was expected. `leaf` is what [`read_leaf`] made of them.
    pub(crate) fn verify(
        leaf: Leaf,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        bundles: &BundleSet,
        role: Role,
        now: SystemTime,
    ) -> Result<Self, Refusal> {
        let chain = Chain::parse(leaf, end_entity, intermediates)?;
        let not_after = trusted_until(&chain, bundles, role, now)?;
        let certificates = std::iter::once(end_entity).chain(intermediates);
        Ok(Self {
            identity: chain.leaf.identity().clone(),
            serial: chain.leaf.serial().clone(),
            verified_at: now,
            not_after,
            key_hash: chain.leaf.key_hash(),
            role,
            certificates: certificates.map(|der| der.clone().into_owned()).collect(),
        })
    }

    /// The same certificates again, by what is trusted at another time: from the first byte.
    pub(crate) fn check_again(&self, bundles: &BundleSet, now: SystemTime) -> Result<(), Refusal> {
        let (end_entity, intermediates) = self.certificates.split_first().ok_or(ChainError::Empty)?;
        let leaf = read_leaf(end_entity, intermediates)?;
        trusted_until(&Chain::parse(leaf, end_entity, intermediates)?, bundles, self.role, now).map(drop)
    }

    /// Asked last, so that "unexpected" always speaks of an identity that was proven.
    pub(crate) fn check_expected(&self, accept: &Accept) -> Result<(), Refusal> {
        if accept.includes(&self.identity) {
            return Ok(());
        }
        Err(Refusal::UnexpectedIdentity { found: self.identity.clone(), expected: accept.clone() })
    }

    /// Whose it is.
    pub fn identity(&self) -> &SpiffeId {
        &self.identity
    }

    /// The serial number of its end certificate.
    pub fn serial(&self) -> &Serial {
        &self.serial
    }

    /// The time that it was verified for.
    pub(crate) fn verified_at(&self) -> SystemTime {
        self.verified_at
    }

    /// The last second at which all of the path holds.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// The hash of its end certificate's key.
    pub fn key_hash(&self) -> KeyHash {
        self.key_hash
    }

    /// What its holder may be by it.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The certificates in DER as they were presented, the end certificate first.
    pub fn certificates(&self) -> impl Iterator<Item = &[u8]> {
        self.certificates.iter().map(|der| der.as_ref())
    }
}

/// The presented domain alone chooses the bundle: another domain's anchors, even the same bytes, say nothing about this
/// identity (F1, Federation §4.2).
fn trusted_until(
    chain: &Chain<'_>,
    bundles: &BundleSet,
    role: Role,
    now: SystemTime,
) -> Result<SystemTime, Refusal> {
    let identity = chain.leaf.identity();
    let Some(bundle) = bundles.of(identity.trust_domain()) else {
        return Err(Refusal::UntrustedDomain { found: identity.clone() });
    };
    let not_after = path::validate(chain, bundle, |key| bundles.distrusts(key), role, now)?;
    check_key(chain, bundle)?;
    Ok(not_after)
}

/// Authorities sign certificates and nothing else (X509-SVID §3.2), whatever a certificate for their key says.
fn check_key(chain: &Chain<'_>, bundle: &Bundle) -> Result<(), Refusal> {
    let key = chain.leaf.key_hash();
    let mut authorities = bundle.authorities().iter().chain(&chain.authorities);
    if authorities.any(|authority| authority.key_hash() == key) {
        return Err(Refusal::AuthorityKey { found: chain.leaf.identity().clone(), key });
    }
    Ok(())
}
