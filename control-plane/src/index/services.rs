//! What is behind an address: a service's own, or a pod's. Owns the answer to a sidecar that asks where a call of its
//! workload goes; addresses that are in neither table are outside the mesh.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use kith_proto::v1;

use super::WorkloadId;

/// Every address that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Services {
    /// The virtual addresses of services.
    pub(crate) by_address: BTreeMap<SocketAddr, ServicePort>,
    /// Pods, in the mesh or not.
    pub(crate) pods: BTreeMap<IpAddr, PodAddress>,
}

impl Services {
    /// What stands for all ports of an address: of a service that is larger than is kept. No port has this number.
    pub(crate) fn whole(address: IpAddr) -> SocketAddr {
        SocketAddr::new(address, 0)
    }

    /// The service that answers at an address.
    pub(crate) fn at(&self, address: SocketAddr) -> Option<&ServicePort> {
        self.by_address.get(&address).or_else(|| self.by_address.get(&Self::whole(address.ip())))
    }
}

/// One port of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServicePort {
    /// `namespace/name`.
    pub(crate) service: String,
    pub(crate) protocol: v1::Protocol,
    /// Those that calls may go to now.
    pub(crate) endpoints: Vec<ServiceEndpoint>,
}

/// One of those who answer for a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServiceEndpoint {
    /// Its own address, with the port that it listens on.
    pub(crate) address: SocketAddr,
    /// The workload there; `None` when it is not in the mesh.
    pub(crate) workload: Option<WorkloadId>,
}

/// Who has an address of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PodAddress {
    /// `namespace/name`.
    pub(crate) pod: String,
    /// The workload there; `None` when it is not in the mesh.
    pub(crate) workload: Option<WorkloadId>,
}
