//! The bundles of several trust domains in one document (Trust-Domain-and-Bundle §5). Owns reading and writing it;
//! each bundle in it is `bundle`'s.

use std::collections::BTreeMap;

use crate::bundle::{Bundle, BundleError};
use crate::json::{self, JsonError, Limits, Members, Value};
use crate::trust_domain::{TrustDomain, TrustDomainError};

const MAX_DOMAINS: usize = 256;
const LIMITS: Limits = Limits { bytes: 16 * 1024 * 1024, depth: 18, values: 64 * 1024 };

/// Bundles by trust domain, and whatever else the document said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BundleMap {
    bundles: BTreeMap<TrustDomain, Bundle>,
    parameters: Members,
}

/// Why a map of bundles is refused. One bad bundle refuses the whole: a map is the full state of the world.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleMapError {
    /// Not the JSON that a map is; a trust domain that stands twice ends here.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// Trust-Domain-and-Bundle §5.1.1.
    #[error("the bundle map has no \"trust_domains\" (Trust-Domain-and-Bundle 5.1.1)")]
    TrustDomainsMissing,
    /// A name that is not a trust domain's.
    #[error("{error}, in the name of the bundle at byte {offset} (SPIFFE-ID 2.1)")]
    TrustDomain {
        /// Where its bundle begins.
        offset: usize,
        /// What is wrong with it.
        error: TrustDomainError,
    },
    /// One of the bundles is refused.
    #[error("the bundle of {trust_domain}: {error}")]
    Bundle {
        /// Whose.
        trust_domain: TrustDomain,
        /// Why.
        error: BundleError,
    },
    /// More trust domains than are read.
    #[error("the bundle map has {count} trust domains, more than {limit}")]
    TooManyDomains {
        /// How many.
        count: usize,
        /// The most that are read.
        limit: usize,
    },
}

impl BundleMapError {
    /// The standard and section of the broken rule; limits of our own have none.
    pub fn section(&self) -> Option<&'static str> {
        match self {
            Self::Json(JsonError::TooLong { .. } | JsonError::TooDeep { .. } | JsonError::TooMany { .. })
            | Self::TooManyDomains { .. } => None,
            Self::Json(_) | Self::TrustDomainsMissing => Some("Trust-Domain-and-Bundle 5.1.1"),
            Self::TrustDomain { .. } => Some("SPIFFE-ID 2.1"),
            Self::Bundle { error, .. } => error.section(),
        }
    }
}

impl BundleMap {
    /// Reads a map. No bundle in it has a refresh hint afterwards: how often to fetch the map is not for one of the
    /// bundles in it to say (§5.1.1).
    pub fn parse(json: &[u8]) -> Result<Self, BundleMapError> {
        let mut parameters = json::read(json, LIMITS)?.into_members()?;
        let domains = parameters.remove("trust_domains").ok_or(BundleMapError::TrustDomainsMissing)?;
        let domains = domains.into_members()?;
        if domains.len() > MAX_DOMAINS {
            return Err(BundleMapError::TooManyDomains { count: domains.len(), limit: MAX_DOMAINS });
        }
        let mut bundles = BTreeMap::new();
        for (name, value) in domains {
            let offset = value.offset();
            let trust_domain =
                TrustDomain::parse(&name).map_err(|error| BundleMapError::TrustDomain { offset, error })?;
            let bundle = Bundle::from_value(trust_domain.clone(), value)
                .map_err(|error| BundleMapError::Bundle { trust_domain: trust_domain.clone(), error })?;
            bundles.insert(trust_domain, bundle.without_refresh_hint());
        }
        Ok(Self { bundles, parameters })
    }

    /// The document.
    pub fn to_json(&self) -> Vec<u8> {
        let bundle = |bundle: &Bundle| Value::from(bundle.published(false));
        let domains = self.bundles.iter().map(|(name, it)| (name.to_string(), bundle(it)));
        let mut members = self.parameters.clone();
        members.insert("trust_domains".to_owned(), Value::from(domains.collect::<Members>()));
        Value::from(members).to_string().into_bytes()
    }

    /// The bundle of `trust_domain`.
    pub fn of(&self, trust_domain: &TrustDomain) -> Option<&Bundle> {
        self.bundles.get(trust_domain)
    }

    /// All bundles, in the order of their domains.
    pub fn iter(&self) -> impl Iterator<Item = &Bundle> {
        self.bundles.values()
    }
}

/// For a `BundleSet`.
impl IntoIterator for BundleMap {
    type Item = Bundle;
    type IntoIter = std::collections::btree_map::IntoValues<TrustDomain, Bundle>;
    fn into_iter(self) -> Self::IntoIter {
        self.bundles.into_values()
    }
}

impl FromIterator<Bundle> for BundleMap {
    /// A later bundle of the same trust domain replaces the earlier one.
    fn from_iter<I: IntoIterator<Item = Bundle>>(bundles: I) -> Self {
        let bundles = bundles.into_iter().map(|it| (it.trust_domain().clone(), it.without_refresh_hint()));
        Self { bundles: bundles.collect(), parameters: Members::new() }
    }
}

#[cfg(test)]
mod tests;
