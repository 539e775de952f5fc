//! Where one service of a mesh is reached.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Addresses of one service; they stay for as long as the supervisor runs, also over restarts of the sidecar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// Where its sidecar accepts sessions.
    pub inbound: SocketAddr,
    /// Where the application reaches what it calls, by name: plain HTTP on loopback, into its own sidecar.
    pub outbounds: BTreeMap<String, SocketAddr>,
    /// Where the application itself listens.
    pub app: SocketAddr,
    /// Where its sidecar answers for health and metrics.
    pub health: SocketAddr,
    /// The socket of its sidecar's Workload API, unless it has none.
    pub workload_api: Option<PathBuf>,
}
