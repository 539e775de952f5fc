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
//! A caller that proved no identity is never allowed: lines 0 to 3 hold for it too, where a DENY rule that names sources is
//! not about it, and what comes after them is the enforcement point's own word for a call in the clear.
//!
//! Total and synchronous; it does not log, and up to an allow it does not allocate unless the path needs decoding.

use std::time::SystemTime;

use crate::analysis::nearest_miss;
use crate::call::{Call, Request, UnprovenCall};
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

/// What refuses a call of a caller that proved no identity, beside that. `None` is no allow: no rule can be about nobody.
///
/// `now` is an argument because an answer may depend on the time; no rule of today's language does.
pub fn denial_of_unproven(
    set: &PolicySet,
    quarantines: &Quarantines,
    call: &UnprovenCall<'_>,
    _now: SystemTime,
) -> Option<Denial> {
    if quarantines.contains(call.destination) {
        return Some(Denial::Quarantined { identity: call.destination.clone() });
    }
    let (compiled, seen) = match read(set, call.port, &call.request) {
        Ok(read) => read,
        Err(because) => return Some(because),
    };
    let rule = compiled.deny.index.first_for_anybody(call.port, denies(compiled, &seen))?;
    Some(Denial::Rule { by: compiled.deny.rules[rule].by.clone() })
}

pub(crate) fn decide(set: &PolicySet, quarantines: &Quarantines, call: &Call<'_>) -> Verdict {
    if let Some(because) = quarantines.denial(call.source, call.destination) {
        return deny(because);
    }
    match read(set, call.port, &call.request) {
        Ok((compiled, seen)) => decide_by_rules(compiled, call, &seen),
        Err(because) => deny(because),
    }
}

/// The rules, and the request as they see it.
fn read<'c, 'a>(
    set: &'c PolicySet,
    port: u16,
    request: &Request<'a>,
) -> Result<(&'c Compiled, Seen<'a>), Denial> {
    let compiled = set.compiled().map_err(|reason| Denial::NotReady { reason: reason.clone() })?;
    let seen = if compiled.has_path_rules(port) {
        Seen::with_path(request).map_err(|reason| Denial::AmbiguousPath { reason })?
    } else {
        Seen::without_path(request)
    };
    Ok((compiled, seen))
}

/// The index has matched source and port, which are never Unknown.
fn denies<'a>(compiled: &'a Compiled, seen: &'a Seen<'_>) -> impl Fn(usize) -> bool + 'a {
    |rule| compiled.deny.rules[rule].hold_operations(seen) != Truth::False
}

fn decide_by_rules(compiled: &Compiled, call: &Call<'_>, seen: &Seen<'_>) -> Verdict {
    let own = &compiled.trust_domain;
    if let Some(rule) = compiled.deny.index.first(own, call.source, call.port, denies(compiled, seen)) {
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
