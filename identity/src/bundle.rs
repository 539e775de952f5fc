//! The anchors of one trust domain. Two domains are never merged (Federation §4.2): see `BundleSet`.

use crate::svid::{Authority, ProfileError};
use crate::trust_domain::TrustDomain;

/// One trust domain's signing authorities, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    trust_domain: TrustDomain,
    authorities: Vec<Authority>,
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
        error: ProfileError,
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
}

impl Bundle {
    /// Reads a bundle of DER certificates; one bad entry refuses the whole.
    pub fn parse<D: AsRef<[u8]>>(trust_domain: TrustDomain, anchors: &[D]) -> Result<Self, BundleError> {
        let mut authorities = Vec::with_capacity(anchors.len());
        for (position, der) in anchors.iter().enumerate() {
            let authority = Authority::parse(der.as_ref()).map_err(|error| BundleError::Authority {
                trust_domain: trust_domain.clone(),
                position,
                error,
            })?;
            match authority.trust_domain() {
                Some(found) if *found != trust_domain => {
                    return Err(BundleError::Foreign { found: found.clone(), trust_domain, position });
                }
                _ => authorities.push(authority),
            }
        }
        if authorities.is_empty() {
            return Err(BundleError::Empty { trust_domain });
        }
        Ok(Self { trust_domain, authorities })
    }

    /// Whose anchors these are.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// The anchors.
    pub fn authorities(&self) -> &[Authority] {
        &self.authorities
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle_set::BundleSet;
    use crate::testing::{authority, der, leaf};

    fn domain(name: &str) -> TrustDomain {
        TrustDomain::parse(name).unwrap()
    }

    // Trust-Domain-and-Bundle 4.1.3, F10: an empty bundle is not "no change" and not "trust everything".
    #[test]
    fn a_bundle_without_an_anchor_is_refused() {
        let refused = Bundle::parse::<&[u8]>(domain("demo.local"), &[]);
        assert_eq!(refused, Err(BundleError::Empty { trust_domain: domain("demo.local") }));
    }

    // F9.
    #[test]
    fn one_bad_entry_refuses_the_whole_and_is_named_by_its_place() {
        let anchors = [der(&authority("spiffe://demo.local")), der(&leaf("spiffe://demo.local/a"))];
        let refused = Bundle::parse(domain("demo.local"), &anchors).unwrap_err();
        let error = ProfileError::NotAnAuthority;
        assert_eq!(
            refused,
            BundleError::Authority { trust_domain: domain("demo.local"), position: 1, error }
        );
    }

    // F1, C23.
    #[test]
    fn an_anchor_that_names_another_trust_domain_is_refused() {
        let anchors = [der(&authority("spiffe://other.example"))];
        let refused = Bundle::parse(domain("demo.local"), &anchors).unwrap_err();
        let (trust_domain, found) = (domain("demo.local"), domain("other.example"));
        assert_eq!(refused, BundleError::Foreign { trust_domain, position: 0, found });
    }

    // Federation 4.2: never merged.
    #[test]
    fn a_set_keeps_domains_apart_and_the_later_bundle_of_one_domain_replaces_the_earlier() {
        let bundle = |name: &str| {
            let anchor = der(&authority(&format!("spiffe://{name}")));
            Bundle::parse(domain(name), &[anchor]).unwrap()
        };
        let (old, new, other) = (bundle("demo.local"), bundle("demo.local"), bundle("other.example"));
        let set: BundleSet = [old, other.clone(), new.clone()].into_iter().collect();
        assert_eq!(set.of(&domain("demo.local")), Some(&new));
        assert_eq!(set.of(&domain("other.example")), Some(&other));
        assert_eq!(set.of(&domain("third.example")), None);
        assert_eq!(set.iter().count(), 2);
    }
}
