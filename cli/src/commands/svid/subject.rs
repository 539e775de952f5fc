//! What a person wants looked at, told by itself: certificates, a token, a bundle, a map of bundles. Owns the telling apart;
//! reading each is `kith_identity`'s, which trusts nothing that is said here.

use std::collections::HashMap;

use serde::de::IgnoredAny;
use zeroize::Zeroizing;

use super::input::{Content, Input, InputError};
use super::{der, pem};

/// The tag of an INTEGER: with a version begin the DER forms of private keys, and no certificate.
const INTEGER: u8 = 2;

/// Something to look at, of a known kind.
#[derive(Debug)]
pub(super) enum Subject {
    /// In the order in which they stand or were presented.
    Certificates {
        ders: Vec<Vec<u8>>,
        /// The labels of private keys beside them.
        keys: Vec<String>,
        /// The labels of anything else.
        others: Vec<String>,
        /// Whether a server presented them as its own.
        is_presented: bool,
    },
    /// A token; whoever has it can use it.
    Token(Zeroizing<String>),
    /// A JWK set.
    Bundle(Zeroizing<Vec<u8>>),
    /// JWK sets by trust domain.
    BundleMap(Zeroizing<Vec<u8>>),
}

impl Subject {
    /// Tells what was read.
    pub(super) fn of(input: &Input) -> Result<Self, InputError> {
        match &input.content {
            Content::Chain(ders) => Ok(Self::Certificates {
                ders: ders.clone(),
                keys: Vec::new(),
                others: Vec::new(),
                is_presented: true,
            }),
            Content::Bytes { bytes, .. } => {
                of_bytes(bytes).map_err(|reason| InputError::Unknown { name: input.name.clone(), reason })
            }
        }
    }

    /// What it is called in the answer.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Certificates { .. } => "certificates",
            Self::Token(_) => "jwt-svid",
            Self::Bundle(_) => "bundle",
            Self::BundleMap(_) => "bundle-map",
        }
    }
}

fn of_bytes(bytes: &[u8]) -> Result<Subject, String> {
    if bytes.first() == Some(&der::SEQUENCE) {
        return of_der(bytes);
    }
    let text = std::str::from_utf8(bytes).map_err(|error| format!("neither DER nor text: {error}"))?;
    if pem::looks_like(text) {
        return of_pem(text);
    }
    let text = text.trim();
    if text.starts_with('{') {
        return Ok(of_json(text));
    }
    if looks_like_a_token(text) {
        return Ok(Subject::Token(Zeroizing::new(text.to_owned())));
    }
    Err(if text.is_empty() { "it is empty" } else { "it looks like none of them" }.to_owned())
}

fn of_der(bytes: &[u8]) -> Result<Subject, String> {
    let ders = der::split(bytes).map_err(|error| error.to_string())?;
    let is_key = |der: &Vec<u8>| {
        let header = if der[1] < 0x80 { 2 } else { 2 + usize::from(der[1] & 0x7f) };
        der.get(header) == Some(&INTEGER)
    };
    if ders.iter().any(is_key) {
        return Err("it looks like a private key".to_owned());
    }
    Ok(Subject::Certificates { ders, keys: Vec::new(), others: Vec::new(), is_presented: false })
}

