//! Policies in, one immutable set out. Owns what a set may contain and how its rules are found again; the set is
//! all that a decision reads. Nothing is left out of it: one policy that cannot be compiled refuses the whole.

mod index;
mod path_template;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use kith_identity::{SpiffeId, SpiffeIdError, TrustDomain};

use self::index::Index;
pub use self::path_template::{PathTemplate, PathTemplateError};
use crate::document::{Action, AuthorizationPolicy, HttpOperation, Name, OneOrMore, Operation, Rule, Source};
use crate::origin::Origin;
use crate::revision::Revision;
use crate::verdict::RuleRef;

/// Everything that decides about one workload's calls.
#[derive(Debug, Clone)]
pub struct PolicySet(State);

#[derive(Debug, Clone)]
enum State {
    /// No policies: every call is refused with this reason.
    RefuseAll(Arc<str>),
    Ready(Arc<Compiled>),
}

/// Why policies do not make a set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// Two policies of one name; which of them holds would be chance.
    #[error("the policy {policy} is defined twice{}; give one of them another name", places(.first, .second))]
    DuplicatePolicy {
        /// `namespace/name`.
        policy: Arc<str>,
        /// Where the first one was written.
        first: Option<Origin>,
        /// Where the second one was written.
        second: Option<Origin>,
    },
    /// Two rules of one name, which a verdict could not tell apart.
    #[error("the policy {policy} has two rules called {rule}; name one of them otherwise")]
    DuplicateRule {
        /// `namespace/name`.
        policy: Arc<str>,
        /// The rule's name.
        rule: Arc<str>,
    },
    /// A DENY that no call can match is a mistake, and an open door.
    #[error("the DENY policy {policy} has no rule, or one with no source, and denies nothing by it")]
    DeniesNothing {
        /// `namespace/name`.
        policy: Arc<str>,
    },
    /// A service account that has no identity in this trust domain.
    #[error("{by} names a service account without an identity: {reason}")]
    ServiceAccount {
        /// The rule.
        by: RuleRef,
        /// Why it has none.
        reason: SpiffeIdError,
    },
}

fn places(first: &Option<Origin>, second: &Option<Origin>) -> String {
    match (first, second) {
        (Some(first), Some(second)) => format!(", at {first} and at {second}"),
        (Some(origin), None) | (None, Some(origin)) => format!(", once at {origin}"),
        (None, None) => String::new(),
    }
}

impl PolicySet {
    /// Compiles policies that all apply to one workload of `trust_domain`.
    pub fn compile(
        trust_domain: &TrustDomain,
        policies: &[AuthorizationPolicy],
        revision: Revision,
    ) -> Result<Self, CompileError> {
        let mut seen = BTreeMap::new();
        let mut compiled = Compiled::empty(trust_domain.clone(), revision);
        for policy in policies {
            let name: Arc<str> = format!("{}/{}", policy.namespace, policy.name).into();
            if let Some(first) = seen.insert(name.clone(), policy.origin.clone()) {
                let second = policy.origin.clone();
                return Err(CompileError::DuplicatePolicy { policy: name, first, second });
            }
            compiled.add(policy, &name)?;
        }
        Ok(Self(State::Ready(Arc::new(compiled))))
    }

    /// The set that refuses every call: where every sidecar starts.
    pub fn refuse_all(reason: impl Into<Arc<str>>) -> Self {
        Self(State::RefuseAll(reason.into()))
    }

    /// Which snapshot it was compiled from; none when it refuses everything.
    pub fn revision(&self) -> Option<Revision> {
        self.compiled().ok().map(|compiled| compiled.revision)
    }

    /// Whether any rule for this port looks at the path, so that a path of several readings must be refused.
    pub fn has_path_rules(&self, port: u16) -> bool {
        self.compiled().is_ok_and(|compiled| compiled.has_path_rules(port))
    }

    pub(crate) fn compiled(&self) -> Result<&Compiled, &Arc<str>> {
        match &self.0 {
            State::RefuseAll(reason) => Err(reason),
            State::Ready(compiled) => Ok(compiled),
        }
    }
}

/// A set that decides.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) trust_domain: TrustDomain,
    revision: Revision,
    pub(crate) deny: Tier,
    pub(crate) allow: Tier,
    path_rules_on_any_port: bool,
    path_rules_on: HashSet<u16>,
}

