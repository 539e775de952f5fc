//! Identities that are cut off, now. Owns the set, and what it means for one call: the first line of the decision,
//! before any policy. It does not know who cut them off or why, nor how the set travels: in messages of its own,
//! so that it holds where no snapshot does.

use std::collections::BTreeSet;

use kith_identity::SpiffeId;

use crate::verdict::Denial;

/// The identities that may neither call nor be called. The default is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quarantines(BTreeSet<SpiffeId>);

impl Quarantines {
    /// Whether this identity is cut off: exactly this one, never those below it or of the same path elsewhere.
    pub fn contains(&self, identity: &SpiffeId) -> bool {
        self.0.contains(identity)
    }

    /// Whether nobody is cut off.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many are cut off.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Those that are cut off, in the order of their text.
    pub fn iter(&self) -> impl Iterator<Item = &SpiffeId> {
        self.0.iter()
    }

    /// Why a call between these two is refused whatever the policies say; none when neither is cut off. `evaluate`
    /// asks it first; for calls that policies do not decide, such as outbound ones, it is the whole decision.
    pub fn denial(&self, source: &SpiffeId, destination: &SpiffeId) -> Option<Denial> {
        let identity = [source, destination].into_iter().find(|identity| self.contains(identity))?;
        Some(Denial::Quarantined { identity: identity.clone() })
    }
}

impl FromIterator<SpiffeId> for Quarantines {
    fn from_iter<I: IntoIterator<Item = SpiffeId>>(identities: I) -> Self {
        Self(identities.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::support::identity;

    #[test]
    fn a_call_from_or_to_a_quarantined_identity_is_refused_by_its_name() {
        let (web, orders, intruder) = (identity("web"), identity("orders"), identity("intruder"));
        let quarantines = Quarantines::from_iter([intruder.clone()]);
        let quarantined = Some(Denial::Quarantined { identity: intruder.clone() });
        assert_eq!(quarantines.denial(&intruder, &orders), quarantined);
        assert_eq!(quarantines.denial(&orders, &intruder), quarantined);
        assert_eq!(quarantines.denial(&intruder, &intruder), quarantined);
        assert_eq!(quarantines.denial(&web, &orders), None);
        // Of two it is the source that is named.
        let both = Quarantines::from_iter([web.clone(), orders.clone()]);
        assert_eq!(both.denial(&web, &orders), Some(Denial::Quarantined { identity: web }));
        assert_eq!(Quarantines::default().denial(&intruder, &orders), None);
    }

    #[test]
    fn a_quarantine_holds_for_exactly_one_identity() {
        let quarantines = Quarantines::from_iter([identity("web")]);
        for other in ["spiffe://far.example/ns/demo/sa/web", "spiffe://demo.local/ns/demo/sa/web/x"] {
            assert!(!quarantines.contains(&SpiffeId::parse(other).unwrap()), "{other}");
        }
        assert!(quarantines.contains(&identity("web")));
    }

    #[test]
    fn the_same_identity_twice_is_one_quarantine() {
        let quarantines = Quarantines::from_iter([identity("web"), identity("orders"), identity("web")]);
        assert_eq!((quarantines.len(), quarantines.is_empty()), (2, false));
        assert!(quarantines.iter().eq(&[identity("orders"), identity("web")]));
    }
}
