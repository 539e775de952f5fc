//! What the injector tells the containers that it adds to a pod, as JSON in their environment. Written by the control
//! plane, read by the redirect step and by the sidecar: one type for both ends. Nobody's fields are guessed: an unknown
//! one is refused by whoever reads.

mod host_port;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

pub use host_port::{HostPort, NoHostPort};
use serde::{Deserialize, Serialize};

/// The name of the container that makes a pod a member of the mesh.
pub const SIDECAR_CONTAINER: &str = "kith-sidecar";
/// The name of the step before it, which redirects the pod's traffic.
pub const REDIRECT_CONTAINER: &str = "kith-redirect";
/// The user that the sidecar runs as: what it sends is not redirected.
pub const SIDECAR_UID: u32 = 7440;
/// The user that the redirect step runs as: another one, so that it can try its own redirect.
pub const REDIRECT_UID: u32 = 7441;
/// Where calls of the pod's containers are redirected to.
pub const OUTBOUND_PORT: u16 = 7441;
/// Where calls to the pod are redirected to.
pub const INBOUND_PORT: u16 = 7442;
/// Health, metrics and replayed probes.
pub const HEALTH_PORT: u16 = 7447;
/// The kubelet's question at the start, at that port; it is answered when the sidecar can carry a call.
pub const STARTED_PATH: &str = "/started";
/// How long that question waits for its answer.
pub const STARTED_LIMIT: Duration = Duration::from_secs(5);
/// Before everything that is replayed to the application, at the same port.
pub const PROBE_PATH: &str = "/probe/";
/// The variable with the trust domain.
pub const TRUST_DOMAIN_VARIABLE: &str = "KITH_TRUST_DOMAIN";
/// The variable that says where the control plane is: a [`HostPort`].
pub const CONTROL_PLANE_VARIABLE: &str = "KITH_CONTROL_PLANE";
/// The variable with the namespace of the pod.
pub const POD_NAMESPACE_VARIABLE: &str = "KITH_POD_NAMESPACE";
/// The variable with the name of the pod.
pub const POD_NAME_VARIABLE: &str = "KITH_POD_NAME";
/// The variable with the service account of the pod.
pub const SERVICE_ACCOUNT_VARIABLE: &str = "KITH_SERVICE_ACCOUNT";
/// The variable with the addresses of the pod: [`pod_ips`].
pub const POD_IPS_VARIABLE: &str = "KITH_POD_IPS";
/// The variable with what is replayed: [`Probes`].
pub const PROBES_VARIABLE: &str = "KITH_PROBES";
/// The variable with what is not redirected: [`Redirect`].
pub const REDIRECT_VARIABLE: &str = "KITH_REDIRECT";
/// The variable with the choice of key exchanges: `PreferPq` or `RequirePq`.
pub const KEY_EXCHANGE_VARIABLE: &str = "KITH_KEY_EXCHANGE";
/// The variable with the path of the Workload API's socket; there is none without it.
pub const WORKLOAD_API_VARIABLE: &str = "KITH_WORKLOAD_API";
/// The variable of *applications* that says where the Workload API is, by the SPIFFE standard: `unix://PATH`.
pub const ENDPOINT_SOCKET_VARIABLE: &str = "SPIFFE_ENDPOINT_SOCKET";
/// The variable with the level of the diagnostics.
pub const LOG_VARIABLE: &str = "KITH_LOG";
/// Where the volume with the Workload API's socket is mounted: in the sidecar, and in the containers that may have it.
pub const WORKLOAD_API_FOLDER: &str = "/run/kith/workload-api";
/// The socket, in a folder that the sidecar makes itself: the volume's own can be written by whoever it is mounted for.
pub const WORKLOAD_API_SOCKET: &str = "/run/kith/workload-api/sidecar/api.sock";
/// The ConfigMap with the roots, which the control plane keeps in each namespace of the mesh.
pub const TRUST_CONFIG_MAP: &str = "kith-trust";
/// The audience of the token that a pod proves itself by.
pub const TOKEN_AUDIENCE: &str = "kith.dev/ca";
/// The folder with the token and the roots.
pub const IDENTITY_FOLDER: &str = "/var/run/kith/identity";
/// The token, in that folder.
pub const TOKEN_FILE: &str = "token";
/// The trust domain's roots in PEM, in that folder: what the control plane must prove itself against.
pub const ROOTS_FILE: &str = "roots.pem";

/// [`REDIRECT_VARIABLE`]: what is not to be redirected.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Redirect {
    /// Ports of the pod that are reached without the sidecar.
    #[serde(default)]
    pub skip_inbound: Vec<PortRange>,
    /// Ports elsewhere that the pod reaches without the sidecar.
    #[serde(default)]
    pub skip_outbound: Vec<PortRange>,
    /// What becomes of QUIC (UDP port 443), which no sidecar carries.
    #[serde(default)]
    pub quic: Quic,
}

/// What becomes of UDP to and from port 443.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Quic {
    /// Refused at once, so that clients fall back to TCP.
    #[default]
    Refuse,
    /// Left alone: it passes the mesh by.
    Allow,
}

/// Ports from `first` to `last`, both included; written `"8080"` or `"8000-8100"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PortRange {
    first: u16,
    last: u16,
}

/// Why a text names no ports.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a port, 1 to 65535, or a range of them such as 8000-8100")]
pub struct NoPortRange(String);

