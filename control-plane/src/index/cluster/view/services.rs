//! What is behind the addresses of services: for each of their TCP ports, those who answer now. Headless services have no
//! address, and their pods are found by their own; what names something elsewhere is outside the mesh.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use kith_proto::v1::Protocol;

use super::pods::{Pods, Who, workload};
use crate::index::cluster::Key;
use crate::index::cluster::endpoint_slice::{EndpointSlice, State};
use crate::index::cluster::service::{Port, Service};
use crate::index::cluster::table::Table;
use crate::index::{ServiceEndpoint, ServicePort, Services, WorkloadId};

pub(in crate::index::cluster) fn services(
    services: &Table<Service>,
    slices: &Table<EndpointSlice>,
    pods: &Pods<'_>,
) -> Services {
    let mut listed = Listed { slices: by_service(slices), pods, by_address: BTreeMap::new() };
    for (key, service) in services.iter() {
        listed.add(key, service, service.cluster_ips.iter().copied());
    }
    let cluster_ips: BTreeSet<_> = services.iter().flat_map(|(_, service)| &service.cluster_ips).collect();
    for (key, service) in oldest_first(services) {
        // Whoever may write a service must not take an address from another one, or from a pod, by it.
        let taken = |ip: &IpAddr| cluster_ips.contains(ip) || pods.has_address(*ip);
        listed.add(key, service, service.other_ips.iter().copied().filter(|ip| !taken(ip)));
    }
    Services { by_address: listed.by_address, pods: pods.addresses() }
}

/// Endpoints of one service, over all of its addresses and ports: they multiply. Where there are more, the ports that
/// come last have none, and are not reached.
const MOST_PLACES: usize = 32_768;

/// The slices of each service, by its namespace and name.
type Slices<'a> = BTreeMap<(&'a str, &'a str), Vec<&'a EndpointSlice>>;

fn by_service(slices: &Table<EndpointSlice>) -> Slices<'_> {
    let mut grouped = Slices::new();
    for (key, slice) in slices.iter() {
        if let Some(service) = &slice.service {
            grouped.entry((key.namespace.as_str(), service.as_str())).or_default().push(slice);
        }
    }
    grouped
}

fn oldest_first(services: &Table<Service>) -> Vec<(&Key, &Service)> {
    let mut sorted: Vec<_> = services.iter().filter(|(_, service)| !service.other_ips.is_empty()).collect();
    sorted.sort_by_key(|(key, service)| (service.created, *key));
    sorted
}

/// The table as far as it is filled.
struct Listed<'a, 'b> {
    slices: Slices<'a>,
    pods: &'b Pods<'a>,
    by_address: BTreeMap<SocketAddr, ServicePort>,
}

impl Listed<'_, '_> {
    /// An address that somebody has already stays theirs.
    fn add(&mut self, key: &Key, service: &Service, ips: impl Iterator<Item = IpAddr>) {
        let mut places = MOST_PLACES;
        for ip in ips {
            if service.closed {
                // Not outside the mesh, whatever the port is.
                self.by_address.entry(Services::whole(ip)).or_insert_with(|| ServicePort {
                    service: key.to_string(),
                    protocol: Protocol::Unspecified,
                    endpoints: Vec::new(),
                });
            }
            for port in &service.ports {
                let address = SocketAddr::new(ip, port.number);
                if !self.by_address.contains_key(&address) {
                    let endpoints = self.endpoints(key, port, ip.is_ipv4());
                    // All that answer, or nobody: those that are left out would be so for good.
                    let endpoints = if endpoints.len() <= places { endpoints } else { Vec::new() };
                    places -= endpoints.len();
                    let (service, protocol) = (key.to_string(), port.protocol);
                    self.by_address.insert(address, ServicePort { service, protocol, endpoints });
                }
            }
        }
    }

    /// Those of the family of the service's address: the ready ones, or when there is none those that end and still
    /// answer; in the order of their addresses.
    fn endpoints(&self, service: &Key, port: &Port, ipv4: bool) -> Vec<ServiceEndpoint> {
        let slices = self.slices.get(&(service.namespace.as_str(), service.name.as_str()));
        let mut found = BTreeMap::<SocketAddr, Found>::new();
        for slice in slices.into_iter().flatten() {
            for target in slice.ports.iter().filter(|target| target.name == port.name) {
                for endpoint in slice.endpoints.iter().filter(|endpoint| endpoint.address.is_ipv4() == ipv4) {
                    let workload = match self.pods.behind(&service.namespace, endpoint) {
                        Who::Pod((_, pod)) => workload(pod),
                        Who::Stranger => None,
                        Who::Unknown => continue,
                    };
                    // While an endpoint moves from one slice to another it is in both.
                    let new = (endpoint.state, workload);
                    let known = found.entry(SocketAddr::new(endpoint.address, target.number));
                    known.and_modify(|known| *known = better(known.clone(), new.clone())).or_insert(new);
                }
            }
        }
        let best = found.values().map(|(state, _)| *state).min();
        let best = best.filter(|state| *state != State::Away);
        let chosen = found.into_iter().filter(|(_, (state, _))| Some(*state) == best);
        chosen.map(|(address, (_, workload))| ServiceEndpoint { address, workload }).collect()
    }
}

/// What slices say of one address.
type Found = (State, Option<WorkloadId>);

/// The one that answers; of two alike the one that has to prove who it is.
fn better(one: Found, other: Found) -> Found {
    std::cmp::min_by_key(one, other, |(state, workload)| (*state, workload.is_none(), workload.clone()))
}
