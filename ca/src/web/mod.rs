//! An authority for one HTTPS server that is known by its DNS name and has no identity: a cluster's API server calls the
//! control plane's webhook like any web server. Owns what such certificates say and when they are due.
//!
//! It has nothing to do with the trust domain: its key is in memory only, it can sign for its one name and nothing
//! else, and no svid ever chains to it.

use std::fmt;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, GeneralSubtree,
    IsCa, Issuer, KeyUsagePurpose, NameConstraints, SanType,
};
use zeroize::Zeroizing;

use crate::authority::random_serial;
use crate::extension::not_an_authority;
use crate::key_store::{KeyError, SigningKey};
use crate::pem;
use crate::random::NoRandomness;
use crate::validity::{ClockError, OutsideAuthority, Validity};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const AUTHORITY_LIFETIME: Duration = Duration::from_secs(90 * DAY.as_secs());
const CERTIFICATE_LIFETIME: Duration = Duration::from_secs(7 * DAY.as_secs());

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// A key could not be made or written.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// No serial number could be drawn.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    /// The clock says something impossible.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// The authority does not hold now.
    #[error(transparent)]
    Authority(#[from] OutsideAuthority),
    /// The name is no DNS name, or the certificate could not be signed.
    #[error("no certificate could be made for {name:?}: {detail}")]
    Sign {
        /// Of which server.
        name: String,
        /// What the encoder said.
        detail: String,
    },
}

/// Signs for one DNS name.
pub struct WebAuthority {
    name: String,
    issuer: Issuer<'static, SigningKey>,
    der: Vec<u8>,
    validity: Validity,
}

/// A server's certificate with its key.
pub struct WebCertificate {
    der: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
    validity: Validity,
}

impl WebAuthority {
    /// A new one with a new key, for a server of this name.
    pub fn create(name: &str, now: SystemTime) -> Result<Self, WebError> {
        let failed = |error| failed(name, &error);
        // First: the encoder panics at a constraint that is not ASCII.
        dns_name(name)?;
        let key = SigningKey::generate()?;
        let validity = Validity::starting(now, AUTHORITY_LIFETIME)?;
        let mut params = params(&format!("kith authority for {name}"), validity)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        // Whoever trusts it, trusts it for this name.
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DnsName(name.to_owned())],
            excluded_subtrees: Vec::new(),
        });
        let der = params.self_signed(&key).map_err(failed)?.der().to_vec();
        let issuer = Issuer::from_ca_cert_der(&der.as_slice().into(), key).map_err(failed)?;
        Ok(Self { name: name.to_owned(), issuer, der, validity })
    }

    /// What clients have to trust.
    pub fn to_pem(&self) -> String {
        pem::certificate(&self.der)
    }

    /// Whether another should take its place: half of its life is over, or the clock stands before it.
    pub fn is_due(&self, now: SystemTime) -> bool {
        is_due(self.validity, now)
    }

    /// A certificate with a new key.
    pub fn issue(&self, now: SystemTime) -> Result<WebCertificate, WebError> {
        let failed = |error| failed(&self.name, &error);
        let key = SigningKey::generate()?;
        let validity = Validity::starting(now, CERTIFICATE_LIFETIME)?.within(self.validity, now)?;
        let mut params = params(&self.name, validity)?;
        params.subject_alt_names = vec![dns_name(&self.name)?];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.custom_extensions = vec![not_an_authority()];
        let der = params.signed_by(&key, &self.issuer).map_err(failed)?.der().to_vec();
        Ok(WebCertificate { der, key: Zeroizing::new(key.to_pkcs8()?.as_ref().to_vec()), validity })
    }
}

impl WebCertificate {
    /// The certificate in DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Its private key in PKCS#8, for the TLS library.
    pub fn key_pkcs8(&self) -> &[u8] {
        &self.key
    }

    /// Whether another should take its place: half of its life is over, or the clock stands before it.
    pub fn is_due(&self, now: SystemTime) -> bool {
        is_due(self.validity, now)
    }
}

impl fmt::Debug for WebAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebAuthority").field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for WebCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebCertificate").field("validity", &self.validity).finish_non_exhaustive()
    }
}

/// What both kinds have.
fn params(common_name: &str, validity: Validity) -> Result<CertificateParams, WebError> {
    let mut params = CertificateParams::default();
    let mut subject = DistinguishedName::new();
    // RFC 5280 appendix A: at most 64 characters. Nobody reads it; the names are in the SAN.
    subject.push(DnType::CommonName, common_name.chars().take(64).collect::<String>());
    params.distinguished_name = subject;
    params.serial_number = Some(random_serial()?);
    validity.write(&mut params);
    Ok(params)
}

fn dns_name(name: &str) -> Result<SanType, WebError> {
    Ok(SanType::DnsName(name.try_into().map_err(|error| failed(name, &error))?))
}

fn is_due(validity: Validity, now: SystemTime) -> bool {
    let life = validity.not_after().duration_since(validity.not_before()).unwrap_or(Duration::ZERO);
    now < validity.not_before() || now >= validity.not_before() + life / 2
}

fn failed(name: &str, error: &rcgen::Error) -> WebError {
    WebError::Sign { name: name.to_owned(), detail: error.to_string() }
}

#[cfg(test)]
mod tests;