fn of_pem(text: &str) -> Result<Subject, String> {
    let (mut ders, mut keys, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for section in pem::read(text).map_err(|error| error.to_string())? {
        match section {
            pem::Section::Certificate(der) => ders.push(der),
            pem::Section::PrivateKey(label) => keys.push(label),
            pem::Section::Other(label) => others.push(label),
        }
    }
    if ders.is_empty() {
        let labels = keys.into_iter().chain(others).collect::<Vec<_>>().join(", ");
        return Err(format!("it has no certificate, only: {labels}"));
    }
    Ok(Subject::Certificates { ders, keys, others, is_presented: false })
}

/// By the member that makes it what it is. A token in one of the JSON serializations is one that no validator takes; its
/// rule says so.
fn of_json(text: &str) -> Subject {
    let bytes = || Zeroizing::new(text.as_bytes().to_vec());
    // By name alone: what they hold is read by whoever knows how much of it there may be.
    let members = serde_json::from_str::<HashMap<String, IgnoredAny>>(text).unwrap_or_default();
    if members.contains_key("trust_domains") {
        Subject::BundleMap(bytes())
    } else if ["payload", "signatures", "signature"].iter().any(|name| members.contains_key(*name)) {
        Subject::Token(Zeroizing::new(text.to_owned()))
    } else {
        Subject::Bundle(bytes())
    }
}

/// Parts of base64 with dots between them, of which the first begins as `{"` does. How many there may be is a rule.
fn looks_like_a_token(text: &str) -> bool {
    let of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=+/.".contains(&byte);
    text.starts_with("ey") && text.contains('.') && text.bytes().all(of_token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::svid::testing::{Ca, WEB};

    fn kind(bytes: &[u8]) -> Result<&'static str, String> {
        of_bytes(bytes).map(|subject| subject.kind())
    }

    #[test]
    fn what_it_is_shows_by_itself() {
        let ca = Ca::new();
        let (leaf, _) = ca.leaf(WEB, 3600);
        let chain = [leaf.clone(), ca.der.clone()];
        for (name, bytes, want) in [
            ("PEM", pem::certificates(&chain).into_bytes(), "certificates"),
            (
                "PEM behind a remark",
                format!("# a\n{}", pem::certificates(&chain)).into_bytes(),
                "certificates",
            ),
            ("DER", leaf, "certificates"),
            ("DER, a row", chain.concat(), "certificates"),
            ("a token", b" eyJhbGciOiJFUzI1NiJ9.e30.AAAA\n".to_vec(), "jwt-svid"),
            ("five parts", b"eyJhbGciOiJFUzI1NiJ9.a.b.c.d".to_vec(), "jwt-svid"),
            ("JSON serialization", br#"{"payload":"","signatures":[]}"#.to_vec(), "jwt-svid"),
            ("a bundle", br#" {"keys":[]}"#.to_vec(), "bundle"),
            ("a bundle without keys", b"{}".to_vec(), "bundle"),
            ("broken JSON", br#"{"keys":["#.to_vec(), "bundle"),
            ("a map", br#"{"trust_domains":{}}"#.to_vec(), "bundle-map"),
        ] {
            assert_eq!(kind(&bytes), Ok(want), "{name}");
        }
    }

    #[test]
    fn what_is_nothing_of_ours_says_what_was_found() {
        let key = rcgen::KeyPair::generate().unwrap();
        for (name, bytes, want) in [
            ("nothing", b" \n".to_vec(), "empty"),
            ("text", b"hello".to_vec(), "none of them"),
            ("bytes", vec![0xff, 0xfe], "neither DER nor text"),
            ("a key in PEM", key.serialize_pem().into_bytes(), "no certificate, only: PRIVATE KEY"),
            ("a key in DER", key.serialize_der(), "a private key"),
            ("half of a certificate", Ca::new().der[..50].to_vec(), "cut short"),
            ("half of a PEM", b"-----BEGIN CERTIFICATE-----\nAA".to_vec(), "has no end"),
        ] {
            let said = kind(&bytes).unwrap_err();
            assert!(said.contains(want), "{name}: {said}");
        }
    }

    #[test]
    fn what_stands_beside_certificates_is_kept_by_name_alone() {
        let (leaf, key) = Ca::new().leaf(WEB, 3600);
        let other = "-----BEGIN X509 CRL-----\nAA==\n-----END X509 CRL-----\n";
        let text = format!("{}{}{other}", key.serialize_pem(), pem::certificates(&[&leaf]));
        match of_bytes(text.as_bytes()).unwrap() {
            Subject::Certificates { ders, keys, others, is_presented } => {
                assert_eq!((ders, is_presented), (vec![leaf], false));
                assert_eq!((keys, others), (vec!["PRIVATE KEY".to_owned()], vec!["X509 CRL".to_owned()]));
            }
            other => panic!("{other:?}"),
        }
    }
}
