//! Who writes a quarantine down when a person asks for one: this control plane, in local mode; in a cluster the person,
//! as an object and with rights of their own. Owns that difference and nothing else.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::timeout;

use super::ledger::{Change, ChangeError, Ledger, check, check_reason};
use super::target::Target;
use crate::index::{World, Worlds};
use crate::stream::issued::IssuedSvids;

/// From an object's creation to the world that has it.
const OBJECT_LIMIT: Duration = Duration::from_secs(2);

/// Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) enum Quarantining {
    /// A file beside the authority's.
    Ledger(Ledger),
    /// Objects that others write; here they are only waited for.
    Objects {
        worlds: Arc<Worlds>,
        /// What single workloads hold: they are cut off when the serials of it are.
        issued: IssuedSvids,
    },
}

impl Quarantining {
    /// Whether quarantines are objects that others write.
    pub(crate) fn is_by_objects(&self) -> bool {
        matches!(self, Self::Objects { .. })
    }

    /// Whether they may be cut off for this reason, by what they are.
    pub(crate) fn check(&self, world: &World, target: &Target, reason: &str) -> Result<(), ChangeError> {
        match (target, self) {
            (Target::Identity(identity), _) => check(&world.trust_domain, identity, reason),
            (Target::Pod { .. } | Target::Node(_), Self::Objects { .. }) => check_reason(reason),
            (Target::Pod { .. } | Target::Node(_), Self::Ledger(_)) => {
                Err(ChangeError::OnlyInCluster(target.clone()))
            }
        }
    }

    /// Cuts somebody off, or waits until an object does.
    pub(crate) async fn quarantine(
        &self,
        target: Target,
        reason: String,
        since: SystemTime,
    ) -> Result<Change, ChangeError> {
        match (self, target) {
            (Self::Ledger(ledger), Target::Identity(identity)) => {
                ledger.quarantine(identity, reason, since).await
            }
            (Self::Ledger(_), target) => Err(ChangeError::OnlyInCluster(target)),
            (Self::Objects { worlds, issued }, target) => {
                let is_cut = |world: &World| is_cut_off(world, issued, &target);
                wait(worlds, is_cut).await.ok_or(ChangeError::NoObject(target))
            }
        }
    }

    /// Lets somebody in again, or waits until the last object is gone that cuts them off.
    pub(crate) async fn lift(&self, target: Target) -> Result<Change, ChangeError> {
        match (self, target) {
            (Self::Ledger(ledger), Target::Identity(identity)) => ledger.lift(identity).await,
            (Self::Ledger(_), target) => Err(ChangeError::OnlyInCluster(target)),
            (Self::Objects { worlds, issued }, target) => {
                let is_free = |world: &World| !has_object(world, &target) && serials_are_known(world, issued);
                wait(worlds, is_free).await.ok_or(ChangeError::ObjectLeft(target))
            }
        }
    }
}

fn has_object(world: &World, target: &Target) -> bool {
    world.quarantine_objects.values().any(|object| object.target == *target)
}

fn is_cut_off(world: &World, issued: &IssuedSvids, target: &Target) -> bool {
    has_object(world, target) && serials_are_known(world, issued)
}

/// Whether the list of serials has those of the workloads that are cut off: it follows them a moment later.
fn serials_are_known(world: &World, issued: &IssuedSvids) -> bool {
    issued.serials_of(&world.cut.workloads).is_subset(&world.cut.serials)
}

async fn wait(worlds: &Worlds, wanted: impl Fn(&World) -> bool) -> Option<Change> {
    let mut watch = worlds.watch();
    let unchanged = wanted(&watch.borrow());
    let world = timeout(OBJECT_LIMIT, watch.wait_for(|world| wanted(world))).await.ok()?.ok()?.clone();
    Some(Change { revision: world.cut_since, unchanged })
}

#[cfg(test)]
mod tests;
