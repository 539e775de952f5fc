//! Reading the standard's JWK set. The document itself must be sound, or it is refused; an entry that is unknown or
//! cannot be used is ignored, as Trust-Domain-and-Bundle §4.1.3 demands, and said so. An anchor that is ignored
//! trusts nobody, so leniency here never lets anyone in.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Bundle, BundleError, Entry, Ignored, IgnoredBecause};
use crate::json::{self, JsonError, Limits, Members, Value};
use crate::jwk::{self, JwkError, PublicKey};
use crate::svid::{Algorithm, Authority, JwtAuthority};
use crate::trust_domain::TrustDomain;

/// F5.
const MAX_KEYS: usize = 100;
const LIMITS: Limits = Limits { bytes: 1024 * 1024, depth: 16, values: 64 * 1024 };
/// What an entry says with words of the standards; the rest is kept and written back.
const X509_MEMBERS: [&str; 4] = ["kty", "use", "kid", "x5c"];
const JWT_MEMBERS: [&str; 4] = ["kty", "use", "kid", "alg"];

/// What is wrong, and the member in which.
type Wrong = (&'static str, IgnoredBecause);

impl Bundle {
    /// Reads a JWK set. A set without a usable key is a bundle that trusts nobody, not an error (F10): it replaces
    /// the older one. The document does not say whose it is; whoever configured its source does (F2).
    pub fn from_jwks(trust_domain: TrustDomain, json: &[u8]) -> Result<Self, BundleError> {
        let bundle = Self::from_value(trust_domain, json::read(json, LIMITS)?)?;
        // What is kept must be readable by whoever it is passed on to: members that a certificate implies are written out.
        match bundle.to_jwks().len() {
            length if length > LIMITS.bytes => Err(JsonError::TooLong { length, limit: LIMITS.bytes }.into()),
            _ => Ok(bundle),
        }
    }

    pub(crate) fn from_value(trust_domain: TrustDomain, document: Value) -> Result<Self, BundleError> {
        let offset = document.offset();
        let mut members = document.into_members()?;
        let keys = members.remove("keys").ok_or(BundleError::KeysMissing { offset })?;
        let entries = keys.array()?;
        if entries.len() > MAX_KEYS {
            return Err(BundleError::TooManyKeys { count: entries.len(), limit: MAX_KEYS });
        }
        let sequence = members.remove("spiffe_sequence").map(|value| value.unsigned()).transpose()?;
        let hint = members.remove("spiffe_refresh_hint").map(|value| seconds(&value)).transpose()?;
        let mut bundle = Self::nobody(trust_domain);
        (bundle.sequence, bundle.refresh_hint, bundle.parameters) = (sequence, hint, members);
        for (position, entry) in entries.iter().enumerate() {
            let members = entry.members()?;
            if let Err((member, because)) = bundle.take(position, members) {
                let offset = members.get(member).map_or(entry.offset(), Value::offset);
                bundle.ignored.push(Ignored { entry: position, offset, because });
            }
        }
        Ok(bundle)
    }

    /// The trust domain that the certificates of a JWK set name, if they name exactly one. For a person who looks at
    /// a document; trust must know the name from elsewhere (F2).
    pub fn trust_domain_named_in(json: &[u8]) -> Option<TrustDomain> {
        let document = json::read(json, LIMITS).ok()?;
        let entries = document.members().ok()?.get("keys")?.array().ok()?;
        let authorities = entries.iter().take(MAX_KEYS).filter_map(|entry| {
            let (der, _) = certificate(entry.members().ok()?).ok()?;
            Authority::parse(&der).ok()
        });
        let named: BTreeSet<_> = authorities.filter_map(|it| it.trust_domain().cloned()).collect();
        if named.len() == 1 { named.into_iter().next() } else { None }
    }

    fn take(&mut self, position: usize, members: &Members) -> Result<(), Wrong> {
        let text = |name| members.get(name).and_then(|value| value.text().ok());
        if !matches!(text("kty"), Some("EC" | "RSA")) {
            return Err(("kty", IgnoredBecause::KeyType));
        }
        match text("use") {
            Some("x509-svid") => self.take_certificate(position, members),
            Some("jwt-svid") => self.take_token_key(members),
            _ => Err(("use", IgnoredBecause::Use)),
        }
    }

    /// X509-SVID §6.2.
    fn take_certificate(&mut self, position: usize, members: &Members) -> Result<(), Wrong> {
        let in_x5c = |because| ("x5c", because);
        let (der, further) = certificate(members).map_err(in_x5c)?;
        let authority = Authority::parse(&der).map_err(IgnoredBecause::Certificate).map_err(in_x5c)?;
        if let Some(found) = self.foreign(&authority) {
            return Err(in_x5c(IgnoredBecause::Foreign { found }));
        }
        let key = PublicKey::of_certificate(&der).map_err(IgnoredBecause::Key).map_err(in_x5c)?;
        check_described_key(&key, members)?;
        let mut part_ignored = |member: &str, because| {
            let offset = members.get(member).map_or(0, Value::offset);
            self.ignored.push(Ignored { entry: position, offset, because });
        };
        if members.contains_key("kid") {
            part_ignored("kid", IgnoredBecause::KeyIdOfCertificate);
        }
        if further > 0 {
            part_ignored("x5c", IgnoredBecause::FurtherCertificates { count: further });
        }
        let parameters = without(members, &X509_MEMBERS);
        self.authorities.push(authority);
        self.entries.push(Entry { key, parameters });
        Ok(())
    }

    /// JWT-SVID §6.
    fn take_token_key(&mut self, members: &Members) -> Result<(), Wrong> {
        let authority = token_key(members)?;
        if self.jwt_authority(authority.key_id()).is_some() {
            return Err(("kid", IgnoredBecause::KeyIdTaken));
        }
        self.jwt_authorities.push(authority);
        Ok(())
    }
}

/// The first certificate of `x5c`, and how many follow it.
fn certificate(members: &Members) -> Result<(Vec<u8>, usize), IgnoredBecause> {
    let values = members.get("x5c").and_then(|value| value.array().ok()).unwrap_or_default();
    let (first, further) = values.split_first().ok_or(IgnoredBecause::NoCertificate)?;
    let der = first.text().ok().and_then(|text| STANDARD.decode(text).ok());
    Ok((der.ok_or(IgnoredBecause::CertificateEncoding)?, further.len()))
}

/// RFC 7517 §4.4: a key that is published for one algorithm verifies no other.
fn token_key(members: &Members) -> Result<JwtAuthority, Wrong> {
    let wrong = |member| move |error| (member, IgnoredBecause::Key(error));
    let key_id = members.get("kid").and_then(|value| value.text().ok()).unwrap_or_default();
    let key = PublicKey::from_members(members).map_err(wrong("kty"))?;
    let algorithm = match members.get("alg") {
        None => None,
        Some(alg) => {
            let known = alg.text().ok().and_then(Algorithm::parse).filter(|it| it.fits(&key));
            Some(known.ok_or(JwkError::Algorithm).map_err(wrong("alg"))?)
        }
    };
    JwtAuthority::new(key_id, key, algorithm, without(members, &JWT_MEMBERS)).map_err(wrong("kid"))
}

/// The members that are neither of these nor the key's own.
fn without(members: &Members, known: &[&str]) -> Members {
    let mut rest = members.clone();
    rest.retain(|name, _| !known.contains(&name.as_str()) && !jwk::KEY_MEMBERS.contains(&name.as_str()));
    rest
}

/// RFC 7517 §4.7: what the entry says of its key, if it says anything, is what its certificate says.
fn check_described_key(key: &PublicKey, members: &Members) -> Result<(), Wrong> {
    jwk::check_public(members).map_err(|error| ("kty", IgnoredBecause::Key(error)))?;
    let described = jwk::KEY_MEMBERS.iter().any(|name| members.contains_key(*name));
    let same_type = members.get("kty").and_then(|value| value.text().ok()) == Some(key.key_type());
    if same_type && (!described || PublicKey::from_members(members).as_ref() == Ok(key)) {
        Ok(())
    } else {
        Err(("kty", IgnoredBecause::KeysDiffer))
    }
}

/// Trust-Domain-and-Bundle §4.1.2: an integer. What no clock can count is the most that one can (F4).
fn seconds(value: &Value) -> Result<Duration, JsonError> {
    let (negative, digits) = value.integer()?;
    Ok(if negative { Duration::ZERO } else { Duration::from_secs(digits.parse().unwrap_or(u64::MAX)) })
}
