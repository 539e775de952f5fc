//! The line of a refusal, as far as `why` reads it. Owns what can be taken from it for certain: the other fields pass
//! through as they are, and what the sidecar cut short is not guessed.

use std::net::SocketAddr;

use kith_identity::SpiffeId;
use kith_identity::svid::Serial;
use kith_proto::quarantined::Quarantined;
use serde::Deserialize;

use crate::observed::Denial;

/// How a sidecar marks a text that it cut short in the log.
const CUT_MARK: &str = "...";
/// The reason on the caller's side of a call that the other sidecar refused, under that one's id.
const REFUSED_BY_PEER: &str = "refused_by_peer";
const GRPC: &str = "grpc";
/// What a call in the clear would be refused for.
pub(super) const NO_IDENTITY: &str = "no_identity";
/// The reason of a refusal that one of the two ends is cut off for.
pub(super) const QUARANTINED: &str = "quarantined";

/// The fields of an identity-log line that matter here.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Line {
    pub(super) event: String,
    #[serde(rename = "kith.direction", default)]
    pub(super) direction: String,
    #[serde(rename = "kith.source.identity", default)]
    source: Option<SpiffeIdText>,
    #[serde(rename = "kith.destination.identity", default)]
    destination: Option<SpiffeIdText>,
    /// Where the call was for; absent in local mode.
    #[serde(rename = "server.address", default)]
    server_address: String,
    /// Empty: an opaque stream.
    #[serde(rename = "http.request.method", default)]
    pub(super) method: String,
    #[serde(rename = "url.path", default)]
    pub(super) path: String,
    #[serde(rename = "rpc.system", default)]
    rpc_system: String,
    #[serde(rename = "kith.policy", default)]
    pub(super) policy: Option<String>,
    #[serde(rename = "kith.rule", default)]
    pub(super) rule: Option<String>,
    /// Or of a refusal that a stricter posture would have made: a line has one of the two, and is judged again alike.
    #[serde(rename = "kith.denial.reason", alias = "kith.would_deny.reason", default)]
    pub(super) reason: String,
    #[serde(rename = "kith.denial.detail", alias = "kith.would_deny.detail", default)]
    pub(super) detail: String,
    /// Empty of a refusal that was made.
    #[serde(rename = "kith.would_deny.id", default)]
    would_deny_id: String,
    /// The svids of the session; absent where none came about.
    #[serde(rename = "kith.own.serial", default)]
    own_serial: String,
    #[serde(rename = "kith.peer.serial", default)]
    peer_serial: String,
}

/// An identity, parsed where the line has one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct SpiffeIdText(SpiffeId);

impl TryFrom<String> for SpiffeIdText {
    type Error = kith_identity::SpiffeIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        SpiffeId::parse(&text).map(Self)
    }
}

impl Line {
    /// `None` for what is no line.
    pub(super) fn of(denial: &Denial) -> Option<Self> {
        serde_json::from_str(&denial.line).ok()
    }

    /// Whether the other side decided, and this one only heard of it.
    pub(super) fn is_hearsay(&self) -> bool {
        self.reason == REFUSED_BY_PEER
    }

    /// Whether it was let through, and only a stricter posture would refuse it.
    pub(super) fn was_let_through(&self) -> bool {
        !self.would_deny_id.is_empty()
    }

    /// Whether it is about a call to the workload whose sidecar wrote it.
    pub(super) fn is_inbound_call(&self) -> bool {
        self.event == "call" && self.direction == "inbound"
    }

    /// The port that was called, where the line of its own sidecar says it. A caller's line names that of a service.
    pub(super) fn port(&self) -> Option<u16> {
        let address = self.is_inbound_call().then(|| self.server_address.parse::<SocketAddr>().ok());
        address.flatten().map(|address| address.port())
    }

    /// Whether it is about a call that its caller's own sidecar refused because one of the two was quarantined.
    pub(super) fn is_quarantined_at_its_caller(&self) -> bool {
        self.event == "call" && self.direction == "outbound" && self.reason == QUARANTINED
    }

    /// Which pod was refused for, where it was a pod.
    pub(super) fn blamed(&self) -> Option<Quarantined> {
        if self.reason == QUARANTINED { Quarantined::parse(&self.detail) } else { None }
    }

    /// The svid of the pod whose sidecar wrote it, where a session was.
    pub(super) fn own_serial(&self) -> Option<Serial> {
        Serial::parse(&self.own_serial)
    }

    /// The svids of both ends, as far as it names them.
    pub(super) fn serials(&self) -> Vec<Serial> {
        let blamed = match self.blamed() {
            Some(Quarantined::Holder(serial)) => Some(serial),
            Some(Quarantined::Own) | None => None,
        };
        blamed.into_iter().chain(self.own_serial()).chain(Serial::parse(&self.peer_serial)).collect()
    }

    /// Who is not the one whose sidecar wrote it.
    pub(super) fn other_end(&self) -> Option<&SpiffeId> {
        if self.direction == "outbound" { self.destination() } else { self.source() }
    }

    /// What the sidecar that judged the call took it for.
    pub(super) fn is_grpc(&self) -> bool {
        self.rpc_system == GRPC
    }

    /// Whether the call may have been another one than stands here.
    pub(super) fn may_be_cut(&self) -> bool {
        self.method.ends_with(CUT_MARK) || self.path.ends_with(CUT_MARK)
    }

    /// Who called, where the line names it.
    pub(super) fn source(&self) -> Option<&SpiffeId> {
        self.source.as_ref().map(|SpiffeIdText(identity)| identity)
    }

    /// Who was called, where the line names it.
    pub(super) fn destination(&self) -> Option<&SpiffeId> {
        self.destination.as_ref().map(|SpiffeIdText(identity)| identity)
    }
}
