//! A certificate for a person to look at: all that it shows, and every rule that it breaks, whoever signed it. Owns the
//! showing alone: the rules are those that [`Leaf::parse`] and [`Authority::parse`] hold it against. Nothing here is proof.

use std::net::IpAddr;
use std::time::SystemTime;

use x509_parser::prelude::{FromDer as _, X509Name};

use super::findings::Findings;
pub use super::inspect_token::{TokenInspection, token};
use super::{Authority, Broken, KeyHash, Leaf, ProfileError, Serial};
pub use crate::certificate::PublicKey;
use crate::certificate::{
    Algorithm, BasicConstraints, Certificate, ExtendedKeyUsage, Extensions, GeneralName, GeneralNames, Known,
};
use crate::der::{Element, oid_text, tag};
use crate::jwk::{self, JwkError};
use crate::spiffe_id::SpiffeId;

/// What a certificate shows. What cannot be read is not there, and the broken rules say why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inspection {
    /// SHA-256 of all its bytes.
    pub fingerprint: [u8; 32],
    /// The subject, as RFC 4514 writes names; empty when it is.
    pub subject: Option<String>,
    /// The issuer.
    pub issuer: Option<String>,
    /// The alternative names of every kind.
    pub names: Vec<Name>,
    /// The identity, when exactly one URI is there and it is a SPIFFE ID, with a path or without.
    pub identity: Option<SpiffeId>,
    /// The serial number, if it is a positive one.
    pub serial: Option<Serial>,
    /// The first second at which it holds.
    pub not_before: Option<SystemTime>,
    /// The last second at which it holds.
    pub not_after: Option<SystemTime>,
    /// Its key.
    pub key: Option<PublicKey>,
    /// The hash of its key.
    pub key_hash: Option<KeyHash>,
    /// The name of the signature's algorithm, or its object identifier.
    pub signature_algorithm: Option<String>,
    /// The usages of its key, as RFC 5280 calls them.
    pub key_usage: Vec<&'static str>,
    /// The extended usages: the name of those that have one, the object identifier of others.
    pub extended_key_usage: Vec<String>,
    /// Whether it says that it may sign certificates.
    pub is_ca: Option<bool>,
    /// How many authorities may follow it.
    pub path_length: Option<usize>,
    /// All extensions in their order.
    pub extensions: Vec<ExtensionShown>,
    /// Every rule that it breaks as a workload's certificate, in the order in which [`Leaf::parse`] checks them.
    pub broken_as_leaf: Vec<Broken>,
    /// Every rule that it breaks as a signing certificate, in the order in which [`Authority::parse`] checks them.
    pub broken_as_authority: Vec<Broken>,
}

/// One alternative name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// "URI", "DNS", "email", "IP", "directory", "registered ID", "other" or "obsolete".
    pub kind: &'static str,
    /// The name, or the object identifier of its type.
    pub text: String,
}

/// One extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtensionShown {
    /// Its object identifier.
    pub oid: String,
    /// Its name, if the rules here give it a meaning.
    pub name: Option<&'static str>,
    /// Whether it is critical.
    pub critical: bool,
}

/// The names of the bits of keyUsage, from the first on (RFC 5280 §4.2.1.3).
const KEY_USAGES: [&str; 9] = [
    "digitalSignature",
    "nonRepudiation",
    "keyEncipherment",
    "dataEncipherment",
    "keyAgreement",
    "keyCertSign",
    "cRLSign",
    "encipherOnly",
    "decipherOnly",
];

/// The extended usages that people know by name.
const EXTENDED_KEY_USAGES: [(&str, &str); 7] = [
    ("2.5.29.37.0", "anyExtendedKeyUsage"),
    ("1.3.6.1.5.5.7.3.1", "serverAuth"),
    ("1.3.6.1.5.5.7.3.2", "clientAuth"),
    ("1.3.6.1.5.5.7.3.3", "codeSigning"),
    ("1.3.6.1.5.5.7.3.4", "emailProtection"),
    ("1.3.6.1.5.5.7.3.8", "timeStamping"),
    ("1.3.6.1.5.5.7.3.9", "OCSPSigning"),
];

/// Reads one certificate without believing it.
pub fn certificate(der: &[u8]) -> Inspection {
    let mut seen = Inspection {
        fingerprint: super::sha256(der),
        broken_as_leaf: broken(|findings| drop(Leaf::read(der, findings))),
        broken_as_authority: broken(|findings| drop(Authority::read(der, findings))),
        ..Inspection::default()
    };
    if let Ok(certificate) = Certificate::read(der) {
        seen.take_fields(&certificate);
        if is_no_key(certificate.key) {
            let broken = Broken { rule: ProfileError::NoKey, offset: certificate.key.offset };
            seen.broken_as_leaf.push(broken.clone());
            seen.broken_as_authority.push(broken);
        }
        let list = certificate.extensions.and_then(|list| Extensions::read(list).ok()?);
        seen.take_extensions(&list.unwrap_or_default());
    }
    seen
}