/// All rules of one action, in document order, and how to find them.
#[derive(Debug, Default)]
pub(crate) struct Tier {
    pub(crate) policies: usize,
    pub(crate) rules: Vec<CompiledRule>,
    pub(crate) index: Index,
}

/// One rule, with what its sources mean in this trust domain.
#[derive(Debug)]
pub(crate) struct CompiledRule {
    pub(crate) by: RuleRef,
    pub(crate) action: Action,
    /// None: anybody.
    pub(crate) sources: Option<Vec<Who>>,
    /// None: any port.
    pub(crate) ports: Option<OneOrMore<u16>>,
    /// None: any operation.
    pub(crate) operations: Option<OneOrMore<Operation>>,
    pub(crate) origin: Option<Origin>,
}

/// A source, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Who {
    Identity(SpiffeId),
    /// Every service account of a namespace in the set's own trust domain.
    Namespace(Name),
}

impl Compiled {
    fn empty(trust_domain: TrustDomain, revision: Revision) -> Self {
        Self {
            trust_domain,
            revision,
            deny: Tier::default(),
            allow: Tier::default(),
            path_rules_on_any_port: false,
            path_rules_on: HashSet::new(),
        }
    }

    fn add(&mut self, policy: &AuthorizationPolicy, name: &Arc<str>) -> Result<(), CompileError> {
        let nothing = policy.rules.is_empty() || policy.rules.iter().any(Rule::matches_nothing);
        if policy.action == Action::Deny && nothing {
            return Err(CompileError::DeniesNothing { policy: name.clone() });
        }
        let mut names = BTreeSet::new();
        for rule in &policy.rules {
            let rule_name = rule.name.shared();
            if !names.insert(rule_name.clone()) {
                return Err(CompileError::DuplicateRule { policy: name.clone(), rule: rule_name });
            }
            let by = RuleRef::new(name.clone(), rule_name);
            let rule = compile_rule(&self.trust_domain, policy.action, rule, by)?;
            self.note_path_rules(&rule);
            self.tier_mut(policy.action).add(rule);
        }
        self.tier_mut(policy.action).policies += 1;
        Ok(())
    }

    fn tier_mut(&mut self, action: Action) -> &mut Tier {
        match action {
            Action::Allow => &mut self.allow,
            Action::Deny => &mut self.deny,
        }
    }

    fn note_path_rules(&mut self, rule: &CompiledRule) {
        if !rule.operations.iter().flat_map(|operations| operations.iter()).any(looks_at_path) {
            return;
        }
        match &rule.ports {
            Some(ports) => self.path_rules_on.extend(ports.iter()),
            None => self.path_rules_on_any_port = true,
        }
    }

    pub(crate) fn has_path_rules(&self, port: u16) -> bool {
        self.path_rules_on_any_port || self.path_rules_on.contains(&port)
    }
}

/// A gRPC operation does: service and method are the path.
fn looks_at_path(operation: &Operation) -> bool {
    match operation {
        Operation::Http(HttpOperation { paths, .. }) => paths.is_some(),
        Operation::Grpc(_) => true,
    }
}

impl Tier {
    fn add(&mut self, rule: CompiledRule) {
        self.index.add(self.rules.len(), rule.sources.as_deref(), rule.ports.as_deref());
        self.rules.push(rule);
    }
}

fn compile_rule(
    trust_domain: &TrustDomain,
    action: Action,
    rule: &Rule,
    by: RuleRef,
) -> Result<CompiledRule, CompileError> {
    let resolve = |source: &Source| match source {
        Source::ServiceAccount { namespace, name } => {
            SpiffeId::for_service_account(trust_domain, namespace, name)
                .map(Who::Identity)
                .map_err(|reason| CompileError::ServiceAccount { by: by.clone(), reason })
        }
        Source::AnyServiceAccount { namespace } => Ok(Who::Namespace(namespace.clone())),
        Source::Spiffe(identity) => Ok(Who::Identity(identity.clone())),
    };
    let sources = match &rule.sources {
        Some(sources) => Some(sources.iter().map(resolve).collect::<Result<_, _>>()?),
        None => None,
    };
    let (ports, operations) = (rule.ports.clone(), rule.operations.clone());
    Ok(CompiledRule { by, action, sources, ports, operations, origin: rule.origin.clone() })
}

#[cfg(test)]
mod tests;
