//! A workload, and the supervisor's list of them, validated. The list is taken as a whole or not at all.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use kith_identity::{SpiffeId, TrustDomain};
use kith_proto::convert::WireError;
use kith_proto::pod::PortRange;
use kith_proto::v1;

use super::{WorkloadId, Workloads};

/// A running thing that gets an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Workload {
    pub(crate) id: WorkloadId,
    /// What people call it: as in `kith.yaml`, or `namespace/pod`.
    pub(crate) name: String,
    pub(crate) identity: SpiffeId,
    pub(crate) namespace: String,
    pub(crate) service_account: String,
    pub(crate) labels: BTreeMap<String, String>,
    /// Why no call to it may be decided: what it says of itself is larger than is kept.
    pub(crate) closed: Option<String>,
    /// Where its sidecar accepts sessions; `None` until it does.
    pub(crate) inbound: Option<SocketAddr>,
    /// What policies call its port: the one that the application listens on.
    pub(crate) port: u16,
    /// Names of the workloads that it declared to call.
    pub(crate) calls: Vec<String>,
    /// What its application speaks, on ports that `ports` does not name.
    pub(crate) protocol: v1::Protocol,
    /// What it speaks on its ports, where that was declared.
    pub(crate) ports: BTreeMap<u16, v1::Protocol>,
    /// Ports of it that are reached without its sidecar, in the clear.
    pub(crate) skipped: Vec<PortRange>,
    /// The node that it runs on; `None` in local mode.
    pub(crate) node: Option<String>,
}

impl Workload {
    /// The name of its pod, without its namespace; `None` in local mode.
    pub(crate) fn pod(&self) -> Option<&str> {
        self.name.strip_prefix(&*self.namespace)?.strip_prefix('/')
    }
}

/// Why a list of workloads is refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WorkloadsError {
    /// A field is wrong.
    #[error(transparent)]
    Field(#[from] WireError),
    /// Two workloads of one name: `calls` could mean either.
    #[error("two workloads are named {0:?}; give each its own name")]
    Name(String),
    /// Two workloads of one identity: a snapshot is computed for an identity.
    #[error("two workloads have the identity {0}; give each its own service account")]
    Identity(SpiffeId),
    /// The control plane's own identity.
    #[error("the workload {0:?} has the identity that is reserved for the control plane")]
    Reserved(String),
}

/// Reads the whole list.
pub(crate) fn workloads_from_wire(
    trust_domain: &TrustDomain,
    list: v1::Workloads,
) -> Result<Workloads, WorkloadsError> {
    let mut workloads = Workloads::default();
    for (position, entry) in list.workloads.into_iter().enumerate() {
        let workload = from_wire(trust_domain, &format!("workloads[{position}]"), entry)?;
        if workload.identity.is_reserved() {
            return Err(WorkloadsError::Reserved(workload.name));
        }
        if workloads.iter().any(|other| other.name == workload.name) {
            return Err(WorkloadsError::Name(workload.name));
        }
        if let Some(same) = workloads.insert(workload) {
            return Err(WorkloadsError::Identity(same.identity));
        }
    }
    Ok(workloads)
}

fn from_wire(trust_domain: &TrustDomain, field: &str, entry: v1::Workload) -> Result<Workload, WireError> {
    let wrong = |name: &str, reason: String| WireError::new(format!("{field}.{name}"), reason);
    if entry.name.is_empty() {
        return Err(wrong("name", "is empty".into()));
    }
    let identity = SpiffeId::for_service_account(trust_domain, &entry.namespace, &entry.service_account)
        .map_err(|error| wrong("service_account", error.to_string()))?;
    let inbound = match entry.inbound_address.as_str() {
        "" => None,
        text => Some(
            text.parse().map_err(|_| wrong("inbound_address", format!("{text:?} is not ADDRESS:PORT")))?,
        ),
    };
    let port =
        u16::try_from(entry.port).map_err(|_| wrong("port", format!("{} is more than 65535", entry.port)))?;
    // One that a newer supervisor knows must not become "detect it", which is something else.
    let protocol = v1::Protocol::try_from(entry.protocol)
        .map_err(|_| wrong("protocol", format!("{} is not one that is known here", entry.protocol)))?;
    Ok(Workload {
        id: WorkloadId::new(identity.as_str()),
        name: entry.name,
        identity,
        namespace: entry.namespace,
        service_account: entry.service_account,
        labels: entry.labels.into_iter().collect(),
        closed: None,
        inbound,
        port,
        calls: entry.calls,
        protocol,
        ports: BTreeMap::new(),
        skipped: Vec::new(),
        node: None,
    })
}
