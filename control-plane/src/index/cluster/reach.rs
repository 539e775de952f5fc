//! What is written and means nobody now: targets that select no workload, callers that do not exist, quarantines of
//! nobody. Owns the sentences that admission, statuses and `kith check` say of it. None of it is a mistake by itself,
//! because objects are created in any order; a slip of the finger looks the same, so the nearest name is said.

use std::collections::{BTreeMap, BTreeSet};

use kith_identity::{SpiffeId, TrustDomain};
use kith_policy::closest;
use kith_policy::document::quarantine::QuarantineTarget;
use kith_policy::document::{AuthorizationPolicy, Source, Target};

use super::Facts;
use crate::index::{Workload, Workloads};
use crate::inject::INJECT_LABEL;

/// Sentences of one policy: whoever has more of them to read has read enough.
const MOST_SENTENCES: usize = 8;
/// Of a selector: labels in it are any text.
const MOST_CHARS: usize = 96;

/// What a cluster has that can be meant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Present<'a> {
    pub(crate) trust_domain: &'a TrustDomain,
    pub(crate) facts: &'a Facts,
    pub(crate) workloads: &'a Workloads,
}

impl Present<'_> {
    /// What of a policy means nobody now: its targets, then the callers that it names.
    pub(crate) fn unmatched(&self, policy: &AuthorizationPolicy) -> Vec<String> {
        let mut sentences = self.unmatched_targets(policy);
        sentences.extend(self.unmatched_sources(policy));
        sentences.truncate(MOST_SENTENCES);
        sentences
    }

    /// The targets of a policy that select no workload now.
    pub(crate) fn unmatched_targets(&self, policy: &AuthorizationPolicy) -> Vec<String> {
        let namespace = policy.namespace.as_str();
        match policy.targets.any_of() {
            None => self.unmatched_target(namespace, None).into_iter().collect(),
            Some(targets) => {
                targets.iter().filter_map(|target| self.unmatched_target(namespace, Some(target))).collect()
            }
        }
    }

    /// Why a target in this namespace selects no workload now, `None` for the whole namespace; `None` if it selects one.
    pub(crate) fn unmatched_target(&self, namespace: &str, target: Option<&Target>) -> Option<String> {
        let here: Vec<_> = self.workloads.iter().filter(|it| it.namespace == namespace).collect();
        let selects = |it: &&Workload| target.is_none_or(|to| to.selects(&it.service_account, &it.labels));
        if here.iter().any(selects) {
            return None;
        }
        let said = match target {
            None => format!("the namespace {namespace} has no pod in the mesh now"),
            Some(Target::Labels(labels)) => {
                let meant = meant_labels(&here, labels);
                format!("{} selects no pod of the mesh in {namespace} now{meant}", shown(labels))
            }
            Some(Target::ServiceAccount(name)) => {
                let unknown = self.unknown_account(namespace, name.as_str());
                unknown.unwrap_or_else(|| format!("no pod of the mesh runs as {namespace}/{name} now"))
            }
        };
        Some(format!("{said}{}", self.not_labelled(namespace)))
    }

    /// The callers that a policy names and nobody is, each once.
    pub(crate) fn unmatched_sources(&self, policy: &AuthorizationPolicy) -> Vec<String> {
        let sources = policy.rules.iter().flat_map(|rule| rule.sources.iter().flatten());
        let mut said = BTreeSet::new();
        let sentences = sources.filter_map(|source| match source {
            Source::ServiceAccount { namespace, name } => {
                self.unknown_account(namespace.as_str(), name.as_str())
            }
            Source::AnyServiceAccount { namespace } => self.unknown_namespace(namespace.as_str()),
            Source::Spiffe(identity) => self.unknown_identity(identity),
        });
        sentences.filter(|sentence| said.insert(sentence.clone())).take(MOST_SENTENCES).collect()
    }

    /// Why a quarantine cuts off nobody now; `None` if it does.
    pub(crate) fn unmatched_quarantine(&self, target: &QuarantineTarget) -> Option<String> {
        match target {
            QuarantineTarget::Identity(identity) => {
                self.unknown_identity(identity).or_else(|| self.unused(identity))
            }
            QuarantineTarget::ServiceAccount { namespace, name } => {
                let unknown = self.unknown_account(namespace.as_str(), name.as_str());
                unknown.or_else(|| {
                    let identity =
                        SpiffeId::for_service_account(self.trust_domain, namespace.as_str(), name.as_str());
                    identity.ok().and_then(|identity| self.unused(&identity))
                })
            }
            QuarantineTarget::Pod { namespace, name } => {
                let named = format!("{namespace}/{name}");
                let names: Vec<_> = self.workloads.iter().map(|it| it.name.as_str()).collect();
                let unknown = !names.contains(&named.as_str());
                unknown.then(|| {
                    format!("there is no pod {named} in the mesh now{}", did_you_mean(&named, &names))
                })
            }
            QuarantineTarget::Node(name) => {
                let nodes: BTreeSet<_> = self.workloads.iter().filter_map(|it| it.node.as_deref()).collect();
                let nodes: Vec<_> = nodes.into_iter().collect();
                let unknown = !nodes.contains(&name.as_str());
                let meant = did_you_mean(name.as_str(), &nodes);
                unknown.then(|| format!("no pod of the mesh runs on a node {name} now{meant}"))
            }
        }
    }

    fn unused(&self, identity: &SpiffeId) -> Option<String> {
        let used = self.workloads.of_identity(identity).next().is_some();
        let own = identity.trust_domain() == self.trust_domain;
        (own && !used).then(|| format!("no pod of the mesh has the identity {identity} now"))
    }

    /// One of another trust domain is not ours to know, unless its name is a slip of ours.
    fn unknown_identity(&self, identity: &SpiffeId) -> Option<String> {
        let (theirs, own) = (identity.trust_domain(), self.trust_domain);
        if theirs != own {
            let slip = closest(theirs.as_str(), &[own.as_str()])?;
            return Some(format!("{identity} is of another trust domain; did you mean {slip}?"));
        }
        match identity.service_account() {
            Some(account) => self.unknown_account(account.namespace, account.name),
            None => Some(format!(
                "{identity} is nobody's: identities here are spiffe://{own}/ns/NAMESPACE/sa/SERVICE-ACCOUNT"
            )),
        }
    }

    fn unknown_account(&self, namespace: &str, name: &str) -> Option<String> {
        if self.facts.service_account_uid(namespace, name).is_some() {
            return None;
        }
        self.unknown_namespace(namespace).or_else(|| {
            let accounts: Vec<_> = self.facts.service_accounts_of(namespace).collect();
            let meant = did_you_mean(name, &accounts);
            Some(format!("there is no service account {namespace}/{name} now{meant}"))
        })
    }

    fn unknown_namespace(&self, name: &str) -> Option<String> {
        if self.facts.namespace(name).is_some() {
            return None;
        }
        let namespaces: Vec<_> = self.facts.namespaces().map(|(name, _)| name).collect();
        Some(format!("there is no namespace {name} now{}", did_you_mean(name, &namespaces)))
    }

    /// Where no pod becomes a member at all.
    fn not_labelled(&self, namespace: &str) -> String {
        match self.facts.namespace(namespace) {
            Some(known) if !known.labels.contains_key(INJECT_LABEL) => {
                format!("; the namespace has no label {INJECT_LABEL}")
            }
            _ => String::new(),
        }
    }
}

