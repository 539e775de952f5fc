//! The status of one quarantine. Owns which conditions it has and what they say; whom the quarantine means is read where
//! it is read, and who has it in force is `laggards`' to know.

use kith_identity::TrustDomain;
use kith_policy::Revision;
use kith_policy::document::quarantine::{self, QuarantineTarget};
use serde_json::Value;

use crate::index::World;
use crate::index::cluster::ObjectFacts;
use crate::quarantine::Target;

use super::document::{ACCEPTED, QuarantineStatus, Statement};
use super::laggards::Required;
use super::policy::View;

/// Whom a stored quarantine cuts off; `None` where nobody can tell.
pub(super) fn target(own: &TrustDomain, object: &Value) -> Option<QuarantineTarget> {
    quarantine::target_of(own, object)
}

/// What became of a stored quarantine of this name, with this target. `None` while the world is of another version of it:
/// nothing true can be said yet.
pub(super) fn status(
    view: &View<'_>,
    name: &str,
    stored: &ObjectFacts,
    target: Option<&QuarantineTarget>,
) -> Option<QuarantineStatus> {
    let statements = match (&stored.read, target) {
        (Err(reason), target) => vec![refused(reason, target)],
        (Ok(()), None) => return None,
        (Ok(()), Some(target)) => {
            let revision = since(view.world, name, target)?;
            in_force(view, target, revision)
        }
    };
    Some(QuarantineStatus {
        target: target.map(ToString::to_string),
        conditions: statements.into_iter().map(|it| it.at(stored.generation, view.now)).collect(),
    })
}

fn refused(reason: &str, target: Option<&QuarantineTarget>) -> Statement {
    let instead = match target {
        Some(target) => format!("{target} is cut off all the same"),
        None => "nobody is cut off by what is written now".to_owned(),
    };
    let message = format!("{reason}; {instead}");
    Statement { kind: ACCEPTED, holds: false, reason: "Invalid", message }
}

/// It counts for every sidecar: each of them could let somebody in.
fn in_force(view: &View<'_>, target: &QuarantineTarget, revision: Revision) -> Vec<Statement> {
    let all = view.world.workloads().map(|workload| (workload, Required::Quarantines(revision)));
    let programmed = view.sidecars.roll(all).programmed("there is no sidecar now");
    let unmatched = view.present().and_then(|present| present.unmatched_quarantine(target));
    let unmatched: Vec<_> = unmatched.into_iter().collect();
    vec![Statement::accepted("quarantine"), programmed, Statement::resolved(&unmatched)]
}

/// The revision that everybody has to have.
fn since(world: &World, name: &str, target: &QuarantineTarget) -> Option<Revision> {
    let known = &world.quarantine_objects.get(name)?.target;
    if !is_same(target, known) {
        return None;
    }
    match known.identity() {
        Some(identity) => world.quarantines.get(identity).map(|quarantine| quarantine.revision),
        // Of single workloads it is known since when exactly these are cut off, and not which came with which object.
        None => Some(world.cut_since),
    }
}

fn is_same(written: &QuarantineTarget, known: &Target) -> bool {
    match (written, known) {
        (QuarantineTarget::Identity(identity), Target::Identity(known)) => identity == known,
        (QuarantineTarget::ServiceAccount { namespace, name }, Target::Identity(known)) => known
            .service_account()
            .is_some_and(|it| (it.namespace, it.name) == (namespace.as_str(), name.as_str())),
        (QuarantineTarget::Pod { namespace, name }, Target::Pod { namespace: of, name: known }) => {
            (namespace.as_str(), name.as_str()) == (of, known)
        }
        (QuarantineTarget::Node(name), Target::Node(known)) => name.as_str() == known,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
