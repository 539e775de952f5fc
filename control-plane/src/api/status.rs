//! `Status`: what is in force, and who has it. It shows what is so, not what was asked for: a workload has a revision
//! when its sidecar acknowledged it.

use std::collections::BTreeMap;
use std::time::SystemTime;

use kith_proto::convert::to_millis;
use kith_proto::v1;

use super::{AdminService, PoliciesFrom, posture};
use crate::index::{Egress, Namespace, Posture, Workload, World};

/// What stands for a folder where there is none.
const CLUSTER: &str = "kubernetes";

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
        policies_folder: match &service.policies_from {
            PoliciesFrom::Folder(folder) => folder.clone(),
            PoliciesFrom::Objects(_) => CLUSTER.to_owned(),
        },
        policies_error: error.as_deref().unwrap_or_default().to_owned(),
        workloads: world.workloads().map(|workload| of_workload(service, &world, workload)).collect(),
        nothing_in_force: world.policies.is_none(),
        refused_policies: refused_policies(&service.policies_from),
        namespaces: namespaces(&world, service.clock.now()),
    }
}

/// One that is wrong keeps its last good version, so that it is told beside what is in force.
fn refused_policies(from: &PoliciesFrom) -> Vec<v1::RefusedPolicy> {
    let PoliciesFrom::Objects(facts) = from else { return Vec::new() };
    let policies = facts.borrow().policies.clone();
    let refused = policies.iter().filter_map(|(key, object)| {
        let error = object.read.as_ref().err()?.to_string();
        Some(v1::RefusedPolicy { name: key.to_string(), generation: object.generation, error })
    });
    refused.collect()
}

/// Those with workloads, and those of which something is said that is not the default.
fn namespaces(world: &World, now: SystemTime) -> Vec<v1::NamespaceStatus> {
    let mut workloads = BTreeMap::<_, u32>::new();
    for workload in world.workloads() {
        *workloads.entry(workload.namespace.as_str()).or_default() += 1;
    }
    let of = |name: &str| workloads.get(name).copied().unwrap_or_default();
    let named = world.namespaces.iter().map(|(name, namespace)| (name, namespace, of(name)));
    let told =
        named.filter(|(_, namespace, workloads)| *workloads > 0 || **namespace != Namespace::default());
    told.map(|(name, namespace, workloads)| of_namespace(name, namespace, workloads, now)).collect()
}

fn of_namespace(name: &str, namespace: &Namespace, workloads: u32, now: SystemTime) -> v1::NamespaceStatus {
    let enforced = posture::at(namespace, now);
    let (posture, observe_until_ms) = posture::told(enforced);
    let egress = match (namespace.egress, enforced) {
        (Egress::Observe, _) | (Egress::ByPosture, Posture::Observe { .. }) => "Observe",
        (Egress::Deny, _) | (Egress::ByPosture, Posture::Encrypt | Posture::Enforce) => "Deny",
        (Egress::Allow, _) => "Allow",
    };
    v1::NamespaceStatus {
        name: name.to_owned(),
        posture: posture.to_owned(),
        observe_until_ms,
        egress: egress.to_owned(),
        refuse_all: namespace.refuse_all.clone().unwrap_or_default(),
        workloads,
    }
}

fn of_workload(service: &AdminService, world: &World, workload: &Workload) -> v1::WorkloadStatus {
    let standing = service.acks.standing(&workload.id);
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
        would_deny: reached.would_deny,
        quarantined: world.is_cut_off(workload),
    }
}
