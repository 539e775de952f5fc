//! The decision. Owns its order, which is the whole of the security argument:
//!
//! ```text
//! 0  the source or the destination is quarantined                 deny  quarantined
//! 1  no policies                                                  deny  not_ready
//! 2  the port has path rules, the path has no single reading      deny  ambiguous_path
//! 3  a DENY rule is True or Unknown                               deny  policy_deny
//! 4  an ALLOW rule is True                                        allow
//! 5  otherwise                                                    deny  default_deny
//! ```
//!
//! Total and synchronous; it does not log, and up to an allow it does not allocate unless the path needs decoding.

use std::time::SystemTime;

use crate::analysis::nearest_miss;
use crate::call::Call;
use crate::compile::{Compiled, PolicySet};
use crate::matching::Seen;
use crate::quarantines::Quarantines;
use crate::truth::Truth;
use crate::verdict::{Denial, Verdict};

/// Decides about one call.
///
/// `now` is an argument because an answer may depend on the time; no rule of today's language does.
pub fn evaluate(set: &PolicySet, quarantines: &Quarantines, call: &Call<'_>, _now: SystemTime) -> Verdict {
    decide(set, quarantines, call)
}

pub(crate) fn decide(set: &PolicySet, quarantines: &Quarantines, call: &Call<'_>) -> Verdict {
    if let Some(because) = quarantines.denial(call.source, call.destination) {
        return deny(because);
    }
    let compiled = match set.compiled() {
        Ok(compiled) => compiled,
        Err(reason) => return deny(Denial::NotReady { reason: reason.clone() }),
    };
    let seen = if compiled.has_path_rules(call.port) {
        match Seen::with_path(&call.request) {
            Ok(seen) => seen,
            Err(reason) => return deny(Denial::AmbiguousPath { reason }),
        }
    } else {
        Seen::without_path(&call.request)
    };
    decide_by_rules(compiled, call, &seen)
}

fn decide_by_rules(compiled: &Compiled, call: &Call<'_>, seen: &Seen<'_>) -> Verdict {
    let own = &compiled.trust_domain;
    // The index has matched source and port, which are never Unknown.
    let denies = |rule: usize| compiled.deny.rules[rule].hold_operations(seen) != Truth::False;
    if let Some(rule) = compiled.deny.index.first(own, call.source, call.port, denies) {
        return deny(Denial::Rule { by: compiled.deny.rules[rule].by.clone() });
    }
    let allows = |rule: usize| compiled.allow.rules[rule].hold_operations(seen) == Truth::True;
    if let Some(rule) = compiled.allow.index.first(own, call.source, call.port, allows) {
        return Verdict::Allow { by: compiled.allow.rules[rule].by.clone() };
    }
    deny(Denial::Default {
        policies: compiled.allow.policies,
        source: call.source.clone(),
        nearest: nearest_miss(compiled, call, seen).map(Box::new),
    })
}

fn deny(because: Denial) -> Verdict {
    Verdict::Deny { because }
}

#[cfg(test)]
mod tests;
