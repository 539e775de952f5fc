//! The authorities that sign: a key, the certificate over it, and when it holds.
//!
//! Owns what root and issuing authorities have in common. An authority exists only after its certificate was
//! read back through the profile of `kith-identity` and its key found to be the certificate's: a freshly
//! created one takes the same door as one from the sealed file.

use kith_identity::TrustDomain;
use kith_identity::svid::{self, Broken, KeyHash};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyUsagePurpose, SanType,
};

use crate::key_store::{KeyError, SigningKey};
use crate::random::{self, NoRandomness};
use crate::validity::{ClockError, OutsideAuthority, Validity};

pub(crate) mod issuing;
pub(crate) mod root;

/// Why an authority cannot be made, or read.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// Its key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// No serial number could be drawn.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    /// The clock says something impossible.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// The root that should sign does not hold now.
    #[error("the root cannot sign an issuing authority")]
    Root(#[source] OutsideAuthority),
    /// Its certificate could not be built or signed.
    #[error("the authority's certificate could not be signed")]
    Sign(#[source] rcgen::Error),
    /// Its certificate is not an authority's.
    #[error("the authority's certificate breaks its profile")]
    Profile(#[source] Broken),
    /// Its certificate is over another key.
    #[error("the certificate is over key {certificate}, the authority's key is {key}")]
    OtherKey {
        /// The hash of the key in the certificate.
        certificate: KeyHash,
        /// The hash of the authority's key.
        key: KeyHash,
    },
    /// It belongs to another trust domain (C23).
    #[error("the authority belongs to {}, not to {wanted}", found.as_ref().map_or("no trust domain", TrustDomain::as_str))]
    Foreign {
        /// The trust domain in its certificate.
        found: Option<TrustDomain>,
        /// The trust domain it should serve.
        wanted: TrustDomain,
    },
}

/// A key that signs, and the certificate that says so.
pub(crate) struct Authority {
    issuer: Issuer<'static, SigningKey>,
    der: Vec<u8>,
    validity: Validity,
}

impl Authority {
    /// Joins a certificate and its key.
    pub(crate) fn new(
        der: Vec<u8>,
        key: SigningKey,
        trust_domain: &TrustDomain,
    ) -> Result<Self, AuthorityError> {
        let profile = svid::Authority::parse(&der).map_err(AuthorityError::Profile)?;
        if profile.key_hash() != key.key_hash() {
            return Err(AuthorityError::OtherKey { certificate: profile.key_hash(), key: key.key_hash() });
        }
        if profile.trust_domain() != Some(trust_domain) {
            let found = profile.trust_domain().cloned();
            return Err(AuthorityError::Foreign { found, wanted: trust_domain.clone() });
        }
        let validity = Validity::between(profile.not_before(), profile.not_after())?;
        let issuer = Issuer::from_ca_cert_der(&der.as_slice().into(), key).map_err(AuthorityError::Sign)?;
        Ok(Self { issuer, der, validity })
    }

    pub(crate) fn issuer(&self) -> &Issuer<'static, SigningKey> {
        &self.issuer
    }

    pub(crate) fn key(&self) -> &SigningKey {
        self.issuer.key()
    }

    pub(crate) fn der(&self) -> &[u8] {
        &self.der
    }

    pub(crate) fn validity(&self) -> Validity {
        self.validity
    }
}

/// What every authority's certificate says (X509-SVID §3.2, §4.1, §4.3): its trust domain and no path, cA, and
/// that it signs. rcgen marks keyUsage and basicConstraints critical and adds the key identifier.
fn certificate(
    trust_domain: &TrustDomain,
    role: &str,
    constraints: BasicConstraints,
    validity: Validity,
) -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, format!("kith {role} {trust_domain}"));
    params.distinguished_name = name;
    let uri = format!("spiffe://{trust_domain}").try_into().map_err(AuthorityError::Sign)?;
    params.subject_alt_names = vec![SanType::URI(uri)];
    params.is_ca = IsCa::Ca(constraints);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.serial_number = Some(random_serial()?);
    validity.write(&mut params);
    Ok(params)
}

/// 16 octets, 126 of their bits random (C16): the first bit is 0 so that the number is positive, the second is 1
/// so that it never gets shorter.
pub(crate) fn random_serial() -> Result<rcgen::SerialNumber, NoRandomness> {
    let mut octets = random::bytes::<16>()?;
    octets[0] = octets[0] & 0x3f | 0x40;
    Ok(octets.to_vec().into())
}

#[cfg(test)]
mod tests;
