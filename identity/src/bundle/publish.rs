//! Writing a bundle as a JWK set: X509-SVID §6.1 and JWT-SVID §6.1. Parameters that were not understood when it was
//! read are written back with the same value; entries that were ignored are not.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Bundle;
use crate::json::{Members, Value};

impl Bundle {
    /// The whole bundle.
    pub fn to_jwks(&self) -> Vec<u8> {
        Value::from(self.published(true)).to_string().into_bytes()
    }

    /// Its token keys alone: the bundle of the Workload API's JWT profile, where keys of other uses must not stand
    /// and make clients refuse the whole (Workload-API §6.2.2, W12).
    pub fn to_jwt_jwks(&self) -> Vec<u8> {
        let keys = self.jwt_entries().map(Value::from).collect::<Vec<_>>();
        Value::from(Members::from([("keys".to_owned(), Value::from(keys))])).to_string().into_bytes()
    }

    /// The members of the document.
    pub(crate) fn published(&self, with_hint: bool) -> Members {
        let mut members = self.parameters.clone();
        let keys = self.x509_entries().chain(self.jwt_entries()).map(Value::from).collect::<Vec<_>>();
        members.insert("keys".to_owned(), Value::from(keys));
        if let Some(sequence) = self.sequence {
            members.insert("spiffe_sequence".to_owned(), Value::from(sequence));
        }
        if let Some(hint) = self.refresh_hint.filter(|_| with_hint) {
            members.insert("spiffe_refresh_hint".to_owned(), Value::from(hint.as_secs()));
        }
        members
    }

    /// What the document says, whatever order it says it in: RFC 7517 §5 gives the order of keys no meaning.
    pub(super) fn content(&self) -> Vec<String> {
        let mut content: Vec<_> = self
            .x509_entries()
            .chain(self.jwt_entries())
            .map(|entry| Value::from(entry).to_string())
            .collect();
        content.sort();
        let mut rest = self.published(true);
        rest.retain(|name, _| name != "keys" && name != "spiffe_sequence");
        content.push(Value::from(rest).to_string());
        content
    }

    fn x509_entries(&self) -> impl Iterator<Item = Members> {
        self.authorities.iter().zip(&self.entries).map(|(authority, entry)| {
            let mut members = entry.parameters.clone();
            entry.key.write(&mut members);
            members.insert("use".to_owned(), Value::from("x509-svid"));
            let certificate = STANDARD.encode(authority.der());
            members.insert("x5c".to_owned(), Value::from(vec![Value::from(certificate.as_str())]));
            members
        })
    }

    fn jwt_entries(&self) -> impl Iterator<Item = Members> {
        self.jwt_authorities.iter().map(|authority| {
            let mut members = authority.parameters().clone();
            authority.key().write(&mut members);
            members.insert("use".to_owned(), Value::from("jwt-svid"));
            members.insert("kid".to_owned(), Value::from(authority.key_id()));
            if let Some(algorithm) = authority.algorithm() {
                members.insert("alg".to_owned(), Value::from(algorithm));
            }
            members
        })
    }
}
