//! A certificate as parts that can each be spoiled, and what puts them together and signs. Owns the correct default of
//! every part; what is wrong with a certificate is the case's own.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::der;
use super::keys::{Algorithm, Key};

pub(crate) const SUBJECT_KEY_IDENTIFIER: &str = "2.5.29.14";
pub(crate) const KEY_USAGE: &str = "2.5.29.15";
pub(crate) const SUBJECT_ALT_NAME: &str = "2.5.29.17";
pub(crate) const BASIC_CONSTRAINTS: &str = "2.5.29.19";
pub(crate) const NAME_CONSTRAINTS: &str = "2.5.29.30";
pub(crate) const EXTENDED_KEY_USAGE: &str = "2.5.29.37";

pub(crate) const SERVER_AUTH: &str = "1.3.6.1.5.5.7.3.1";
pub(crate) const CLIENT_AUTH: &str = "1.3.6.1.5.5.7.3.2";
pub(crate) const CODE_SIGNING: &str = "1.3.6.1.5.5.7.3.3";
pub(crate) const ANY_USAGE: &str = "2.5.29.37.0";

/// The instant of every verdict, unless a case asks for another: 2027-01-15 08:00 UTC.
const NOW: u64 = 1_800_000_000;

/// The instant of the verdict, moved by seconds.
pub(crate) fn at(offset: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW.checked_add_signed(offset).expect("after 1970"))
}

/// One extension, as bytes.
#[derive(Clone)]
pub(crate) struct Extension {
    pub(crate) oid: Vec<u8>,
    /// The DER of the flag; empty when it is left out.
    pub(crate) critical: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

impl Extension {
    pub(crate) fn new(oid: &str, is_critical: bool, value: Vec<u8>) -> Self {
        let critical = if is_critical { der::boolean(true) } else { Vec::new() };
        Self { oid: der::oid(oid), critical, value }
    }

    fn der(&self) -> Vec<u8> {
        der::sequence(&[self.oid.clone(), self.critical.clone(), der::octets(&self.value)])
    }
}

/// The parts of a certificate.
#[derive(Clone)]
pub(crate) struct Certificate {
    pub(crate) version: Vec<u8>,
    pub(crate) serial: Vec<u8>,
    pub(crate) issuer: Option<Vec<u8>>,
    pub(crate) validity: Vec<u8>,
    pub(crate) subject: Vec<u8>,
    pub(crate) public_key_info: Vec<u8>,
    /// The unique identifiers that version 2 brought, before the extensions.
    pub(crate) unique: Vec<u8>,
    pub(crate) extensions: Vec<Extension>,
    /// The signer's algorithm; its default otherwise.
    pub(crate) signed_with: Option<Algorithm>,
    /// What the signed part and the outer part say of the algorithm, where it is not the truth.
    pub(crate) inner_algorithm: Option<Vec<u8>>,
    pub(crate) outer_algorithm: Option<Vec<u8>>,
    /// Changes the bits of the signature.
    pub(crate) spoil_signature: Option<fn(&mut Vec<u8>)>,
    /// Changes the whole.
    pub(crate) spoil_whole: Option<fn(Vec<u8>) -> Vec<u8>>,
}

impl Certificate {
    /// A correct svid of `uri`: from one minute ago, for an hour.
    pub(crate) fn leaf(uri: &str, key: Key) -> Self {
        let mut leaf = Self::bare(der::sequence::<&[u8]>(&[]), key);
        leaf.extensions = vec![
            Extension::new(KEY_USAGE, true, der::bits(7, &[0x80])),
            extended_key_usage(&[SERVER_AUTH, CLIENT_AUTH]),
            Extension::new(BASIC_CONSTRAINTS, true, der::sequence::<&[u8]>(&[])),
            Extension::new(SUBJECT_ALT_NAME, true, names(&[uri_name(uri)])),
        ];
        leaf
    }

    /// A correct signing certificate: from yesterday, for a year.
    pub(crate) fn authority(common_name: &str, key: Key) -> Self {
        let mut authority = Self::bare(name(common_name), key);
        authority.validity = validity(-86_400, 365 * 86_400);
        authority.extensions = vec![
            Extension::new(KEY_USAGE, true, der::bits(1, &[0x06])),
            Extension::new(BASIC_CONSTRAINTS, true, der::sequence(&[der::boolean(true)])),
        ];
        authority
    }