impl PortRange {
    /// Parses `8080` or `8000-8100`: digits only, no sign, no blank, no leading zero.
    pub fn parse(text: &str) -> Result<Self, NoPortRange> {
        let wrong = || NoPortRange(text.chars().take(64).collect());
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (port(first).ok_or_else(wrong)?, port(last).ok_or_else(wrong)?);
        if first > last { Err(wrong()) } else { Ok(Self { first, last }) }
    }

    /// Its first port.
    pub fn first(self) -> u16 {
        self.first
    }

    /// Its last port.
    pub fn last(self) -> u16 {
        self.last
    }

    /// These ports; `None` unless they are in order.
    pub fn new(first: u16, last: u16) -> Option<Self> {
        (0 < first && first <= last).then_some(Self { first, last })
    }

    /// Whether a port is among these.
    pub fn has(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }

    /// Whether every port of `other` is among these.
    pub fn contains(self, other: Self) -> bool {
        self.first <= other.first && other.last <= self.last
    }
}

fn port(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    plain.then(|| text.parse().ok()).flatten()
}

impl TryFrom<String> for PortRange {
    type Error = NoPortRange;

    fn try_from(text: String) -> Result<Self, NoPortRange> {
        Self::parse(&text)
    }
}

impl From<PortRange> for String {
    fn from(PortRange { first, last }: PortRange) -> Self {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    }
}

/// Why a text is not the list of a pod's addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPodIps {
    /// There is none.
    #[error("the pod has no address: the platform fills status.podIPs in before a container starts")]
    Empty,
    /// One of them is no address.
    #[error("{0:?} is not an IP address")]
    NoAddress(String),
    /// One of them cannot be a pod's.
    #[error("{0} is not an address that others reach this pod at")]
    NotAPods(IpAddr),
}

/// Reads [`POD_IPS_VARIABLE`], the pod's addresses with commas between them, as Kubernetes writes `status.podIPs`. A mapped
/// address (`::ffff:10.0.0.1`) is the IPv4 address that it means (K11).
pub fn pod_ips(text: &str) -> Result<Vec<IpAddr>, NoPodIps> {
    if text.is_empty() {
        return Err(NoPodIps::Empty);
    }
    text.split(',').map(pod_ip).collect()
}

fn pod_ip(text: &str) -> Result<IpAddr, NoPodIps> {
    let wrong = |_| NoPodIps::NoAddress(text.chars().take(64).collect());
    let address = text.parse::<IpAddr>().map_err(wrong)?.to_canonical();
    let elsewhere = address.is_loopback() || address.is_unspecified() || address.is_multicast();
    if elsewhere { Err(NoPodIps::NotAPods(address)) } else { Ok(address) }
}

/// [`PROBES_VARIABLE`]: what the kubelet asked of the containers before its probes were pointed at the sidecar, by the path
/// below [`PROBE_PATH`] that it asks now: `CONTAINER/liveness`, `/readiness`, `/startup`, and `/post-start` or
/// `/pre-stop` with 32 digits after it that nobody else knows: hooks are orders, and not only questions.
pub type Probes = BTreeMap<String, Probe>;

/// One question of the kubelet, as the pod's author wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Probe {
    /// What is asked.
    pub action: ProbeAction,
    /// How long the answer may take.
    pub timeout_seconds: u32,
}

/// What a probe asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum ProbeAction {
    /// One GET.
    Http {
        /// The container's port.
        port: u16,
        /// With its query, as it was written.
        path: String,
        /// TLS, whatever its certificate says: as the kubelet does.
        https: bool,
        /// In their order.
        headers: Vec<(String, String)>,
    },
    /// One connection.
    Tcp {
        /// The container's port.
        port: u16,
    },
    /// `grpc.health.v1.Health/Check`.
    Grpc {
        /// The container's port.
        port: u16,
        /// Empty: the server as a whole.
        service: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_as_they_are_written_and_nothing_else_is() {
        for text in ["1", "8080", "65535", "8000-8100"] {
            assert_eq!(String::from(PortRange::parse(text).unwrap()), text);
        }
        // K8
        for text in [
            "", "0", "65536", "-1", "+1", " 80", "80 ", "080", "80-", "-80", "90-80", "80,81", "$(X)", "80\n",
        ] {
            assert!(PortRange::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_pods_addresses_are_read_and_what_cannot_be_one_is_refused() {
        let read = pod_ips("10.0.0.7,fd00::7").unwrap();
        assert_eq!(read, ["10.0.0.7".parse::<IpAddr>().unwrap(), "fd00::7".parse().unwrap()]);
        // K11
        assert_eq!(pod_ips("::ffff:10.0.0.7"), pod_ips("10.0.0.7"));
        assert_eq!(pod_ips(""), Err(NoPodIps::Empty));
        for text in [",", "10.0.0.7,", "10.0.0.7, fd00::7", "10.0.0.7:80", "fe80::1%eth0", "localhost"] {
            assert!(matches!(pod_ips(text), Err(NoPodIps::NoAddress(_))), "{text:?}");
        }
        for text in ["127.0.0.1", "::1", "0.0.0.0", "::", "::ffff:127.0.0.1", "224.0.0.1"] {
            assert!(matches!(pod_ips(text), Err(NoPodIps::NotAPods(_))), "{text:?}");
        }
    }

    #[test]
    fn an_unknown_field_is_refused() {
        assert!(serde_json::from_str::<Redirect>(r#"{"skipInbund":[]}"#).is_err());
        assert_eq!(serde_json::from_str::<Redirect>("{}").unwrap(), Redirect::default());
    }
}
