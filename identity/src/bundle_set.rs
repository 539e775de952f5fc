//! All bundles a process trusts, one for each trust domain, never mixed (Federation §4.2).

use std::collections::BTreeMap;

use crate::bundle::Bundle;
use crate::trust_domain::TrustDomain;

/// Bundles by trust domain. A domain without an entry is untrusted; the empty set trusts nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BundleSet {
    bundles: BTreeMap<TrustDomain, Bundle>,
}

impl BundleSet {
    /// The anchors to check a peer of `trust_domain` against.
    pub fn of(&self, trust_domain: &TrustDomain) -> Option<&Bundle> {
        self.bundles.get(trust_domain)
    }

    /// All bundles, in the order of their domains.
    pub fn iter(&self) -> impl Iterator<Item = &Bundle> {
        self.bundles.values()
    }
}

impl FromIterator<Bundle> for BundleSet {
    /// A later bundle of the same trust domain replaces the earlier one.
    fn from_iter<I: IntoIterator<Item = Bundle>>(bundles: I) -> Self {
        Self { bundles: bundles.into_iter().map(|b| (b.trust_domain().clone(), b)).collect() }
    }
}