/// Whether a key that can be read is none all the same. It takes arithmetic, which a handshake is spared: there the
/// signature says it.
fn is_no_key(info: Element<'_>) -> bool {
    matches!(jwk::PublicKey::from_info(info.raw), Err(JwkError::Point | JwkError::EvenModulus))
        && PublicKey::read(info).is_ok()
}

fn broken(check: impl FnOnce(&mut Findings)) -> Vec<Broken> {
    let mut findings = Findings::every();
    check(&mut findings);
    findings.into_vec()
}

impl Inspection {
    fn take_fields(&mut self, certificate: &Certificate<'_>) {
        self.subject = distinguished(certificate.subject);
        self.issuer = distinguished(certificate.issuer);
        self.serial = certificate.serial.positive().ok().flatten().map(Serial::new);
        [self.not_before, self.not_after] = certificate.moments();
        self.key = PublicKey::read(certificate.key).ok();
        self.key_hash = Some(KeyHash::of_public_key_info(certificate.key.raw));
        self.signature_algorithm = Some(match Algorithm::of(certificate.algorithms[1]) {
            Algorithm::Strong(name) => name.to_owned(),
            Algorithm::Other(oid) => oid_text(oid),
        });
    }

    fn take_extensions(&mut self, extensions: &Extensions<'_>) {
        let shown = |extension: &crate::certificate::Extension<'_>| ExtensionShown {
            oid: oid_text(extension.oid),
            name: extension.known().map(Known::name),
            critical: extension.critical,
        };
        self.extensions = extensions.iter().map(shown).collect();
        self.is_ca = Some(false);
        if let Some(extension) = extensions.of(Known::BasicConstraints) {
            let constraints = BasicConstraints::read(extension).ok();
            self.is_ca = constraints.map(|constraints| constraints.ca);
            self.path_length = constraints.and_then(|constraints| constraints.path_length);
        }
        if let Some(extension) = extensions.of(Known::KeyUsage) {
            let bits = extension.content(tag::BIT_STRING).and_then(|bits| bits.named_bits()).unwrap_or(0);
            let names = KEY_USAGES.into_iter().enumerate();
            self.key_usage =
                names.filter(|(at, _)| bits & (0x8000 >> at) != 0).map(|(_, name)| name).collect();
        }
        if let Some(extension) = extensions.of(Known::ExtendedKeyUsage) {
            let mut usages = Vec::new();
            if ExtendedKeyUsage::each(extension, |oid| usages.push(usage_text(oid))).is_ok() {
                self.extended_key_usage = usages;
            }
        }
        if let Some(extension) = extensions.of(Known::SubjectAltName) {
            let names = extension.content(tag::SEQUENCE).and_then(GeneralNames::of).into_iter().flatten();
            self.take_names(names.map_while(Result::ok).map(|(_, name)| name));
        }
    }

    fn take_names<'a>(&mut self, names: impl Iterator<Item = GeneralName<'a>>) {
        let mut uris = Vec::new();
        for name in names {
            if let GeneralName::Uri(uri) = name {
                uris.push(uri);
            }
            self.names.push(shown(name));
        }
        if let [uri] = uris.as_slice() {
            self.identity = SpiffeId::parse(uri).ok();
        }
    }
}

fn shown(name: GeneralName<'_>) -> Name {
    let (kind, text) = match name {
        GeneralName::Uri(text) => ("URI", text.to_owned()),
        GeneralName::Dns(text) => ("DNS", text.to_owned()),
        GeneralName::Email(text) => ("email", text.to_owned()),
        GeneralName::Ip(octets) => ("IP", address(octets)),
        GeneralName::Directory(name) => ("directory", distinguished(name).unwrap_or_default()),
        GeneralName::RegisteredId(oid) => ("registered ID", oid_text(oid)),
        GeneralName::Other(oid) => ("other", oid_text(oid)),
        GeneralName::Obsolete => ("obsolete", String::new()),
    };
    Name { kind, text }
}

fn address(octets: &[u8]) -> String {
    let four = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    let address = four.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from));
    address.map(|address| address.to_string()).unwrap_or_default()
}

fn usage_text(oid: &[u8]) -> String {
    let oid = oid_text(oid);
    let known = EXTENDED_KEY_USAGES.iter().find(|(known, _)| *known == oid);
    known.map_or(oid, |(_, name)| (*name).to_owned())
}

/// The many kinds of attributes and strings are for display alone, and so for `x509-parser`.
fn distinguished(name: Element<'_>) -> Option<String> {
    X509Name::from_der(name.raw).ok().map(|(_, name)| name.to_string())
}

#[cfg(test)]
mod tests;
