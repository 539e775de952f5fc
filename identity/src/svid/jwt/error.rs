//! Why a token is refused. A token is as good as a key for as long as it holds, so no variant carries a part of one:
//! only names that the standards give, identities, and places.

use std::fmt;

use crate::json::JsonError;
use crate::spiffe_id::SpiffeIdError;
use crate::svid::KeyHash;
use crate::trust_domain::TrustDomain;

/// A part of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JwtPart {
    /// The JOSE header, before the first dot.
    Header,
    /// The claims, between the dots.
    Claims,
    /// The signature, behind the second dot.
    Signature,
}

impl fmt::Display for JwtPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Claims => "claims",
            Self::Signature => "signature",
        })
    }
}

/// The rule that a token breaks. Offsets in a header or claims count bytes of the decoded JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// Longer than is read (W9).
    #[error("the token has {length} bytes, more than {limit}")]
    TooLong {
        /// Its length.
        length: usize,
        /// The most that is read.
        limit: usize,
    },
    /// Not three parts with a dot between them: no token, an encrypted one, or a JSON serialization.
    #[error("the token is not of three parts, as the compact serialization is (JWT-SVID 5.1)")]
    NotCompact,
    /// RFC 7515 §2: a part is not base64url in its one spelling.
    #[error("the {part} is not base64url without padding, at byte {offset} of the token (RFC 7515 2)")]
    Encoding {
        /// Which part.
        part: JwtPart,
        /// The byte of the token.
        offset: usize,
    },
    /// RFC 7519 §7.2: a part is not one JSON object, read strictly.
    #[error("the {part}: {error} (RFC 7519 7.2)")]
    Json {
        /// Which part.
        part: JwtPart,
        /// What is wrong with it.
        error: JsonError,
    },
    /// No `alg`.
    #[error("the header has no \"alg\" (JWT-SVID 2.1)")]
    AlgorithmMissing,
    /// An `alg` that no token may have; `none` and the symmetric ones are among them.
    #[error(
        "\"alg\" at byte {offset} of the header is none of RS, ES or PS with 256, 384 or 512 (JWT-SVID 2.1)"
    )]
    Algorithm {
        /// Where it stands.
        offset: usize,
    },
    /// `kid` is not text.
    #[error("\"kid\" at byte {offset} of the header is not text (JWT-SVID 2.2)")]
    KeyId {
        /// Where it stands.
        offset: usize,
    },
    /// `typ` is something else: a token of another kind.
    #[error("\"typ\" at byte {offset} of the header is neither \"JWT\" nor \"JOSE\" (JWT-SVID 2.3)")]
    Type {
        /// Where it stands.
        offset: usize,
    },
    /// A header beside `alg`, `kid` and `typ`: `crit`, `jwk`, `jku`, `x5c` and whatever else lets a token choose its key.
    #[error(
        "the header whose value is at byte {offset} is none of \"alg\", \"kid\" and \"typ\" (JWT-SVID 2)"
    )]
    OtherHeader {
        /// Where its value stands.
        offset: usize,
    },
    /// No `sub`.
    #[error("the token has no \"sub\" (JWT-SVID 3.1)")]
    SubjectMissing,
    /// `sub` is no SPIFFE ID.
    #[error("\"sub\" is not a SPIFFE ID: {0} (JWT-SVID 3.1)")]
    Subject(SpiffeIdError),
    /// `sub` is a trust domain, not a workload.
    #[error("\"sub\" is the identity of a trust domain, not of a workload (JWT-SVID 3.1)")]
    SubjectPath,
    /// No `aud`, or an empty one.
    #[error("the token has no \"aud\" (JWT-SVID 3.2)")]
    AudienceMissing,
    /// `aud` is neither text nor an array of text.
    #[error("\"aud\" at byte {offset} of the claims is neither text nor an array of text (RFC 7519 4.1.3)")]
    Audience {
        /// Where it stands.
        offset: usize,
    },
    /// More audiences than are read (W8).
    #[error("the token has {count} audiences, more than {limit}")]
    TooManyAudiences {
        /// How many.
        count: usize,
        /// The most that are read.
        limit: usize,
    },
    /// No `exp`.
    #[error("the token has no \"exp\" (JWT-SVID 3.3)")]
    ExpiryMissing,
    /// A time that is not a number of seconds since 1970, before the year 10000, without an exponent.
    #[error("{claim:?} at byte {offset} of the claims is not a time in seconds since 1970 (RFC 7519 2)")]
    Time {
        /// Which claim.
        claim: &'static str,
        /// Where it stands.
        offset: usize,
    },
    /// The validator did not say who it is: nothing can be meant for it.
    #[error("no audience to validate for (JWT-SVID 3.2)")]
    NobodyAsks,
    /// Made for somebody else (X6).
    #[error("the token is not for this audience (JWT-SVID 3.2)")]
    OtherAudience,
    /// `exp` is not after now.
    #[error("the token has expired (JWT-SVID 4)")]
    Expired,
    /// `nbf` or `iat` is in the future by more than the leeway.
    #[error("{claim:?} is in the future (RFC 7519 4.1)")]
    NotYet {
        /// Which claim.
        claim: &'static str,
    },
    /// Nobody vouches for the subject's trust domain.
    #[error("no bundle of {trust_domain} (Workload-API 6.3)")]
    NoBundle {
        /// The subject's.
        trust_domain: TrustDomain,
    },
    /// The trust domain has no token keys.
    #[error("the bundle of {trust_domain} has no jwt-svid key (JWT-SVID 6.2)")]
    NoKeys {
        /// The subject's.
        trust_domain: TrustDomain,
    },
    /// The bundle has no key of the token's `kid`.
    #[error("the bundle of {trust_domain} has no jwt-svid key of the token's \"kid\" (JWT-SVID 6.2)")]
    UnknownKey {
        /// The subject's.
        trust_domain: TrustDomain,
    },
    /// The key is of another type or curve than `alg`, or published for another `alg`.
    #[error("the bundle of {trust_domain} has no such key for the token's \"alg\" (RFC 7518 3.1)")]
    KeyForOtherAlgorithm {
        /// The subject's.
        trust_domain: TrustDomain,
    },
    /// Good, but by a key that was cut off.
    #[error("the token is signed by {key}, which is distrusted")]
    DistrustedKey {
        /// Its hash.
        key: KeyHash,
    },
    /// No key of the bundle made the signature.
    #[error("the signature is not by a key of the bundle of {trust_domain} (RFC 7515 5.2)")]
    Signature {
        /// The subject's.
        trust_domain: TrustDomain,
    },
}

