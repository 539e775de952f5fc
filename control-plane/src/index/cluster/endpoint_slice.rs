//! Endpoint slices: who answers for a service now.

use std::net::IpAddr;

use k8s_openapi::api::discovery::v1 as discovery;
use kith_proto::v1;

use super::key::{Key, Unreadable};
use super::table::Row;
use super::{address, protocol};

/// More than the API server lets a slice have.
const MOST_ENDPOINTS: usize = 1_000;
/// It lets a slice have thousands of ports, each for all endpoints; a slice of more than these has none here.
pub(super) const MOST_PORTS: usize = 256;
/// A uid has 36 characters. Whoever writes a slice may write anything for one.
const MOST_UID_BYTES: usize = 64;

pub(crate) const SERVICE_LABEL: &str = "kubernetes.io/service-name";

/// One slice of the endpoints of a service, all of one family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EndpointSlice {
    /// In the slice's own namespace; `None`: of no service.
    pub(super) service: Option<String>,
    pub(super) ports: Vec<Port>,
    pub(super) endpoints: Vec<Endpoint>,
}

/// One TCP port that all endpoints of the slice have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Port {
    /// As the service's port is named.
    pub(super) name: String,
    /// The target's own.
    pub(super) number: u16,
    pub(super) protocol: v1::Protocol,
}

/// One of those who answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) address: IpAddr,
    /// The uid of the pod in the slice's namespace that it is said to be.
    pub(super) pod: Option<String>,
    pub(super) state: State,
}

/// Whether calls may go there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    Ready,
    /// It ends, and still answers: for when nobody else does.
    Ending,
    /// It does not answer.
    Away,
}

impl EndpointSlice {
    pub(crate) fn read(slice: discovery::EndpointSlice) -> Result<(Key, Self), Unreadable> {
        let key = Key::of(&slice.metadata)?;
        let service = slice.metadata.labels.and_then(|mut labels| labels.remove(SERVICE_LABEL));
        let endpoints = slice.endpoints.unwrap_or_default();
        let endpoints = endpoints.iter().filter_map(|endpoint| Endpoint::read(&key.namespace, endpoint));
        let endpoints = endpoints.take(MOST_ENDPOINTS).collect();
        let ports = slice.ports.filter(|ports| ports.len() <= MOST_PORTS).unwrap_or_default();
        let ports = ports.iter().filter_map(Port::read).collect();
        Ok((key, Self { service, ports, endpoints }))
    }
}

impl Port {
    fn read(port: &discovery::EndpointPort) -> Option<Self> {
        let number = address::port(port.port?).filter(|_| protocol::is_tcp(port.protocol.as_deref()))?;
        let protocol = protocol::declared(port.app_protocol.as_deref(), port.name.as_deref());
        Some(Self { name: port.name.clone().unwrap_or_default(), number, protocol })
    }
}

impl Endpoint {
    fn read(namespace: &str, endpoint: &discovery::Endpoint) -> Option<Self> {
        // Only the first is used, as kube-proxy does: all of them are interchangeable.
        let address = address::read(endpoint.addresses.first()?)?;
        let target = endpoint.target_ref.as_ref().filter(|target| {
            let here = target.namespace.as_deref().is_none_or(|other| other == namespace);
            target.kind.as_deref() == Some("Pod") && here
        });
        // What is too long is no pod's: kept as one that nobody has, which is unknown, and not as none, which is anybody.
        let pod = target.and_then(|target| target.uid.as_deref());
        let pod = pod.map(|uid| if uid.len() <= MOST_UID_BYTES { uid.to_owned() } else { String::new() });
        Some(Self { address, pod, state: State::of(endpoint.conditions.as_ref()) })
    }
}

impl State {
    /// Unset conditions mean ready, and serving as much as ready, as the API defines them. A service that publishes
    /// addresses before they are ready has them ready here.
    fn of(conditions: Option<&discovery::EndpointConditions>) -> Self {
        let ready = conditions.and_then(|conditions| conditions.ready).unwrap_or(true);
        let serving = conditions.and_then(|conditions| conditions.serving).unwrap_or(ready);
        let terminating = conditions.and_then(|conditions| conditions.terminating).unwrap_or(false);
        match (ready, serving && terminating) {
            (true, _) => Self::Ready,
            (false, true) => Self::Ending,
            (false, false) => Self::Away,
        }
    }
}

impl Row for EndpointSlice {}
