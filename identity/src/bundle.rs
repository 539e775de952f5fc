//! The anchors of one trust domain: its X.509 authorities and its token keys, as a list of certificates or as the
//! standard's JWK set. Two domains are never merged (Federation §4.2): see `BundleSet`.
//!
//! ```text
//! certificates ──► parse       all are good, or none counts: Kith's own bundles
//! JWK set      ──► from_jwks   what cannot be used is ignored and remembered: everybody's (jwks.rs)
//!                  to_jwks, to_jwt_jwks (publish.rs)     follows: may this one replace that one? (sequence.rs)
//! ```

use std::time::Duration;

use crate::json::{JsonError, Members};
use crate::jwk::{JwkError, PublicKey};
use crate::svid::{Authority, Broken, JwtAuthority};
use crate::trust_domain::TrustDomain;

mod ignored;
mod jwks;
mod publish;
mod sequence;

pub use ignored::{Ignored, IgnoredBecause};
pub use sequence::SequenceError;

/// Federation §4.1: how often to ask whoever gives no hint.
const DEFAULT_POLL: Duration = Duration::from_secs(5 * 60);
/// A hint below would make the mesh a burden on its neighbour (F4).
const SHORTEST_POLL: Duration = Duration::from_secs(30);
/// A hint above would keep a withdrawn key for longer than a day (F4).
const LONGEST_POLL: Duration = Duration::from_secs(24 * 60 * 60);

/// One trust domain's signing authorities. Without any it trusts nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    trust_domain: TrustDomain,
    authorities: Vec<Authority>,
    /// One for each of `authorities`, in their order.
    entries: Vec<Entry>,
    jwt_authorities: Vec<JwtAuthority>,
    sequence: Option<u64>,
    refresh_hint: Option<Duration>,
    parameters: Members,
    ignored: Vec<Ignored>,
}

/// What the JWK of an X.509 authority says beside its certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    key: PublicKey,
    parameters: Members,
}

/// Why a bundle is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// Trust-Domain-and-Bundle §4.1.3: nothing in it can be used.
    #[error("the bundle of {trust_domain} has no authority")]
    Empty {
        /// Whose bundle it is.
        trust_domain: TrustDomain,
    },
    /// One entry is not an authority.
    #[error("authority {position} of the bundle of {trust_domain}: {error}")]
    Authority {
        /// Whose bundle it is.
        trust_domain: TrustDomain,
        /// Which entry, counted from 0.
        position: usize,
        /// What is wrong with it.
        error: Broken,
    },
    /// An authority whose key no bundle can carry.
    #[error("authority {position} of the bundle of {trust_domain}: {error}")]
    Key {
        /// Whose bundle it is.
        trust_domain: TrustDomain,
        /// Which entry, counted from 0.
        position: usize,
        /// What is wrong with it.
        error: JwkError,
    },
    /// An authority that names another trust domain (F1, C23).
    #[error("authority {position} of the bundle of {trust_domain} belongs to {found}")]
    Foreign {
        /// Whose bundle it is.
        trust_domain: TrustDomain,
        /// Which entry, counted from 0.
        position: usize,
        /// The trust domain in its certificate.
        found: TrustDomain,
    },
    /// Not the JSON that a JWK set is (RFC 7517 §5).
    #[error(transparent)]
    Json(#[from] JsonError),
    /// Trust-Domain-and-Bundle §4.1.3: no `keys`. That is not an empty set: it is no bundle.
    #[error("the bundle that begins at byte {offset} has no \"keys\" (Trust-Domain-and-Bundle 4.1.3)")]
    KeysMissing {
        /// Where the bundle begins in the document.
        offset: usize,
    },
    /// More entries than anybody needs (F5).
    #[error("the bundle has {count} keys, more than {limit}")]
    TooManyKeys {
        /// How many.
        count: usize,
        /// The most that are read.
        limit: usize,
    },
}

impl BundleError {
    /// The standard and section of the broken rule; limits of our own have none.
    pub fn section(&self) -> Option<&'static str> {
        match self {
            Self::Empty { .. } | Self::KeysMissing { .. } => Some("Trust-Domain-and-Bundle 4.1.3"),
            Self::Authority { .. } | Self::Key { .. } => Some("X509-SVID 6.1"),
            Self::Foreign { .. } => Some("X509-SVID 3.2"),
            Self::Json(JsonError::TooLong { .. } | JsonError::TooDeep { .. } | JsonError::TooMany { .. }) => {
                None
            }
            Self::Json(_) => Some("Trust-Domain-and-Bundle 4.1"),
            Self::TooManyKeys { .. } => None,
        }
    }
}

