//! The JWT-SVID profile: what a token must look like, and whose it is. Unlike a certificate, a token is proved by this
//! crate alone: it is a document and a signature, and there is no handshake to wait for. It can be replayed by whoever
//! sees it; sessions of the mesh are never opened on one.
//!
//! ```text
//! token ──► Parts (base64url, JSON) ──► Header: alg first ──► Claims ──► for this audience, now?
//!                                                                          └──► bundle of sub's trust domain ──► signature
//! ```

use std::fmt;
use std::time::SystemTime;

use crate::bundle::Bundle;
use crate::bundle_set::BundleSet;
use crate::spiffe_id::SpiffeId;
use crate::svid::KeyHash;

mod algorithm;
mod authority;
pub(crate) mod claims;
mod error;
pub(crate) mod header;
pub(crate) mod parts;

pub(crate) use algorithm::Algorithm;
pub use authority::JwtAuthority;
pub use error::{JwtError, JwtPart};

use claims::Claims;
use header::Header;
use parts::Parts;

/// Without `kid` every key that fits is tried, as far as this: a signature costs time.
const MAX_TRIED: usize = 8;

/// A token that was verified: whose it is, and what it says.
#[derive(Clone, PartialEq, Eq)]
pub struct JwtSvid {
    identity: SpiffeId,
    audiences: Vec<String>,
    expires_at: SystemTime,
    issued_at: Option<SystemTime>,
    authority: KeyHash,
    claims: String,
}

impl JwtSvid {
    /// Verifies a token against the token keys of its subject's trust domain, and those alone.
    ///
    /// `exp` must lie after `now`; `nbf` and `iat` may lie up to 60 seconds behind it, since clocks differ.
    pub fn verify(
        token: &str,
        bundles: &BundleSet,
        audience: &str,
        now: SystemTime,
    ) -> Result<Self, JwtError> {
        let parts = Parts::split(token)?;
        let header = Header::read(&parts.header()?).sound()?;
        let algorithm = header.algorithm.ok_or(JwtError::AlgorithmMissing)?;
        let (text, members) = parts.claims()?;
        let claims = Claims::read(&members).sound()?;
        claims.check(audience, now)?;
        let identity = claims.subject.ok_or(JwtError::SubjectMissing)?;
        let expires_at = claims.expires_at.ok_or(JwtError::ExpiryMissing)?;
        let trust_domain = identity.trust_domain().clone();
        let bundle =
            bundles.of(&trust_domain).ok_or(JwtError::NoBundle { trust_domain: trust_domain.clone() })?;
        let signature = parts.signature()?;
        let authority = candidates(bundle, header.key_id.as_deref(), algorithm)?
            .into_iter()
            .find(|it| it.verifies(algorithm, parts.signed.as_bytes(), &signature))
            .ok_or(JwtError::Signature { trust_domain })?
            .key_hash();
        if bundles.distrusts(authority) {
            return Err(JwtError::DistrustedKey { key: authority });
        }
        let (audiences, issued_at) = (claims.audiences, claims.issued_at);
        Ok(Self { identity, audiences, expires_at, issued_at, authority, claims: text })
    }

    /// `sub`: who speaks.
    pub fn identity(&self) -> &SpiffeId {
        &self.identity
    }

    /// `aud`: everybody for whom it is good.
    pub fn audiences(&self) -> &[String] {
        &self.audiences
    }

    /// `exp`: the first moment at which it no longer holds.
    pub fn expires_at(&self) -> SystemTime {
        self.expires_at
    }

    /// `iat`.
    pub fn issued_at(&self) -> Option<SystemTime> {
        self.issued_at
    }

    /// The key that signed it.
    pub fn authority(&self) -> KeyHash {
        self.authority
    }

    /// All claims: a JSON object without duplicate members, as it was signed.
    pub fn claims(&self) -> &str {
        &self.claims
    }
}

/// Claims may be private: who, for whom and until when is what a log needs.
impl fmt::Debug for JwtSvid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtSvid")
            .field("identity", &self.identity)
            .field("audiences", &self.audiences)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// The keys that the token may be signed by: the one that it names, or all of the right type.
fn candidates<'a>(
    bundle: &'a Bundle,
    key_id: Option<&str>,
    algorithm: Algorithm,
) -> Result<Vec<&'a JwtAuthority>, JwtError> {
    let trust_domain = || bundle.trust_domain().clone();
    if bundle.jwt_authorities().is_empty() {
        return Err(JwtError::NoKeys { trust_domain: trust_domain() });
    }
    let fitting: Vec<_> = match key_id {
        Some(key_id) => {
            let named = bundle.jwt_authority(key_id);
            let named = named.ok_or_else(|| JwtError::UnknownKey { trust_domain: trust_domain() })?;
            std::iter::once(named).filter(|it| it.may_sign(algorithm)).collect()
        }
        None => {
            let all = bundle.jwt_authorities().iter();
            all.filter(|it| it.may_sign(algorithm)).take(MAX_TRIED).collect()
        }
    };
    if fitting.is_empty() {
        return Err(JwtError::KeyForOtherAlgorithm { trust_domain: trust_domain() });
    }
    Ok(fitting)
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
