//! `Status`: what is in force, and who has it. It shows what is so, not what was asked for: a workload has a revision
//! when its sidecar acknowledged it.

use kith_proto::convert::to_millis;
use kith_proto::v1;

use super::AdminService;
use crate::index::{Workload, World};

pub(super) fn status(service: &AdminService) -> v1::StatusResponse {
    let world = service.worlds.now();
    let error = service.policies_error.borrow().clone();
    v1::StatusResponse {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        trust_domain: world.trust_domain.to_string(),
        root_sha256: service.ca.root_sha256(),
        root_not_after_ms: to_millis(service.ca.root_not_after()),
        issuing_not_after_ms: to_millis(service.ca.issuing_not_after()),
        revision: Some(world.revision.into()),
        policies: world.count_policies(),
        policies_folder: service.policies_folder.display().to_string(),
        policies_error: error.as_deref().unwrap_or_default().to_owned(),
        workloads: world.workloads().map(|workload| of_workload(service, &world, workload)).collect(),
        nothing_in_force: world.policies.is_none(),
    }
}

fn of_workload(service: &AdminService, world: &World, workload: &Workload) -> v1::WorkloadStatus {
    let standing = service.acks.standing(&workload.identity);
    let reached = service.observed.reached(&workload.identity);
    let (serial, not_after_ms) = match standing.svid {
        Some((serial, not_after)) => (serial.to_string(), to_millis(not_after)),
        None => (String::new(), 0),
    };
    v1::WorkloadStatus {
        name: workload.name.clone(),
        identity: workload.identity.to_string(),
        connected: standing.connected,
        acknowledged: standing.acknowledged.map(Into::into),
        refusal: standing.refusals.told().unwrap_or_default(),
        serial,
        not_after_ms,
        allowed: reached.allowed,
        denied: reached.denied,
        quarantined: world.is_quarantined(&workload.identity),
    }
}