impl Bundle {
    /// Reads a bundle of DER certificates; one bad entry refuses the whole.
    pub fn parse<D: AsRef<[u8]>>(trust_domain: TrustDomain, anchors: &[D]) -> Result<Self, BundleError> {
        let mut bundle = Self::nobody(trust_domain);
        for (position, der) in anchors.iter().enumerate() {
            let trust_domain = || bundle.trust_domain.clone();
            let authority = Authority::parse(der.as_ref()).map_err(|error| BundleError::Authority {
                trust_domain: trust_domain(),
                position,
                error,
            })?;
            let key = PublicKey::of_certificate(der.as_ref()).map_err(|error| BundleError::Key {
                trust_domain: trust_domain(),
                position,
                error,
            })?;
            if let Some(found) = bundle.foreign(&authority) {
                return Err(BundleError::Foreign { trust_domain: trust_domain(), position, found });
            }
            bundle.authorities.push(authority);
            bundle.entries.push(Entry { key, parameters: Members::new() });
        }
        if bundle.authorities.is_empty() {
            return Err(BundleError::Empty { trust_domain: bundle.trust_domain });
        }
        Ok(bundle)
    }

    fn nobody(trust_domain: TrustDomain) -> Self {
        Self {
            trust_domain,
            authorities: Vec::new(),
            entries: Vec::new(),
            jwt_authorities: Vec::new(),
            sequence: None,
            refresh_hint: None,
            parameters: Members::new(),
            ignored: Vec::new(),
        }
    }

    /// The trust domain that an authority names, if that is not ours: it may sign there, never here.
    fn foreign(&self, authority: &Authority) -> Option<TrustDomain> {
        authority.trust_domain().filter(|found| **found != self.trust_domain).cloned()
    }

    /// With this sequence number, for publishing.
    pub fn with_sequence(self, sequence: u64) -> Self {
        Self { sequence: Some(sequence), ..self }
    }

    /// With this refresh hint, for publishing; the standard counts whole seconds.
    pub fn with_refresh_hint(self, hint: Duration) -> Self {
        Self { refresh_hint: Some(Duration::from_secs(hint.as_secs())), ..self }
    }

    pub(crate) fn without_refresh_hint(self) -> Self {
        Self { refresh_hint: None, ..self }
    }

    /// With these token keys; one whose id is taken already is left out, so that an id names one key.
    pub fn with_jwt_authorities(mut self, authorities: impl IntoIterator<Item = JwtAuthority>) -> Self {
        for authority in authorities {
            if self.jwt_authority(authority.key_id()).is_none() {
                self.jwt_authorities.push(authority);
            }
        }
        self
    }

    /// Whose anchors these are.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// The X.509 anchors. None: no certificate of this trust domain can be verified.
    pub fn authorities(&self) -> &[Authority] {
        &self.authorities
    }

    /// The keys that sign tokens. None: no token of this trust domain can be verified.
    pub fn jwt_authorities(&self) -> &[JwtAuthority] {
        &self.jwt_authorities
    }

    /// The token key of this id.
    pub fn jwt_authority(&self, key_id: &str) -> Option<&JwtAuthority> {
        self.jwt_authorities.iter().find(|authority| authority.key_id() == key_id)
    }

    /// `spiffe_sequence`.
    pub fn sequence(&self) -> Option<u64> {
        self.sequence
    }

    /// `spiffe_refresh_hint`, as it was given; a negative one is zero.
    pub fn refresh_hint(&self) -> Option<Duration> {
        self.refresh_hint
    }

    /// How long to wait before asking for the next one: the hint within 30 seconds and 24 hours, five minutes
    /// without one (F4).
    pub fn poll_interval(&self) -> Duration {
        self.refresh_hint.unwrap_or(DEFAULT_POLL).clamp(SHORTEST_POLL, LONGEST_POLL)
    }

    /// What was ignored in the document that it was read from.
    pub fn ignored(&self) -> &[Ignored] {
        &self.ignored
    }
}

#[cfg(test)]
mod tests;
