//! One workload's whole truth, computed from the world. Owns which policies, destinations and bundles a sidecar
//! gets: never those of another workload.

use kith_identity::SpiffeId;
use kith_proto::convert::{bundle_to_wire, policy_to_wire};
use kith_proto::{POLICY_LANGUAGE, v1};

use crate::index::{Unknown, Workload, World};

/// What the sidecar of `identity` is sent.
pub(crate) fn snapshot_for(world: &World, identity: &SpiffeId) -> Result<v1::Snapshot, Unknown> {
    let workload = world.workload(identity)?;
    Ok(v1::Snapshot {
        revision: Some(world.revision.into()),
        identity: identity.to_string(),
        bundles: world.bundles.iter().map(bundle_to_wire).collect(),
        policies: world.policies_of(workload).map(policy_to_wire).collect(),
        destinations: workload.calls.iter().map(|name| destination(world, name)).collect(),
        policy_language: POLICY_LANGUAGE,
        protocol: workload.protocol.into(),
    })
}

/// A workload that does not run yet is a destination without endpoints: known, and not reachable.
fn destination(world: &World, name: &str) -> v1::Destination {
    let workload = world.workloads().find(|workload| workload.name == name);
    v1::Destination {
        name: name.to_owned(),
        endpoints: workload.and_then(endpoint).into_iter().collect(),
        protocol: workload.map(|workload| workload.protocol).unwrap_or_default().into(),
    }
}

/// The identity to expect is the endpoint's own.
fn endpoint(workload: &Workload) -> Option<v1::Endpoint> {
    let address = workload.inbound?.to_string();
    Some(v1::Endpoint { address, identity: workload.identity.to_string() })
}

#[cfg(test)]
mod tests;
