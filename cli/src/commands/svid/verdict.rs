//! Whether what was looked at verifies against given anchors. Owns the reading of those and the choice of the trust domain;
//! the judgement is `kith_mtls`'s for a chain and `kith_identity`'s for a token.

use std::path::Path;
use std::time::SystemTime;

use kith_identity::svid::{JwtSvid, inspect};
use kith_identity::{Bundle, BundleMap, BundleSet, TrustDomain};
use kith_mtls::{Accept, Role, verify_chain};

use super::input::{self, Content, InputError};
use super::subject::Subject;
use crate::args::UsageError;

/// Anchors as a file has them.
pub(super) enum Anchors {
    /// Of one trust domain, which the file does not name.
    Certificates(Vec<Vec<u8>>),
    /// The same with token keys.
    Jwks(Vec<u8>),
    /// Of several, each under its name.
    Map(BundleSet),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The trust domain whose anchors were taken, where there was one to choose.
    pub(crate) trust_domain: Option<TrustDomain>,
    /// The identity that is proven, or why none is.
    pub(crate) outcome: Result<String, String>,
}

impl Anchors {
    /// Reads a file of them.
    pub(super) fn read(path: &Path) -> Result<Self, InputError> {
        let input = input::file(path)?;
        let unknown = |reason: String| InputError::Unknown { name: input.name.clone(), reason };
        let Content::Bytes { bytes, .. } = &input.content else {
            return Err(unknown("it is no file".to_owned()));
        };
        match Subject::of(&input)? {
            Subject::Certificates { ders, .. } => Ok(Self::Certificates(ders)),
            Subject::Bundle(_) => Ok(Self::Jwks(bytes.to_vec())),
            Subject::BundleMap(_) => match BundleMap::parse(bytes) {
                Ok(map) => Ok(Self::Map(map.iter().cloned().collect())),
                Err(error) => Err(unknown(error.to_string())),
            },
            Subject::Token(_) => Err(unknown("it is a token, which no anchors are in".to_owned())),
        }
    }

    /// The anchors of one trust domain, as the only ones.
    fn of(&self, trust_domain: &TrustDomain) -> Result<BundleSet, String> {
        let bundle = match self {
            Self::Certificates(ders) => Bundle::parse(trust_domain.clone(), ders),
            Self::Jwks(json) => Bundle::from_jwks(trust_domain.clone(), json),
            Self::Map(set) => return Ok(set.of(trust_domain).cloned().into_iter().collect()),
        };
        Ok(BundleSet::from_iter([bundle.map_err(|error| error.to_string())?]))
    }
}

/// Holds a chain or a token against anchors. `expected` is the only trust domain that is accepted; without it, the one that
/// the leaf or the token names.
pub(super) fn of(
    subject: &Subject,
    anchors: &Anchors,
    expected: Option<&TrustDomain>,
    audience: Option<&str>,
    now: SystemTime,
) -> Result<Verdict, UsageError> {
    match (subject, audience) {
        (Subject::Certificates { ders, is_presented, .. }, None) => {
            let role = if *is_presented { Role::Server } else { Role::Client };
            Ok(of_chain(ders, anchors, expected, role, now))
        }
        (Subject::Certificates { .. }, Some(_)) => Err(UsageError::AudienceOfNoToken),
        (Subject::Token(token), Some(audience)) => Ok(of_token(token, anchors, expected, audience, now)),
        (Subject::Token(_), None) => Err(UsageError::NoAudience),
        // An answer that says nothing of the kind would pass for one that does.
        (Subject::Bundle(_) | Subject::BundleMap(_), _) => Err(UsageError::NothingToVerify),
    }
}

fn of_chain(
    ders: &[Vec<u8>],
    anchors: &Anchors,
    expected: Option<&TrustDomain>,
    role: Role,
    now: SystemTime,
) -> Verdict {
    let leaf = ders.first().map(|leaf| inspect::certificate(leaf)).unwrap_or_default();
    let claimed = || leaf.identity.as_ref().map(|identity| identity.trust_domain().clone());
    let Some(trust_domain) = expected.cloned().or_else(claimed) else {
        let rules: Vec<_> = leaf.broken_as_leaf.iter().map(|broken| broken.rule.to_string()).collect();
        return nobody(&format!(
            "the leaf does not name one trust domain ({}); say which is expected with --trust-domain",
            rules.join("; ")
        ));
    };
    let outcome = anchors.of(&trust_domain).and_then(|bundles| {
        let verified = verify_chain(ders, &bundles, &Accept::TrustDomain(trust_domain.clone()), role, now);
        verified.map(|chain| chain.identity().to_string()).map_err(|refusal| refusal.to_string())
    });
    Verdict { trust_domain: Some(trust_domain), outcome }
}

fn of_token(
    token: &str,
    anchors: &Anchors,
    expected: Option<&TrustDomain>,
    audience: &str,
    now: SystemTime,
) -> Verdict {
    let claimed = || inspect::token(token).identity.map(|identity| identity.trust_domain().clone());
    let Some(trust_domain) = expected.cloned().or_else(claimed) else {
        return nobody("the token names no trust domain; say which is expected with --trust-domain");
    };
    let outcome = anchors.of(&trust_domain).and_then(|bundles| {
        let verified = JwtSvid::verify(token, &bundles, audience, now);
        verified.map(|svid| svid.identity().to_string()).map_err(|error| error.to_string())
    });
    Verdict { trust_domain: Some(trust_domain), outcome }
}

fn nobody(reason: &str) -> Verdict {
    Verdict { trust_domain: None, outcome: Err(reason.to_owned()) }
}

#[cfg(test)]
mod tests;
