//! One workload's whole truth, computed from the world. Owns which policies, destinations and bundles a sidecar
//! gets: never those of another workload.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use kith_proto::convert::{bundle_to_wire, policy_to_wire, to_millis};
use kith_proto::{POLICY_LANGUAGE, v1};

use crate::index::{Egress, Namespace, Posture, ServiceEndpoint, Workload, WorkloadId, World};

/// What the sidecar of a workload is sent. `subscribed` are the addresses that it asked about.
pub(crate) fn snapshot_for(
    world: &World,
    workload: &Workload,
    subscribed: &BTreeSet<SocketAddr>,
) -> v1::Snapshot {
    let declared = workload.calls.iter().map(|name| declared(world, name));
    let asked = subscribed.iter().map(|address| at(world, *address));
    let strictest = Namespace::default();
    let namespace = world.namespace(&workload.namespace).unwrap_or(&strictest);
    let (posture, observe_until_ms) = posture(namespace.posture);
    v1::Snapshot {
        revision: Some(world.revision.into()),
        identity: workload.identity.to_string(),
        bundles: world.bundles.iter().map(bundle_to_wire).collect(),
        policies: world.policies_of(workload).map(policy_to_wire).collect(),
        destinations: declared.chain(asked).collect(),
        policy_language: POLICY_LANGUAGE,
        protocol: workload.protocol.into(),
        refuse_all: world.refuse_all(workload).unwrap_or_default().to_owned(),
        posture: posture.into(),
        observe_until_ms,
        egress: egress(namespace.egress).into(),
        ports: workload.ports.iter().map(|(port, protocol)| (u32::from(*port), (*protocol).into())).collect(),
    }
}

fn posture(posture: Posture) -> (v1::Posture, i64) {
    match posture {
        Posture::Observe { until } => (v1::Posture::Observe, to_millis(until)),
        Posture::Encrypt => (v1::Posture::Encrypt, 0),
        Posture::Enforce => (v1::Posture::Enforce, 0),
    }
}

fn egress(egress: Egress) -> v1::Egress {
    match egress {
        Egress::ByPosture => v1::Egress::Unspecified,
        Egress::Deny => v1::Egress::Deny,
        Egress::Observe => v1::Egress::Observe,
        Egress::Allow => v1::Egress::Allow,
    }
}

/// A workload that does not run yet is a destination without endpoints: known, and not reachable.
fn declared(world: &World, name: &str) -> v1::Destination {
    let workload = world.workloads().find(|workload| workload.name == name);
    v1::Destination {
        name: name.to_owned(),
        endpoints: workload.and_then(of_workload).into_iter().collect(),
        protocol: workload.map(|workload| workload.protocol).unwrap_or_default().into(),
        ..v1::Destination::default()
    }
}

/// The identity to expect is the endpoint's own.
fn of_workload(workload: &Workload) -> Option<v1::Endpoint> {
    let address = workload.inbound?.to_string();
    Some(v1::Endpoint { address, identity: workload.identity.to_string() })
}

/// What is behind an address: a service's endpoints, one pod, or nothing that is known.
fn at(world: &World, address: SocketAddr) -> v1::Destination {
    let name = address.to_string();
    if let Some(port) = world.services.at(address) {
        let endpoints = port.endpoints.iter().filter_map(|endpoint| of_service(world, endpoint)).collect();
        let (service, protocol) = (port.service.clone(), port.protocol.into());
        return v1::Destination { name, endpoints, protocol, service, outside: false };
    }
    if let Some(pod) = world.services.pods.get(&address.ip()) {
        let workload = pod.workload.as_ref().and_then(|id| world.workload(id).ok());
        let protocol = workload.and_then(|workload| workload.ports.get(&address.port()).copied());
        return v1::Destination {
            name,
            endpoints: endpoint(world, address, pod.workload.as_ref()).into_iter().collect(),
            protocol: protocol.unwrap_or_default().into(),
            ..v1::Destination::default()
        };
    }
    v1::Destination { name, outside: true, ..v1::Destination::default() }
}

fn of_service(world: &World, of: &ServiceEndpoint) -> Option<v1::Endpoint> {
    endpoint(world, of.address, of.workload.as_ref())
}

/// One without an identity is reached without the mesh, if at all: whether it is in the mesh is known here, and never
/// tried out. `None`: it has a sidecar, and nobody can say what that has to prove.
fn endpoint(world: &World, address: SocketAddr, workload: Option<&WorkloadId>) -> Option<v1::Endpoint> {
    let workload = workload.map(|id| world.workload(id)).transpose().ok()?;
    let meshed = workload.filter(|workload| !workload.skipped.iter().any(|ports| ports.has(address.port())));
    let identity = meshed.map(|workload| workload.identity.to_string());
    Some(v1::Endpoint { address: address.to_string(), identity: identity.unwrap_or_default() })
}

#[cfg(test)]
mod tests;
