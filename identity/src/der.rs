//! Reading one DER certificate with `x509-parser`, strictly. Owns the mapping from its many shapes to ours; the
//! rules themselves are in `svid`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::der::parse_der;
use x509_parser::extensions::{ExtendedKeyUsage, GeneralName, KeyUsage, X509Extension};
use x509_parser::oid_registry::{
    OID_X509_EXT_BASIC_CONSTRAINTS, OID_X509_EXT_EXTENDED_KEY_USAGE, OID_X509_EXT_KEY_USAGE,
    OID_X509_EXT_NAME_CONSTRAINTS, OID_X509_EXT_SUBJECT_ALT_NAME, Oid,
};
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;

use crate::svid::{KeyHash, ProfileError, Serial};

/// RFC 5280 §4.1.2.2: a serial number has at most 20 octets.
pub(crate) const MAX_SERIAL_OCTETS: usize = 20;

/// The extensions that the profiles and path validation give a meaning to. Any other that is critical refuses
/// the certificate (RFC 5280 §4.2).
static UNDERSTOOD: [(Oid<'static>, &str); 5] = [
    (OID_X509_EXT_BASIC_CONSTRAINTS, "basicConstraints"),
    (OID_X509_EXT_KEY_USAGE, "keyUsage"),
    (OID_X509_EXT_EXTENDED_KEY_USAGE, "extendedKeyUsage"),
    (OID_X509_EXT_SUBJECT_ALT_NAME, "subjectAltName"),
    (OID_X509_EXT_NAME_CONSTRAINTS, "nameConstraints"),
];

/// A parsed certificate and the few readings that both profiles need.
pub(crate) struct Fields<'a>(X509Certificate<'a>);

impl<'a> Fields<'a> {
    /// Exactly one certificate, no byte more, and no extension that others could read differently.
    pub(crate) fn parse(der: &'a [u8]) -> Result<Self, ProfileError> {
        let certificate = match X509Certificate::from_der(der) {
            Ok(([], certificate)) => certificate,
            Ok((rest, _)) => return Err(ProfileError::TrailingBytes { count: rest.len() }),
            Err(_) => return Err(ProfileError::NotACertificate),
        };
        certificate.extensions().iter().try_for_each(check_extension)?;
        Ok(Self(certificate))
    }

    /// Positive, and no longer than RFC 5280 allows.
    pub(crate) fn serial(&self) -> Result<Serial, ProfileError> {
        let octets = self.0.raw_serial();
        let negative = octets.first().is_none_or(|first| first & 0x80 != 0);
        let zero = octets.iter().all(|octet| *octet == 0);
        if negative || zero || octets.len() > MAX_SERIAL_OCTETS {
            return Err(ProfileError::Serial);
        }
        Ok(Serial::new(octets))
    }

    /// The first and the last second at which it holds.
    pub(crate) fn validity(&self) -> Result<(SystemTime, SystemTime), ProfileError> {
        let validity = self.0.validity();
        let (not_before, not_after) = (system_time(validity.not_before)?, system_time(validity.not_after)?);
        if not_before <= not_after { Ok((not_before, not_after)) } else { Err(ProfileError::Validity) }
    }

    pub(crate) fn key_hash(&self) -> KeyHash {
        KeyHash::of_public_key_info(self.0.public_key().raw)
    }

    pub(crate) fn has_empty_subject(&self) -> bool {
        self.0.subject().iter_rdn().next().is_none()
    }

    /// An absent extension means cA false (RFC 5280 §4.2.1.9).
    pub(crate) fn is_ca(&self) -> Result<bool, ProfileError> {
        let extension =
            self.0.basic_constraints().map_err(|_| ProfileError::Extension("basicConstraints"))?;
        Ok(extension.is_some_and(|constraints| constraints.value.ca))
    }

    /// Present and critical on every SVID (X509-SVID §4.3).
    pub(crate) fn key_usage(&self) -> Result<&KeyUsage, ProfileError> {
        let extension = self.0.key_usage().map_err(|_| ProfileError::Extension("keyUsage"))?;
        match extension {
            None => Err(ProfileError::KeyUsageMissing),
            Some(usage) if !usage.critical => Err(ProfileError::KeyUsageNotCritical),
            Some(usage) => Ok(usage.value),
        }
    }

    pub(crate) fn extended_key_usage(&self) -> Result<Option<&ExtendedKeyUsage<'_>>, ProfileError> {
        let extension =
            self.0.extended_key_usage().map_err(|_| ProfileError::Extension("extendedKeyUsage"))?;
        Ok(extension.map(|usage| usage.value))
    }

    /// All URI names, and whether the extension is critical. A name that cannot be read could hide a second
    /// URI from us and not from others, so it refuses the certificate.
    pub(crate) fn uri_names(&self) -> Result<(Vec<&'a str>, bool), ProfileError> {
        let extension =
            self.0.subject_alternative_name().map_err(|_| ProfileError::Extension("subjectAltName"))?;
        let Some(names) = extension else {
            return Ok((Vec::new(), false));
        };
        let mut uris = Vec::new();
        for name in &names.value.general_names {
            match name {
                GeneralName::URI(uri) => uris.push(*uri),
                GeneralName::Invalid(..) => return Err(ProfileError::Extension("subjectAltName")),
                _ => {}
            }
        }
        Ok((uris, names.critical))
    }

    pub(crate) fn has_name_constraints(&self) -> Result<bool, ProfileError> {
        let extension = self.0.name_constraints().map_err(|_| ProfileError::Extension("nameConstraints"))?;
        Ok(extension.is_some())
    }
}

/// `x509-parser` keeps an extension that it cannot read, some of its accessors then take it for absent, and none
/// minds bytes behind the value: a broken basicConstraints would pass for "not an authority".
fn check_extension(extension: &X509Extension<'_>) -> Result<(), ProfileError> {
    let Some((_, name)) = UNDERSTOOD.iter().find(|(oid, _)| *oid == extension.oid) else {
        return if extension.critical {
            Err(ProfileError::UnknownCriticalExtension { oid: extension.oid.to_id_string() })
        } else {
            Ok(())
        };
    };
    let whole = matches!(parse_der(extension.value), Ok(([], _)));
    if whole && extension.parsed_extension().error().is_none() {
        Ok(())
    } else {
        Err(ProfileError::Extension(name))
    }
}

/// A time before 1970 proves nothing that we would accept, so it is refused rather than represented.
fn system_time(time: ASN1Time) -> Result<SystemTime, ProfileError> {
    let seconds = u64::try_from(time.timestamp()).map_err(|_| ProfileError::Validity)?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).ok_or(ProfileError::Validity)
}
