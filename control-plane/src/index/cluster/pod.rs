//! Pods: which of them are in the mesh, where, and as whom. What a pod says of itself by labels is never who it is (K29).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::jiff::Timestamp;
use kith_proto::pod::{
    HEALTH_PORT, PortRange, REDIRECT_CONTAINER, REDIRECT_VARIABLE, Redirect, SIDECAR_CONTAINER,
};
use kith_proto::v1;

use super::key::{Key, Unreadable, uid};
use super::table::Row;
use super::{address, protocol};
use crate::index::WorkloadId;

/// More labels of a pod than these are not kept, nor more bytes of keys and values: whoever may create pods would fill
/// this process with them.
pub(crate) const MOST_LABELS: usize = 64;
pub(crate) const MOST_LABEL_BYTES: usize = 16 * 1024;
/// The same of the ports that its containers declare a protocol for, and of the ranges that pass its sidecar by.
pub(crate) const MOST_PORTS: usize = 256;
pub(crate) const MOST_SKIPPED: usize = 64;
/// The API server lets a pod have one address of each family.
const MOST_IPS: usize = 2;

/// What Kubernetes runs a pod as when it names nobody.
const DEFAULT_SERVICE_ACCOUNT: &str = "default";

/// One pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pod {
    id: WorkloadId,
    in_mesh: bool,
    over: bool,
    host_network: bool,
    pub(super) service_account: String,
    /// These, `ports` and `skipped` are of workloads alone: nobody asks for those of others.
    pub(super) labels: BTreeMap<String, String>,
    /// Why nobody may call it: what policies or callers have to know of it is larger than is kept.
    pub(super) closed: Option<String>,
    /// None until it has a network.
    pub(super) ips: Vec<IpAddr>,
    /// `None` until it is to run somewhere.
    pub(super) node: Option<String>,
    /// TCP ports that its containers declare a protocol for.
    pub(super) ports: Vec<(u16, v1::Protocol)>,
    /// Ports that the redirect step leaves alone, and that of the sidecar's own health.
    pub(super) skipped: Vec<PortRange>,
    created: Option<Timestamp>,
    ending: bool,
}

impl Pod {
    pub(crate) fn read(pod: core::Pod) -> Result<(Key, Self), Unreadable> {
        let key = Key::of(&pod.metadata)?;
        let id = WorkloadId::new(&uid(&pod.metadata, &key)?);
        let (spec, status) = (pod.spec.unwrap_or_default(), pod.status.unwrap_or_default());
        let named = spec.service_account_name.filter(|name| !name.is_empty());
        let init = spec.init_containers.unwrap_or_default();
        // Init containers that go on running serve as well.
        let servers = init.iter().filter(|it| it.restart_policy.as_deref() == Some("Always"));
        let mut read = Self {
            id,
            in_mesh: init.iter().any(|container| container.name == SIDECAR_CONTAINER),
            over: matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")),
            host_network: spec.host_network == Some(true),
            service_account: named.unwrap_or_else(|| DEFAULT_SERVICE_ACCOUNT.to_owned()),
            labels: BTreeMap::new(),
            closed: None,
            ips: ips(status.pod_ips, status.pod_ip),
            node: spec.node_name.filter(|name| !name.is_empty()),
            ports: Vec::new(),
            skipped: Vec::new(),
            created: pod.metadata.creation_timestamp.map(|time| time.0),
            ending: pod.metadata.deletion_timestamp.is_some(),
        };
        if read.is_workload() {
            let ports = servers.chain(&spec.containers).flat_map(ports).collect();
            read.keep(pod.metadata.labels.unwrap_or_default(), ports, skipped(&init));
        }
        Ok((key, read))
    }

