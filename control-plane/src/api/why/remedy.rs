//! What to do about a refusal that a policy does not mend: one sentence for each reason. Decides nothing.

use kith_identity::SpiffeId;
use kith_policy::explain::Explanation;
use kith_policy::{Denial, NearestMiss, Origin};

use super::find::Found;
use super::line::{Line, NO_IDENTITY, QUARANTINED};
use crate::api::named::name_of;
use crate::index::World;

/// Who is cut off, and how that ends; `None` when none of them is any more.
pub(super) fn lift<'a>(world: &World, parties: impl IntoIterator<Item = &'a SpiffeId>) -> Option<String> {
    let identity = parties.into_iter().find(|identity| world.is_quarantined(identity))?;
    let reason = world.quarantines.get(identity).map_or("", |quarantine| &quarantine.reason);
    let because = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
    let name = name_of(world, identity);
    Some(format!(
        "{identity} is quarantined{because}, which no policy outweighs; lift it with: kith quarantine remove {name}"
    ))
}

/// For a refusal that was never a question of policy, by the reason that its line gives.
pub(super) fn not_by_policy(world: &World, found: &Found, line: &Line) -> String {
    let (reason, detail) = (&line.reason, &line.detail);
    if line.is_hearsay() {
        return "the other end's sidecar refused it, and its own report is not here; ask again in a moment"
            .into();
    }
    if reason == QUARANTINED {
        // The line of a session names nobody.
        let reported = found.denial.source.iter().chain([&found.reporter]);
        return lift(world, line.source().into_iter().chain(line.destination()).chain(reported))
            .unwrap_or_else(|| "the quarantine that refused it was lifted since; try the call again".into());
    }
    if line.event != "call" {
        return format!(
            "the session was refused before any call ({reason}): what the other end proves itself with has to change, \
             or the way it connects; a policy cannot allow what proved no identity"
        );
    }
    if line.direction == "outbound" {
        let refuses = if line.was_let_through() { "would refuse it" } else { "refused it" };
        return format!(
            "the caller's own sidecar {refuses} ({reason}), before any policy is asked: {detail}"
        );
    }
    if reason == NO_IDENTITY {
        return format!("a policy can only allow an identity, and the caller proved none: {detail}");
    }
    format!("the call was refused as such ({reason}), before any policy was asked: {detail}")
}

/// For what the policies and quarantines that are in force now refuse; `None` where an ALLOW policy would help.
pub(super) fn refused_now(world: &World, because: &Denial, explanation: &Explanation) -> Option<String> {
    match because {
        Denial::Default { .. } => None,
        Denial::Quarantined { identity } => {
            // The world that was asked is the one that it was found in.
            lift(world, [identity]).or_else(|| Some(because.to_string()))
        }
        Denial::Rule { by } => {
            let place = place_of(explanation, by.policy(), by.rule());
            let place = place.map(|origin| format!(" ({origin})")).unwrap_or_default();
            Some(format!("{by}{place} denies it, which no ALLOW outweighs; narrow that rule, or delete it"))
        }
        Denial::AmbiguousPath { reason } => Some(format!(
            "the path can be read in more than one way: {reason}; the caller has to send it in its plain form"
        )),
        Denial::NotReady { reason } => {
            Some(format!("no policies are in force: {reason}; kith status says what is wrong with them"))
        }
    }
}

/// What a call came closest to that no rule allows, also where no rule has its source.
pub(super) fn nearest_miss(because: &Denial, explanation: &Explanation) -> Option<NearestMiss> {
    match because {
        Denial::Default { nearest: Some(nearest), .. } => Some(NearestMiss::clone(nearest)),
        Denial::Default { nearest: None, .. } => explanation.nearest_miss(),
        Denial::Quarantined { .. }
        | Denial::NotReady { .. }
        | Denial::Rule { .. }
        | Denial::AmbiguousPath { .. } => None,
    }
}

/// Where a rule that was held against the call was written.
pub(super) fn place_of(explanation: &Explanation, policy: &str, rule: &str) -> Option<Origin> {
    let mut considered = explanation.considered.iter();
    considered.find(|it| &*it.policy == policy && &*it.rule == rule)?.origin.clone()
}
