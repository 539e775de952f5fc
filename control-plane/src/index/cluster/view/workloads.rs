//! The pods that are workloads: whose they are, and what they speak on their ports.

use std::collections::BTreeMap;

use kith_identity::{SpiffeId, TrustDomain};
use kith_proto::v1::Protocol;

use super::pods::{Named, Pods, Who};
use crate::index::cluster::Key;
use crate::index::cluster::endpoint_slice::EndpointSlice;
use crate::index::cluster::protocol::Declaration;
use crate::index::cluster::service_account::ServiceAccount;
use crate::index::cluster::table::Table;
use crate::index::{Workload, WorkloadId, Workloads};

/// What was declared of the ports of pods, by their containers and by the services that lead to them.
pub(in crate::index::cluster) type DeclaredPorts = BTreeMap<WorkloadId, BTreeMap<u16, Declaration>>;

pub(in crate::index::cluster) fn declared_ports(
    slices: &Table<EndpointSlice>,
    pods: &Pods<'_>,
) -> DeclaredPorts {
    let mut declared = DeclaredPorts::new();
    for (_, pod) in pods.iter().filter(|(_, pod)| pod.is_workload()) {
        pod.ports.iter().for_each(|(port, protocol)| declare(&mut declared, pod.id(), *port, *protocol));
    }
    for (key, slice) in slices.iter() {
        for endpoint in &slice.endpoints {
            let Who::Pod((of, pod)) = pods.behind(&key.namespace, endpoint) else { continue };
            // Nobody declares anything for pods of another namespace.
            if pod.is_workload() && of.namespace == key.namespace {
                slice.ports.iter().for_each(|it| declare(&mut declared, pod.id(), it.number, it.protocol));
            }
        }
    }
    declared
}

fn declare(declared: &mut DeclaredPorts, id: &WorkloadId, port: u16, protocol: Protocol) {
    if protocol == Protocol::Unspecified {
        return;
    }
    let ports = declared.entry(id.clone()).or_default();
    ports.entry(port).and_modify(|known| *known = known.and(protocol)).or_insert(Declaration::One(protocol));
}

/// A pod whose service account is gone is nobody (K30), and so is one whose account makes no identity, or the reserved
/// one.
pub(in crate::index::cluster) fn workloads(
    trust_domain: &TrustDomain,
    pods: &Pods<'_>,
    accounts: &Table<ServiceAccount>,
    declared: &DeclaredPorts,
) -> Workloads {
    let known = pods.iter().filter(|(key, pod)| {
        pod.is_workload() && accounts.contains(&Key::new(&key.namespace, &pod.service_account))
    });
    known.filter_map(|named| workload(trust_domain, named, declared)).collect()
}

fn workload(trust_domain: &TrustDomain, (key, pod): Named<'_>, declared: &DeclaredPorts) -> Option<Workload> {
    let identity = SpiffeId::for_service_account(trust_domain, &key.namespace, &pod.service_account);
    let identity = identity.ok().filter(|identity| !identity.is_reserved())?;
    let ports = declared.get(pod.id()).into_iter().flatten();
    let ports = ports.map(|(port, declaration)| (*port, declaration.protocol()));
    Some(Workload {
        id: pod.id().clone(),
        name: key.to_string(),
        identity,
        namespace: key.namespace.clone(),
        service_account: pod.service_account.clone(),
        labels: pod.labels.clone(),
        closed: pod.closed.clone(),
        // Found by address, and by declared ports: the rest is local mode's.
        inbound: None,
        port: 0,
        calls: Vec::new(),
        protocol: Protocol::Unspecified,
        ports: ports.filter(|(_, protocol)| *protocol != Protocol::Unspecified).collect(),
        skipped: pod.skipped.clone(),
        node: pod.node.clone(),
    })
}
