//! A token for a person to look at: what it says and every rule that it breaks, whoever signed it. Nothing here is
//! proof; `JwtSvid::verify` is.

use std::time::SystemTime;

use crate::json::{Members, Value};
use crate::spiffe_id::SpiffeId;
use crate::svid::JwtError;
use crate::svid::jwt::claims::Claims;
use crate::svid::jwt::header::Header;
use crate::svid::jwt::parts::{Parts, Seen};

/// What a token says, unverified. What cannot be read is not there, and `broken` says why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenInspection {
    /// The whole header, as JSON with sorted members.
    pub header: Option<String>,
    /// All claims, as JSON with sorted members.
    pub claims: Option<String>,
    /// `alg`, whether a token may have it or not.
    pub algorithm: Option<String>,
    /// `kid`.
    pub key_id: Option<String>,
    /// `typ`.
    pub token_type: Option<String>,
    /// `sub`, whether it is a SPIFFE ID or not.
    pub subject: Option<String>,
    /// `sub`, if a workload may have it.
    pub identity: Option<SpiffeId>,
    /// `aud`.
    pub audiences: Vec<String>,
    /// `exp`.
    pub expires_at: Option<SystemTime>,
    /// `nbf`.
    pub not_before: Option<SystemTime>,
    /// `iat`.
    pub issued_at: Option<SystemTime>,
    /// The length of the signature in bytes.
    pub signature_length: Option<usize>,
    /// Every broken rule of the token's form, in the order in which `JwtSvid::verify` would meet them. Whether it holds
    /// now, for whom, and whether its signature is good is not among them.
    pub broken: Vec<JwtError>,
}

/// Reads a token without believing it.
pub fn token(token: &str) -> TokenInspection {
    let mut seen = TokenInspection::default();
    let parts = match Parts::split(token) {
        Ok(parts) => parts,
        Err(error) => {
            seen.broken.push(error);
            return seen;
        }
    };
    match parts.header() {
        Ok(header) => seen.take_header(header),
        Err(error) => seen.broken.push(error),
    }
    match parts.claims() {
        Ok((_, claims)) => seen.take_claims(claims),
        Err(error) => seen.broken.push(error),
    }
    match parts.signature() {
        Ok(signature) => seen.signature_length = Some(signature.len()),
        Err(error) => seen.broken.push(error),
    }
    seen
}

impl TokenInspection {
    fn take_header(&mut self, members: Members) {
        let text = |name| members.get(name).and_then(|value| value.text().ok()).map(str::to_owned);
        (self.algorithm, self.key_id, self.token_type) = (text("alg"), text("kid"), text("typ"));
        self.broken.extend(Header::read(&members).broken);
        self.header = Some(Value::from(members).to_string());
    }

    fn take_claims(&mut self, members: Members) {
        self.subject = members.get("sub").and_then(|value| value.text().ok()).map(str::to_owned);
        let Seen { value: claims, broken } = Claims::read(&members);
        self.broken.extend(broken);
        self.identity = claims.subject;
        self.audiences = claims.audiences;
        (self.expires_at, self.not_before, self.issued_at) =
            (claims.expires_at, claims.not_before, claims.issued_at);
        self.claims = Some(Value::from(members).to_string());
    }
}

#[cfg(test)]
mod tests;
