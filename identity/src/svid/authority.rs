//! The profile of a signing certificate (X509-SVID §3.2, §4): what may stand in a bundle or between a bundle and
//! an end certificate.

use std::time::SystemTime;

use super::findings::Findings;
use super::rules::{Frame, usage};
use super::{Broken, KeyHash, ProfileError};
use crate::certificate::{ExtendedKeyUsage, Known};
use crate::spiffe_id::SpiffeId;
use crate::trust_domain::TrustDomain;

/// A signing certificate.
#[derive(Clone, PartialEq, Eq)]
pub struct Authority {
    der: Vec<u8>,
    identity: Option<SpiffeId>,
    not_before: SystemTime,
    not_after: SystemTime,
    path_length: Option<usize>,
    key_hash: KeyHash,
}

impl Authority {
    /// Reads one DER certificate: cA true, keyCertSign, at most one identity, and that without a path.
    pub fn parse(der: &[u8]) -> Result<Self, Broken> {
        let mut findings = Findings::first();
        let authority = Self::read(der, &mut findings);
        findings.verdict(authority)
    }

    /// Every rule, in this order. What is returned counts only if none was found broken.
    pub(super) fn read(der: &[u8], findings: &mut Findings) -> Option<Self> {
        let frame = Frame::check(der, findings)?;
        let path_length = check_constraints(&frame, findings);
        check_usage(&frame, findings);
        let identity = identity_of(&frame, findings);
        let (not_before, not_after) = frame.validity?;
        let key_hash = frame.key_hash();
        Some(Self { der: der.to_vec(), identity, not_before, not_after, path_length, key_hash })
    }

    /// The certificate.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The trust domain it names, if it names one.
    pub fn trust_domain(&self) -> Option<&TrustDomain> {
        self.identity.as_ref().map(SpiffeId::trust_domain)
    }

    /// The first second at which it holds.
    pub fn not_before(&self) -> SystemTime {
        self.not_before
    }

    /// The last second at which it holds.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// How many authorities may stand between it and an end certificate (RFC 5280 §4.2.1.9); none means any number.
    pub fn path_length(&self) -> Option<usize> {
        self.path_length
    }

    /// The hash of its public key.
    pub fn key_hash(&self) -> KeyHash {
        self.key_hash
    }
}

fn check_constraints(frame: &Frame<'_>, findings: &mut Findings) -> Option<usize> {
    // What they allow is for path validation; that they are readable is for here.
    frame.constrains_names(findings);
    let constraints = frame.basic_constraints(findings)?;
    let place = frame.place_of(Known::BasicConstraints);
    if !constraints.ca {
        findings.add(place, ProfileError::NotAnAuthority);
    } else if !frame.extensions.of(Known::BasicConstraints).is_some_and(|extension| extension.critical) {
        findings.add(place, ProfileError::BasicConstraintsNotCritical);
    }
    constraints.path_length
}

fn check_usage(frame: &Frame<'_>, findings: &mut Findings) {
    if frame.key_usage(findings).is_some_and(|bits| bits & usage::KEY_CERT_SIGN == 0) {
        findings.add(frame.place_of(Known::KeyUsage), ProfileError::KeyUsageLacks("keyCertSign"));
    }
    // Which usages it passes on is for path validation.
    frame.value(Known::ExtendedKeyUsage, findings, ExtendedKeyUsage::read);
}

/// An authority may go without an identity (foreign roots often do); with one, it stands for its whole domain.
fn identity_of(frame: &Frame<'_>, findings: &mut Findings) -> Option<SpiffeId> {
    let place = frame.place_of(Known::SubjectAltName);
    let (offset, identity) = frame.uris(findings)?.identity(place, findings)?;
    if !identity.path().is_empty() {
        findings.add(offset, ProfileError::AuthorityPath);
    }
    Some(identity)
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority")
            .field("identity", &self.identity)
            .field("key_hash", &self.key_hash)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
