//! Services: their virtual addresses and ports. Headless ones and those that are a name for something elsewhere have no
//! address of their own, and are kept without.

use std::net::IpAddr;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::jiff::Timestamp;
use kith_proto::v1;

use super::key::{Key, Unreadable};
use super::table::Row;
use super::{address, protocol};

/// Addresses that its author writes, and ports: more than anybody has. Every port is kept at every address, with everybody
/// who answers there.
const MOST_OTHER_IPS: usize = 16;
const MOST_PORTS: usize = 256;
/// The cluster gives one of each family.
const MOST_CLUSTER_IPS: usize = 2;

/// One service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Service {
    /// Those that the cluster gave it: nobody else has them.
    pub(super) cluster_ips: Vec<IpAddr>,
    /// Those that its author, or a load balancer's, wrote down.
    pub(super) other_ips: Vec<IpAddr>,
    pub(super) created: Option<Timestamp>,
    pub(super) ports: Vec<Port>,
    /// It has more ports than are kept: nobody answers at any of them.
    pub(super) closed: bool,
}

/// One of its TCP ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Port {
    /// Empty where there is only one port.
    pub(super) name: String,
    pub(super) number: u16,
    pub(super) protocol: v1::Protocol,
}

impl Service {
    pub(crate) fn read(service: core::Service) -> Result<(Key, Self), Unreadable> {
        let key = Key::of(&service.metadata)?;
        let other_ips = balanced(service.status);
        let spec = service.spec.unwrap_or_default();
        // An old server fills in the single form alone.
        let cluster_ips = spec.cluster_ips.or(spec.cluster_ip.map(|ip| vec![ip])).unwrap_or_default();
        let external = spec.external_ips.unwrap_or_default();
        let elsewhere = spec.type_.as_deref() == Some("ExternalName");
        let read = |texts: &[String]| match elsewhere {
            true => Vec::new(),
            false => texts.iter().filter_map(|text| address::read(text)).collect(),
        };
        let (mut cluster_ips, external) = (read(&cluster_ips), read(&external));
        cluster_ips.truncate(MOST_CLUSTER_IPS);
        let other_ips = external.into_iter().chain(other_ips.filter(|_| !elsewhere));
        let ports = spec.ports.unwrap_or_default();
        let closed = ports.len() > MOST_PORTS;
        Ok((
            key,
            Self {
                cluster_ips,
                other_ips: other_ips.take(MOST_OTHER_IPS).collect(),
                created: service.metadata.creation_timestamp.map(|time| time.0),
                ports: ports.iter().filter(|_| !closed).filter_map(Port::read).collect(),
                closed,
            },
        ))
    }
}

/// The addresses of a load balancer that the cluster answers itself; those in mode `Proxy` are to be reached there.
fn balanced(status: Option<core::ServiceStatus>) -> impl Iterator<Item = IpAddr> {
    let ingress = status.and_then(|status| status.load_balancer?.ingress).unwrap_or_default();
    let ours =
        ingress.into_iter().filter(|ingress| ingress.ip_mode.as_deref().is_none_or(|mode| mode == "VIP"));
    ours.filter_map(|ingress| address::read(&ingress.ip?))
}

impl Port {
    fn read(port: &core::ServicePort) -> Option<Self> {
        let number = address::port(port.port).filter(|_| protocol::is_tcp(port.protocol.as_deref()))?;
        let protocol = protocol::declared(port.app_protocol.as_deref(), port.name.as_deref());
        Some(Self { name: port.name.clone().unwrap_or_default(), number, protocol })
    }
}

impl Row for Service {}
