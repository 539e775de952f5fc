//! The rules that both profiles share, each checked once: the frame of RFC 5280 around what X509-SVID says. Owns their order
//! too: it decides which broken rule is the first.

use std::time::SystemTime;

use super::findings::Findings;
use super::profile::ProfileError;
use super::serial::MAX_OCTETS;
use super::{KeyHash, Serial};
use crate::certificate::{
    Algorithm, BasicConstraints, Certificate, Extension, Extensions, GeneralName, GeneralNames, Known,
    PublicKey, Shape, check_name_constraints,
};
use crate::der::{Malformed, tag};
use crate::spiffe_id::SpiffeId;

/// The bits of keyUsage (RFC 5280 §4.2.1.3), the first as the highest of 16.
pub(crate) mod usage {
    pub(crate) const DIGITAL_SIGNATURE: u16 = 0x8000;
    pub(crate) const KEY_CERT_SIGN: u16 = 0x0400;
    pub(crate) const CRL_SIGN: u16 = 0x0200;
}

/// A certificate of which the frame was checked, with what could be read of it.
pub(crate) struct Frame<'a> {
    pub(crate) certificate: Certificate<'a>,
    pub(crate) extensions: Extensions<'a>,
    pub(crate) serial: Option<Serial>,
    pub(crate) validity: Option<(SystemTime, SystemTime)>,
}

impl<'a> Frame<'a> {
    /// Reads a certificate and holds it against every rule of the frame; none when there is nothing that the
    /// other rules could be held against.
    pub(crate) fn check(der: &'a [u8], findings: &mut Findings) -> Option<Self> {
        let certificate = match Certificate::read(der) {
            Ok(certificate) => certificate,
            Err(shape) => {
                let (offset, rule) = broken_shape(shape);
                findings.add(offset, rule);
                return None;
            }
        };
        check_version(&certificate, findings);
        let serial = check_serial(&certificate, findings);
        check_algorithms(&certificate, findings);
        let validity = check_validity(&certificate, findings);
        check_key(&certificate, findings);
        if let Some(element) = certificate.unique_id {
            findings.add(element.offset, ProfileError::UniqueIdentifier);
        }
        let extensions = check_extensions(&certificate, findings)?;
        Some(Self { certificate, extensions, serial, validity })
    }

    pub(crate) fn key_hash(&self) -> KeyHash {
        KeyHash::of_public_key_info(self.certificate.key.raw)
    }

    /// Where an extension stands, or where it should.
    pub(crate) fn place_of(&self, known: Known) -> usize {
        let list = self.certificate.extensions.map_or(0, |list| list.offset);
        self.extensions.of(known).map_or(list, |extension| extension.offset)
    }

    /// What an extension says; nothing when it is absent or was found unreadable.
    pub(crate) fn value<T>(
        &self,
        known: Known,
        findings: &mut Findings,
        read: impl FnOnce(&Extension<'a>) -> Result<T, Malformed>,
    ) -> Option<T> {
        let extension = self.extensions.of(known)?;
        findings.read(read(extension), |error| ProfileError::Extension { name: known.name(), error })
    }

    /// An absent extension means cA false (RFC 5280 §4.2.1.9).
    pub(crate) fn basic_constraints(&self, findings: &mut Findings) -> Option<BasicConstraints> {
        if self.extensions.of(Known::BasicConstraints).is_none() {
            return Some(BasicConstraints::default());
        }
        let read = self.value(Known::BasicConstraints, findings, BasicConstraints::read)?;
        if read.path_length.is_some() && !read.ca {
            findings.add(self.place_of(Known::BasicConstraints), ProfileError::PathLengthWithoutAuthority);
        }
        Some(read)
    }

    /// Present and critical on every SVID (X509-SVID §4.3).
    pub(crate) fn key_usage(&self, findings: &mut Findings) -> Option<u16> {
        let offset = self.place_of(Known::KeyUsage);
        let Some(extension) = self.extensions.of(Known::KeyUsage) else {
            findings.add(offset, ProfileError::KeyUsageMissing);
            return None;
        };
        if !extension.critical {
            findings.add(offset, ProfileError::KeyUsageNotCritical);
        }
        self.value(Known::KeyUsage, findings, |extension| extension.content(tag::BIT_STRING)?.named_bits())
    }

    /// The URI names, after all names were read, whatever they are.
    pub(crate) fn uris(&self, findings: &mut Findings) -> Option<Uris<'a>> {
        if self.extensions.of(Known::SubjectAltName).is_none() {
            return Some(Uris::default());
        }
        self.value(Known::SubjectAltName, findings, |extension| {
            let mut uris = Uris::default();
            for name in GeneralNames::of(extension.content(tag::SEQUENCE)?)? {
                if let (offset, GeneralName::Uri(uri)) = name? {
                    uris.count += 1;
                    uris.last = Some((offset, uri));
                }
            }
            Ok(uris)
        })
    }

