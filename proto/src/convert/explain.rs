//! Explanations, for people. Owns the direction to the wire; nothing decides by what comes back, so there is no
//! other.

use kith_policy::explain::{Check, Considered};

use super::policy::origin_to_wire;
use crate::v1;

/// One rule that was held against a call, for the wire.
pub fn considered_to_wire(considered: &Considered) -> v1::Considered {
    v1::Considered {
        policy: considered.policy.to_string(),
        action: considered.action.as_str().to_owned(),
        rule: considered.rule.to_string(),
        origin: considered.origin.as_ref().map(origin_to_wire),
        matched: considered.matched,
        checks: considered.checks.iter().map(check_to_wire).collect(),
    }
}

fn check_to_wire(check: &Check) -> v1::Check {
    v1::Check {
        field: check.field.as_str().to_owned(),
        outcome: check.outcome.as_str().to_owned(),
        got: check.got.clone(),
        wanted: check.wanted.clone(),
    }
}

#[cfg(test)]
mod tests;