impl JwtError {
    /// The standard and section of the broken rule; limits and distrust of our own have none.
    pub fn section(&self) -> Option<&'static str> {
        Some(match self {
            Self::TooLong { .. } | Self::TooManyAudiences { .. } | Self::DistrustedKey { .. } => return None,
            Self::Json { error, .. } => match error {
                JsonError::TooLong { .. } | JsonError::TooDeep { .. } | JsonError::TooMany { .. } => {
                    return None;
                }
                _ => "RFC 7519 7.2",
            },
            Self::NotCompact => "JWT-SVID 5.1",
            Self::Encoding { .. } => "RFC 7515 2",
            Self::AlgorithmMissing | Self::Algorithm { .. } => "JWT-SVID 2.1",
            Self::KeyId { .. } => "JWT-SVID 2.2",
            Self::Type { .. } => "JWT-SVID 2.3",
            Self::OtherHeader { .. } => "JWT-SVID 2",
            Self::SubjectMissing | Self::Subject(_) | Self::SubjectPath => "JWT-SVID 3.1",
            Self::AudienceMissing | Self::NobodyAsks | Self::OtherAudience => "JWT-SVID 3.2",
            Self::Audience { .. } => "RFC 7519 4.1.3",
            Self::ExpiryMissing => "JWT-SVID 3.3",
            Self::Time { .. } => "RFC 7519 2",
            Self::Expired => "JWT-SVID 4",
            Self::NotYet { .. } => "RFC 7519 4.1",
            Self::NoBundle { .. } => "Workload-API 6.3",
            Self::NoKeys { .. } | Self::UnknownKey { .. } => "JWT-SVID 6.2",
            Self::KeyForOtherAlgorithm { .. } => "RFC 7518 3.1",
            Self::Signature { .. } => "RFC 7515 5.2",
        })
    }
}
