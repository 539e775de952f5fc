//! All bundles a process trusts, one for each trust domain, never mixed (Federation §4.2), and the keys that it
//! trusts in none of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::bundle::Bundle;
use crate::svid::KeyHash;
use crate::trust_domain::TrustDomain;

/// Bundles by trust domain. A domain without an entry is untrusted; the empty set trusts nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BundleSet {
    bundles: BTreeMap<TrustDomain, Bundle>,
    distrusted: BTreeSet<KeyHash>,
}

impl BundleSet {
    /// The anchors to check a peer of `trust_domain` against. Distrusted ones are among them: whoever verifies says
    /// that it was distrust, and not a stranger, that refused a peer.
    pub fn of(&self, trust_domain: &TrustDomain) -> Option<&Bundle> {
        self.bundles.get(trust_domain)
    }

    /// All bundles, in the order of their domains.
    pub fn iter(&self) -> impl Iterator<Item = &Bundle> {
        self.bundles.values()
    }

    /// The same bundles, with these keys distrusted beside those that are already: no anchor, intermediate or token
    /// key with one of them vouches for anybody.
    pub fn distrusting(mut self, keys: impl IntoIterator<Item = KeyHash>) -> Self {
        self.distrusted.extend(keys);
        self
    }

    /// Whether no signature by this key counts.
    pub fn distrusts(&self, key: KeyHash) -> bool {
        self.distrusted.contains(&key)
    }
}

impl FromIterator<Bundle> for BundleSet {
    /// A later bundle of the same trust domain replaces the earlier one.
    fn from_iter<I: IntoIterator<Item = Bundle>>(bundles: I) -> Self {
        let bundles = bundles.into_iter().map(|b| (b.trust_domain().clone(), b)).collect();
        Self { bundles, distrusted: BTreeSet::new() }
    }
}