/// The label that was meant, of those that pods have: another value of the same key, or another key.
fn meant_labels(here: &[&Workload], wanted: &BTreeMap<String, String>) -> String {
    let carried = |it: &Workload, (key, value): (&String, &String)| it.labels.get(key) == Some(value);
    let missing = wanted.iter().find(|pair| !here.iter().any(|it| carried(it, *pair)));
    let Some((key, value)) = missing else { return String::new() };
    let values: BTreeSet<_> = here.iter().filter_map(|it| it.labels.get(key)).map(String::as_str).collect();
    let keys: BTreeSet<_> = here.iter().flat_map(|it| it.labels.keys()).map(String::as_str).collect();
    let (values, keys): (Vec<_>, Vec<_>) = (values.into_iter().collect(), keys.into_iter().collect());
    match values.is_empty() {
        true => did_you_mean(key, &keys),
        false => {
            closest(value, &values).map(|meant| format!("; did you mean {key}={meant}?")).unwrap_or_default()
        }
    }
}

fn did_you_mean(word: &str, known: &[&str]) -> String {
    closest(word, known).map(|meant| format!("; did you mean {meant}?")).unwrap_or_default()
}

/// A selector, on one line and not too long.
fn shown(labels: &BTreeMap<String, String>) -> String {
    let text = labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",");
    text.chars().take(MOST_CHARS).map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests;
