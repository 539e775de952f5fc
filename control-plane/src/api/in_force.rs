//! What a workload's sidecar decides by now, for questions about calls. Owns nothing of the decision: it is the
//! engine of the sidecars, over the very policies and quarantines that they were sent.

use kith_identity::SpiffeId;
use kith_policy::{CompileError, PolicySet, Quarantines};
use tonic::Status;

use crate::index::{Workload, World};

/// Policies that are in the world compiled when they were read; that they do not now is an error of ours.
#[derive(Debug, thiserror::Error)]
#[error("the policies of {identity} do not compile: {error}")]
pub(super) struct Uncompilable {
    identity: SpiffeId,
    error: Box<CompileError>,
}

impl From<Uncompilable> for Status {
    fn from(error: Uncompilable) -> Self {
        Self::failed_precondition(error.to_string())
    }
}

/// What the sidecar of a workload is sent, compiled as it compiles it.
pub(super) fn policies_of(world: &World, workload: &Workload) -> Result<PolicySet, Uncompilable> {
    if world.policies.is_none() {
        return Ok(PolicySet::refuse_all(
            "no policies could be read since the control plane started; sidecars that had some keep those",
        ));
    }
    if let Some(reason) = world.refuse_all(workload) {
        return Ok(PolicySet::refuse_all(reason));
    }
    let policies: Vec<_> = world.policies_of(workload).cloned().collect();
    PolicySet::compile(&world.trust_domain, &policies, world.revision)
        .map_err(|error| Uncompilable { identity: workload.identity.clone(), error: error.into() })
}

/// Whether the same policies are for all of these, so that an answer about one of them is about the others.
pub(super) fn are_alike(world: &World, workloads: &[&Workload]) -> bool {
    let of = |workload: &&Workload| {
        let policies = world.policies_of(workload).map(std::ptr::from_ref).collect::<Vec<_>>();
        (world.refuse_all(workload).map(str::to_owned), policies)
    };
    workloads.windows(2).all(|pair| of(&pair[0]) == of(&pair[1]))
}

/// Who is cut off, as every sidecar is told.
pub(super) fn quarantines(world: &World) -> Quarantines {
    world.quarantines.keys().cloned().collect()
}