    fn bare(subject: Vec<u8>, key: Key) -> Self {
        let mut serial = [0; 16];
        aws_lc_rs::rand::fill(&mut serial).expect("the machine has randomness");
        serial[0] = serial[0] & 0x7f | 1;
        Self {
            version: der::constructed(0, &der::unsigned(&[2])),
            serial: der::unsigned(&serial),
            issuer: None,
            validity: validity(-60, 3600),
            subject,
            public_key_info: key.public_key_info(),
            unique: Vec::new(),
            extensions: Vec::new(),
            signed_with: None,
            inner_algorithm: None,
            outer_algorithm: None,
            spoil_signature: None,
            spoil_whole: None,
        }
    }

    /// The extension of this kind, for a case to change.
    pub(crate) fn extension(&mut self, oid: &str) -> &mut Extension {
        let oid = der::oid(oid);
        self.extensions.iter_mut().find(|it| it.oid == oid).expect("the correct certificate has it")
    }

    pub(crate) fn without(&mut self, oid: &str) {
        let oid = der::oid(oid);
        self.extensions.retain(|it| it.oid != oid);
    }

    /// Puts `names` in place of the URI.
    pub(crate) fn named(&mut self, general_names: &[Vec<u8>]) {
        self.extension(SUBJECT_ALT_NAME).value = names(general_names);
    }

    /// The DER, signed by the key of an authority with this name.
    pub(crate) fn signed_by(&self, issuer: &[u8], key: Key) -> Vec<u8> {
        let algorithm = self.signed_with.unwrap_or_else(|| key.algorithm());
        let identifier = algorithm.identifier();
        let inner = self.inner_algorithm.clone().unwrap_or_else(|| identifier.clone());
        let outer = self.outer_algorithm.clone().unwrap_or(identifier);
        let mut parts = vec![
            self.version.clone(),
            self.serial.clone(),
            inner,
            self.issuer.clone().unwrap_or_else(|| issuer.to_vec()),
            self.validity.clone(),
            self.subject.clone(),
            self.public_key_info.clone(),
            self.unique.clone(),
        ];
        if !self.extensions.is_empty() {
            let extensions: Vec<Vec<u8>> = self.extensions.iter().map(Extension::der).collect();
            parts.push(der::constructed(3, &der::sequence(&extensions)));
        }
        let signed = der::sequence(&parts);
        let mut signature = der::bits(0, &key.sign(algorithm, &signed));
        if let Some(spoil) = self.spoil_signature {
            spoil(&mut signature);
        }
        let whole = der::sequence(&[signed, outer, signature]);
        self.spoil_whole.map_or(whole.clone(), |spoil| spoil(whole))
    }
}

/// A validity by offsets from the instant of the verdict.
pub(crate) fn validity(from: i64, until: i64) -> Vec<u8> {
    der::sequence(&[der::time(at(from)), der::time(at(until))])
}

/// A name of one common name.
pub(crate) fn name(common_name: &str) -> Vec<u8> {
    let attribute = der::sequence(&[der::oid("2.5.4.3"), der::tlv(der::UTF8, common_name.as_bytes())]);
    der::sequence(&[der::tlv(der::SET, &attribute)])
}

/// The value of a name extension.
pub(crate) fn names(general_names: &[Vec<u8>]) -> Vec<u8> {
    der::sequence(general_names)
}

pub(crate) fn uri_name(uri: &str) -> Vec<u8> {
    der::implicit(6, uri.as_bytes())
}

pub(crate) fn dns_name(name: &str) -> Vec<u8> {
    der::implicit(2, name.as_bytes())
}

/// An extendedKeyUsage with these usages, not critical.
pub(crate) fn extended_key_usage(usages: &[&str]) -> Extension {
    let usages: Vec<Vec<u8>> = usages.iter().map(|usage| der::oid(usage)).collect();
    Extension::new(EXTENDED_KEY_USAGE, false, der::sequence(&usages))
}
