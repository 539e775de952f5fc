//! The profile of an end certificate. [`Leaf::parse`] is the only place where a certificate becomes an identity.

use std::time::SystemTime;

use super::findings::Findings;
use super::rules::{Frame, usage};
use super::{Broken, KeyHash, ProfileError, Serial};
use crate::certificate::{ExtendedKeyUsage, Known};
use crate::spiffe_id::SpiffeId;

/// What an end certificate says, after every rule of the profile was checked. It proves nothing by itself: a
/// `VerifiedPeer` of `kith-mtls` does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    identity: SpiffeId,
    serial: Serial,
    not_before: SystemTime,
    not_after: SystemTime,
    key_hash: KeyHash,
}

impl Leaf {
    /// Reads one DER certificate and holds it against X509-SVID §2 to §5.2, and RFC 5280 where that asks for it.
    pub fn parse(der: &[u8]) -> Result<Self, Broken> {
        let mut findings = Findings::first();
        let leaf = Self::read(der, &mut findings);
        findings.verdict(leaf)
    }

    /// Every rule, in this order. What is returned counts only if none was found broken.
    pub(super) fn read(der: &[u8], findings: &mut Findings) -> Option<Self> {
        let frame = Frame::check(der, findings)?;
        check_usage(&frame, findings);
        let identity = identity_of(&frame, findings);
        let (not_before, not_after) = frame.validity?;
        let key_hash = frame.key_hash();
        Some(Self { identity: identity?, serial: frame.serial?, not_before, not_after, key_hash })
    }

    /// Whose certificate it says it is.
    pub fn identity(&self) -> &SpiffeId {
        &self.identity
    }

    /// Its serial number.
    pub fn serial(&self) -> &Serial {
        &self.serial
    }

    /// The first second at which it holds.
    pub fn not_before(&self) -> SystemTime {
        self.not_before
    }

    /// The last second at which it holds.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// The hash of its public key.
    pub fn key_hash(&self) -> KeyHash {
        self.key_hash
    }
}

fn identity_of(frame: &Frame<'_>, findings: &mut Findings) -> Option<SpiffeId> {
    let place = frame.place_of(Known::SubjectAltName);
    let uris = frame.uris(findings)?;
    if uris.count == 0 {
        findings.add(place, ProfileError::NoUri);
        return None;
    }
    let is_critical = frame.extensions.of(Known::SubjectAltName).is_some_and(|names| names.critical);
    if frame.certificate.has_empty_subject() && !is_critical {
        findings.add(place, ProfileError::NameNotCritical);
    }
    let (offset, identity) = uris.identity(place, findings)?;
    if identity.path().is_empty() {
        findings.add(offset, ProfileError::RootPath);
    }
    Some(identity)
}

fn check_usage(frame: &Frame<'_>, findings: &mut Findings) {
    if frame.basic_constraints(findings).is_some_and(|constraints| constraints.ca) {
        findings.add(frame.place_of(Known::BasicConstraints), ProfileError::LeafIsAuthority);
    }
    if frame.constrains_names(findings) {
        findings.add(frame.place_of(Known::NameConstraints), ProfileError::LeafConstrainsNames);
    }
    if let Some(bits) = frame.key_usage(findings) {
        let offset = frame.place_of(Known::KeyUsage);
        if bits & usage::DIGITAL_SIGNATURE == 0 {
            findings.add(offset, ProfileError::KeyUsageLacks("digitalSignature"));
        }
        for (bit, name) in [(usage::KEY_CERT_SIGN, "keyCertSign"), (usage::CRL_SIGN, "cRLSign")] {
            if bits & bit != 0 {
                findings.add(offset, ProfileError::KeyUsageHas(name));
            }
        }
    }
    if let Some(extended) = frame.value(Known::ExtendedKeyUsage, findings, ExtendedKeyUsage::read) {
        let offset = frame.place_of(Known::ExtendedKeyUsage);
        for (is_set, name) in [(extended.server_auth, "serverAuth"), (extended.client_auth, "clientAuth")] {
            if !is_set {
                findings.add(offset, ProfileError::ExtendedKeyUsageLacks(name));
            }
        }
    }
}

#[cfg(test)]
mod tests;