    /// Whether there are name constraints, after they were found readable.
    pub(crate) fn constrains_names(&self, findings: &mut Findings) -> bool {
        self.value(Known::NameConstraints, findings, check_name_constraints);
        self.extensions.of(Known::NameConstraints).is_some()
    }
}

/// The URI names of a certificate.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Uris<'a> {
    pub(crate) count: usize,
    pub(crate) last: Option<(usize, &'a str)>,
}

impl Uris<'_> {
    /// The identity in the only one, with its place. More than one is refused, even the same one twice.
    pub(crate) fn identity(self, place: usize, findings: &mut Findings) -> Option<(usize, SpiffeId)> {
        let (offset, uri) = self.last?;
        if self.count > 1 {
            findings.add(place, ProfileError::SeveralUris { count: self.count });
            return None;
        }
        match SpiffeId::parse(uri) {
            Ok(identity) => Some((offset, identity)),
            Err(error) => {
                findings.add(offset, ProfileError::Uri(error));
                None
            }
        }
    }
}

fn broken_shape(shape: Shape) -> (usize, ProfileError) {
    match shape {
        Shape::NotACertificate => (0, ProfileError::NotACertificate),
        Shape::TrailingBytes { count, offset } => (offset, ProfileError::TrailingBytes { count }),
        Shape::Malformed(Malformed { error, offset }) => (offset, ProfileError::Layout(error)),
    }
}

fn check_version(certificate: &Certificate<'_>, findings: &mut Findings) {
    match certificate.version {
        Some(version) if version.content == [2] => {}
        Some(version) => findings.add(version.offset, ProfileError::Version),
        None => findings.add(certificate.serial.offset, ProfileError::Version),
    }
}

/// Positive, in its shortest spelling, and no longer than RFC 5280 allows.
fn check_serial(certificate: &Certificate<'_>, findings: &mut Findings) -> Option<Serial> {
    let element = certificate.serial;
    let digits = findings.read(element.positive(), ProfileError::Layout)?;
    match digits {
        Some(digits) if element.content.len() <= MAX_OCTETS => Some(Serial::new(digits)),
        _ => {
            findings.add(element.offset, ProfileError::Serial);
            None
        }
    }
}

/// The same inside and outside of the signature, and one that we believe.
fn check_algorithms(certificate: &Certificate<'_>, findings: &mut Findings) {
    let [signed, outer] = certificate.algorithms;
    if signed.raw != outer.raw {
        findings.add(outer.offset, ProfileError::AlgorithmsDiffer);
    }
    if let Algorithm::Other(oid) = Algorithm::of(signed) {
        findings.add(signed.offset, ProfileError::WeakSignature { oid: crate::der::oid_text(oid) });
    }
}

fn check_validity(
    certificate: &Certificate<'_>,
    findings: &mut Findings,
) -> Option<(SystemTime, SystemTime)> {
    let moments = certificate.moments();
    for (moment, element) in moments.iter().zip(&certificate.validity) {
        if moment.is_none() {
            findings.add(element.offset, ProfileError::Moment);
        }
    }
    let (not_before, not_after) = (moments[0]?, moments[1]?);
    if not_after < not_before {
        findings.add(certificate.validity[0].offset, ProfileError::Validity);
    }
    Some((not_before, not_after))
}

fn check_key(certificate: &Certificate<'_>, findings: &mut Findings) {
    let key = findings.read(PublicKey::read(certificate.key), ProfileError::PublicKey);
    if let Some(key) = key.filter(|key| !key.is_strong()) {
        findings.add(certificate.key.offset, ProfileError::WeakKey { key });
    }
}

/// No extension twice, none that is critical without our understanding it.
fn check_extensions<'a>(certificate: &Certificate<'a>, findings: &mut Findings) -> Option<Extensions<'a>> {
    let Some(list) = certificate.extensions else {
        return Some(Extensions::default());
    };
    let Some(read) = findings.read(Extensions::read(list), ProfileError::Layout)? else {
        findings.add(list.offset, ProfileError::TooManyExtensions);
        return None;
    };
    let oid = |extension: &Extension<'_>| crate::der::oid_text(extension.oid);
    for extension in read.repeated() {
        findings.add(extension.offset, ProfileError::Repeated { oid: oid(extension) });
    }
    for extension in read.iter().filter(|extension| extension.critical && extension.known().is_none()) {
        findings.add(extension.offset, ProfileError::UnknownCriticalExtension { oid: oid(extension) });
    }
    Some(read)
}

#[cfg(test)]
mod tests;