    /// All of it, or none: policies that select it by what is left would be others.
    fn keep(
        &mut self,
        labels: BTreeMap<String, String>,
        ports: BTreeSet<(u16, v1::Protocol)>,
        skipped: Vec<PortRange>,
    ) {
        let many = |count: usize, most: usize, what: &str, advice: &str| {
            (count > most)
                .then(|| format!("the pod has {count} {what}; more than {most} are not kept: {advice}"))
        };
        self.closed = labels_too_large(&labels)
            .or_else(|| many(ports.len(), MOST_PORTS, "ports that declare a protocol", "name fewer of them"))
            .or_else(|| many(skipped.len(), MOST_SKIPPED, "skipped ranges of ports", "join some of them"));
        if self.closed.is_none() {
            (self.labels, self.ports, self.skipped) = (labels, ports.into_iter().collect(), skipped);
        }
    }

    /// Its uid: another pod of the same name is another workload.
    pub(crate) fn id(&self) -> &WorkloadId {
        &self.id
    }

    /// Whether it has a sidecar. One that shares its node's network has nothing that could be redirected, and cannot be
    /// told from its neighbours by address.
    pub(super) fn is_in_mesh(&self) -> bool {
        self.in_mesh && !self.host_network
    }

    /// Whether it is a workload: it runs, or is about to. Not yet having an address does not count against it: its
    /// sidecar asks for an svid before the kubelet tells the address to anybody.
    pub(super) fn is_workload(&self) -> bool {
        self.is_in_mesh() && !self.over && self.node.is_some()
    }

    /// Whether its addresses are its own. Those of a pod that is over are given to others.
    pub(super) fn has_own_address(&self) -> bool {
        !self.over && !self.host_network
    }

    /// Whether this one has an address that both are said to have: the one that goes on, else the newer one.
    pub(super) fn prevails_over(&self, other: &Self) -> bool {
        let order = |pod: &Self| (!pod.ending, pod.created, pod.id.clone());
        order(self) > order(other)
    }
}

/// Why the labels of a pod are more than is kept of a workload; `None` when they are not. Admission refuses such a pod.
pub(crate) fn labels_too_large(labels: &BTreeMap<String, String>) -> Option<String> {
    let bytes: usize = labels.iter().map(|(key, value)| key.len() + value.len()).sum();
    let advice = "what is only read by people can be an annotation";
    if labels.len() > MOST_LABELS {
        return Some(format!(
            "the pod has more labels than {MOST_LABELS}, the most that one of the mesh has: {advice}"
        ));
    }
    (bytes > MOST_LABEL_BYTES).then(|| {
        format!(
            "the labels of the pod have {bytes} bytes; those of a pod of the mesh have at most {MOST_LABEL_BYTES}: {advice}"
        )
    })
}

fn ips(all: Option<Vec<core::PodIP>>, single: Option<String>) -> Vec<IpAddr> {
    let all = all.unwrap_or_default();
    // An old server fills in the single form alone.
    let single = single.filter(|_| all.is_empty());
    let texts = all.iter().map(|ip| ip.ip.as_str()).take(MOST_IPS).chain(single.as_deref());
    let mut ips: Vec<_> = texts.filter_map(address::read).collect();
    ips.sort_unstable();
    ips.dedup();
    ips
}

/// As the injector told the redirect step. What cannot be read there skips nothing: the step ends at it, and the pod with
/// it.
fn skipped(init: &[core::Container]) -> Vec<PortRange> {
    let redirect = init.iter().find(|container| container.name == REDIRECT_CONTAINER);
    let told =
        redirect.and_then(|container| container.env.iter().flatten().find(|it| it.name == REDIRECT_VARIABLE));
    let told = told.and_then(|told| serde_json::from_str::<Redirect>(told.value.as_deref()?).ok());
    let health = PortRange::new(HEALTH_PORT, HEALTH_PORT);
    told.unwrap_or_default().skip_inbound.into_iter().chain(health).collect()
}

fn ports(container: &core::Container) -> impl Iterator<Item = (u16, v1::Protocol)> {
    container.ports.iter().flatten().filter_map(|port| {
        let number =
            address::port(port.container_port).filter(|_| protocol::is_tcp(port.protocol.as_deref()))?;
        let declared = protocol::declared(None, port.name.as_deref());
        (declared != v1::Protocol::Unspecified).then_some((number, declared))
    })
}

impl Row for Pod {}
