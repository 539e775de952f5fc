//! Where a token came from, held against where its pod is (U5, U11). Pure.

use std::net::IpAddr;

use crate::index::{PodAddress, WorkloadId, World};

/// What a token means that came from another address than its pod's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
pub(crate) enum FromElsewhere {
    /// Somebody else has it (U11).
    #[default]
    Refuse,
    /// The cluster's network hides who called: it is logged and counted.
    Alarm,
}

/// Where it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The pod.
    Own,
    /// Somebody else.
    Elsewhere(IpAddr),
    /// The caller's address or the pod's is not known.
    Unknown,
}

impl Source {
    pub(super) fn of(address: Option<IpAddr>, workload: &WorkloadId, world: &World) -> Self {
        let Some(address) = address else { return Self::Unknown };
        let pods = &world.services.pods;
        let is_own = |pod: &PodAddress| pod.workload.as_ref() == Some(workload);
        match pods.get(&address) {
            Some(pod) if is_own(pod) => Self::Own,
            _ if pods.values().any(is_own) => Self::Elsewhere(address),
            _ => Self::Unknown,
        }
    }
}
