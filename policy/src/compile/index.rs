//! Finds the rules that one caller and one port can match. Owns nothing but numbers of rules: thousands of rules
//! for other callers cost a look-up nothing, and a look-up allocates nothing.

use std::collections::{BTreeMap, HashMap};

use kith_identity::{SpiffeId, TrustDomain};

use super::Who;
use crate::document::Name;

/// The rules of one tier by source, then by port.
#[derive(Debug, Default)]
pub(crate) struct Index {
    identities: HashMap<SpiffeId, Bucket>,
    /// Of our own trust domain.
    namespaces: HashMap<Box<str>, Bucket>,
    anybody: Bucket,
}

/// Numbers of rules, each list ascending; a rule that names a source or a port twice stands there twice.
#[derive(Debug, Default)]
struct Bucket {
    any_port: Vec<usize>,
    by_port: BTreeMap<u16, Vec<usize>>,
}

impl Index {
    /// Rules are added in ascending order of their numbers.
    pub(super) fn add(&mut self, rule: usize, sources: Option<&[Who]>, ports: Option<&[u16]>) {
        let Some(sources) = sources else { return self.anybody.add(rule, ports) };
        for source in sources {
            let bucket = match source {
                Who::Identity(identity) => self.identities.entry(identity.clone()).or_default(),
                Who::Namespace(name) => self.namespaces.entry(Name::as_str(name).into()).or_default(),
            };
            bucket.add(rule, ports);
        }
    }

    /// The first rule, in document order, that has this source and this port and passes the test.
    pub(crate) fn first(
        &self,
        own: &TrustDomain,
        source: &SpiffeId,
        port: u16,
        test: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        self.buckets(own, source).filter_map(|bucket| bucket.first(port, &test)).min()
    }

    /// The same of the rules that name no source: all that are about a caller without an identity.
    pub(crate) fn first_for_anybody(&self, port: u16, test: impl Fn(usize) -> bool) -> Option<usize> {
        self.anybody.first(port, &test)
    }

    /// Every rule that has this source, on whichever port; a rule may come more than once.
    pub(crate) fn with_source<'a>(
        &'a self,
        own: &TrustDomain,
        source: &SpiffeId,
    ) -> impl Iterator<Item = usize> + 'a {
        let rules = |bucket: &'a Bucket| bucket.any_port.iter().chain(bucket.by_port.values().flatten());
        self.buckets(own, source).flat_map(rules).copied()
    }

    fn buckets<'a>(
        &'a self,
        own: &TrustDomain,
        source: &SpiffeId,
    ) -> impl Iterator<Item = &'a Bucket> + use<'a> {
        // A service account is a name of our own trust domain only; a foreign identity of the same path is not it.
        let namespace = source.service_account().filter(|_| source.trust_domain() == own);
        let namespace = namespace.and_then(|account| self.namespaces.get(account.namespace));
        [self.identities.get(source), namespace, Some(&self.anybody)].into_iter().flatten()
    }
}

impl Bucket {
    fn first(&self, port: u16, test: &impl Fn(usize) -> bool) -> Option<usize> {
        let first = |rules: &[usize]| rules.iter().copied().find(|rule| test(*rule));
        let on_port = self.by_port.get(&port).and_then(|rules| first(rules));
        first(&self.any_port).into_iter().chain(on_port).min()
    }

    fn add(&mut self, rule: usize, ports: Option<&[u16]>) {
        match ports {
            None => self.any_port.push(rule),
            Some(ports) => {
                for port in ports {
                    self.by_port.entry(*port).or_default().push(rule);
                }
            }
        }
    }
}
