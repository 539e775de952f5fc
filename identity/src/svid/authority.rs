//! The profile of a signing certificate (X509-SVID §3.2, §4): what may stand in a bundle or between a bundle and
//! an end certificate.

use std::time::SystemTime;

use crate::der::Fields;
use crate::spiffe_id::SpiffeId;
use crate::svid::{KeyHash, ProfileError};
use crate::trust_domain::TrustDomain;

/// A signing certificate.
#[derive(Clone, PartialEq, Eq)]
pub struct Authority {
    der: Vec<u8>,
    identity: Option<SpiffeId>,
    not_before: SystemTime,
    not_after: SystemTime,
    key_hash: KeyHash,
}

impl Authority {
    /// Reads one DER certificate: cA true, keyCertSign, at most one identity, and that without a path.
    pub fn parse(der: &[u8]) -> Result<Self, ProfileError> {
        let fields = Fields::parse(der)?;
        if !fields.is_ca()? {
            return Err(ProfileError::NotAnAuthority);
        }
        if !fields.key_usage()?.key_cert_sign() {
            return Err(ProfileError::KeyUsageLacks("keyCertSign"));
        }
        let (not_before, not_after) = fields.validity()?;
        let identity = identity_of(&fields)?;
        fields.serial()?;
        Ok(Self { der: der.to_vec(), identity, not_before, not_after, key_hash: fields.key_hash() })
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

    /// The hash of its public key.
    pub fn key_hash(&self) -> KeyHash {
        self.key_hash
    }
}

/// An authority may go without an identity (foreign roots often do); with one, it stands for its whole domain.
fn identity_of(fields: &Fields<'_>) -> Result<Option<SpiffeId>, ProfileError> {
    let (uris, _) = fields.uri_names()?;
    let uri = match uris.as_slice() {
        [] => return Ok(None),
        [uri] => uri,
        several => return Err(ProfileError::SeveralUris { count: several.len() }),
    };
    let identity = SpiffeId::parse(uri).map_err(ProfileError::Uri)?;
    if identity.path().is_empty() { Ok(Some(identity)) } else { Err(ProfileError::AuthorityPath) }
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
mod tests {
    use rcgen::{CertificateParams, IsCa, KeyUsagePurpose as Usage};

    use super::*;
    use crate::testing::{authority, der, extension, name};

    const DEMO: &str = "spiffe://demo.local";

    fn parse(spoil: impl FnOnce(&mut CertificateParams)) -> Result<Authority, ProfileError> {
        let mut params = authority(DEMO);
        spoil(&mut params);
        Authority::parse(&der(&params))
    }

    #[test]
    fn an_authority_names_its_trust_domain_or_none() {
        let named = parse(|_| ()).unwrap();
        assert_eq!(named.trust_domain().map(TrustDomain::as_str), Some("demo.local"));
        assert_eq!(parse(|p| p.subject_alt_names.clear()).unwrap().trust_domain(), None);
    }

    #[test]
    fn every_rule_of_the_profile_refuses_by_name() {
        type Spoil = fn(&mut CertificateParams);
        let rows: [(&str, Spoil, ProfileError); 7] = [
            ("4.1: cA false (F9)", |p| p.is_ca = IsCa::ExplicitNoCa, ProfileError::NotAnAuthority),
            ("4.1: no basicConstraints", |p| p.is_ca = IsCa::NoCa, ProfileError::NotAnAuthority),
            ("4.3: no keyUsage", |p| p.key_usages.clear(), ProfileError::KeyUsageMissing),
            (
                "4.3: no keyCertSign",
                |p| p.key_usages = vec![Usage::CrlSign],
                ProfileError::KeyUsageLacks("keyCertSign"),
            ),
            (
                "3.2: an identity with a path",
                |p| p.subject_alt_names = vec![name("spiffe://demo.local/ns/a/sa/b")],
                ProfileError::AuthorityPath,
            ),
            (
                "two identities",
                |p| p.subject_alt_names.push(name("spiffe://other.example")),
                ProfileError::SeveralUris { count: 2 },
            ),
            (
                "RFC 5280 4.2: an unknown critical extension",
                |p| p.custom_extensions.push(extension(&[1, 2, 3], &[5, 0], true)),
                ProfileError::UnknownCriticalExtension { oid: "1.2.3".into() },
            ),
        ];
        for (rule, spoil, want) in rows {
            assert_eq!(parse(spoil), Err(want), "{rule}");
        }
    }
}
