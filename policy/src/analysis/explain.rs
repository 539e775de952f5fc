//! One call, held against every rule, with what came of each field. Owns the full account that a person asks
//! for; it is not bounded, and not for the path of a call.

use std::sync::Arc;

use super::describe;
use crate::call::Call;
use crate::compile::{Compiled, CompiledRule, PolicySet};
use crate::document::Action;
use crate::evaluate::decide;
use crate::matching::Seen;
use crate::origin::Origin;
use crate::quarantines::Quarantines;
use crate::truth::Truth;
use crate::verdict::{Field, NearestMiss, RuleRef, Verdict};

/// A verdict and everything that was held against the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The same as `evaluate` gives.
    pub verdict: Verdict,
    /// Every rule of the set, in the order of the decision: DENY first.
    pub considered: Vec<Considered>,
}

/// One rule that was held against the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Considered {
    /// `namespace/name` of the policy.
    pub policy: Arc<str>,
    /// What a match means.
    pub action: Action,
    /// The rule's name.
    pub rule: Arc<str>,
    /// Where it was written.
    pub origin: Option<Origin>,
    /// Whether it matched: True, or Unknown for a DENY.
    pub matched: bool,
    /// Every field that the rule has. Of several operations, those of the one that came closest.
    pub checks: Vec<Check>,
}

/// One field of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Which.
    pub field: Field,
    /// Whether it holds.
    pub outcome: Truth,
    /// What the call has.
    pub got: String,
    /// What the rule wants.
    pub wanted: String,
}

impl Explanation {
    /// The ALLOW rule with the most fields that hold, and the first of them that does not; of equal rules the first.
    /// Other than the one that a denial names, it may be a rule that has another source: one that was mistyped, say.
    pub fn nearest_miss(&self) -> Option<NearestMiss> {
        let holding = |rule: &Considered| rule.checks.iter().filter(|it| it.outcome == Truth::True).count();
        let missed = self.considered.iter().filter(|it| it.action == Action::Allow && !it.matched);
        let rule = missed.reduce(|best, next| if holding(next) > holding(best) { next } else { best })?;
        let Check { field, got, wanted, .. } =
            rule.checks.iter().find(|check| check.outcome != Truth::True)?.clone();
        let by = RuleRef::new(rule.policy.clone(), rule.rule.clone());
        Some(NearestMiss { by, field, got, wants: wanted, origin: rule.origin.clone() })
    }
}

/// Explains the verdict about one call.
pub fn explain(set: &PolicySet, quarantines: &Quarantines, call: &Call<'_>) -> Explanation {
    let verdict = decide(set, quarantines, call);
    let Ok(compiled) = set.compiled() else { return Explanation { verdict, considered: Vec::new() } };
    // A path without a single reading leaves what depends on it Unknown, and is the verdict's reason itself.
    let seen = Seen::with_path(&call.request).unwrap_or_else(|_| Seen::without_path(&call.request));
    let rules = compiled.deny.rules.iter().chain(&compiled.allow.rules);
    let considered = rules.map(|rule| consider(compiled, rule, call, &seen)).collect();
    Explanation { verdict, considered }
}

fn consider(compiled: &Compiled, rule: &CompiledRule, call: &Call<'_>, seen: &Seen<'_>) -> Considered {
    let held = rule.hold(&compiled.trust_domain, call, seen);
    let checks = held.fields().map(|(field, outcome)| Check {
        field,
        outcome,
        got: describe::got(field, call),
        wanted: describe::wanted(field, rule, held.operation),
    });
    Considered {
        policy: rule.by.shared_policy(),
        action: rule.action,
        rule: rule.by.shared_rule(),
        origin: rule.origin.clone(),
        matched: match rule.action {
            Action::Allow => held.truth() == Truth::True,
            Action::Deny => held.truth() != Truth::False,
        },
        checks: checks.collect(),
    }
}

#[cfg(test)]
mod tests;
