//! Which ALLOW rule came closest to a call that no rule allows. Owns the ranking, and its bound: a caller who is
//! refused on purpose must not buy more than a fixed amount of work with it.

use super::describe;
use crate::call::Call;
use crate::compile::{Compiled, CompiledRule};
use crate::matching::{Held, Seen};
use crate::truth::Truth;
use crate::verdict::NearestMiss;

/// How many rules are looked at of those that have the caller as a source, and again of all.
const MAX_CANDIDATES: usize = 64;

/// The rule with the most fields that hold; of equals the first. None when no rule has this source.
pub(crate) fn nearest_miss(compiled: &Compiled, call: &Call<'_>, seen: &Seen<'_>) -> Option<NearestMiss> {
    let (own, tier) = (&compiled.trust_domain, &compiled.allow);
    let with_source: Vec<usize> = tier.index.with_source(own, call.source).take(MAX_CANDIDATES).collect();
    if with_source.is_empty() {
        return None;
    }
    let mut candidates = with_source;
    candidates.extend(0..tier.rules.len().min(MAX_CANDIDATES));
    candidates.sort_unstable();
    candidates.dedup();

    let mut best: Option<(&CompiledRule, Held<'_>)> = None;
    for rule in candidates.into_iter().map(|rule| &tier.rules[rule]) {
        let to_beat = best.as_ref().map(|(_, held)| held.score());
        // Source and port are cheap to ask, and mostly settle that a rule comes no closer.
        if to_beat.is_some_and(|score| rule.possible_score(own, call) <= score) {
            continue;
        }
        let held = rule.hold(own, call, seen);
        if to_beat.is_none_or(|score| held.score() > score) {
            best = Some((rule, held));
        }
    }
    let (rule, held) = best?;
    describe_miss(rule, &held, call)
}

fn describe_miss(rule: &CompiledRule, held: &Held<'_>, call: &Call<'_>) -> Option<NearestMiss> {
    let (field, _) = held.fields().find(|(_, truth)| *truth != Truth::True)?;
    Some(NearestMiss {
        by: rule.by.clone(),
        field,
        got: describe::got(field, call),
        wants: describe::wanted(field, rule, held.operation),
        origin: rule.origin.clone(),
    })
}
