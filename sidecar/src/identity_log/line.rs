//! What one line says. Owns the names of its fields: OpenTelemetry's where it has one, `kith.*` where it has none.
//! The same type writes the log and reads it back, in `kith demo` and `kith tap`.

use serde::{Deserialize, Serialize};

/// A call that was allowed has so many, and is written at once.
const USUAL_BYTES: usize = 1024;

/// One line of the identity log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// RFC 3339, UTC, with milliseconds.
    pub time: String,
    /// The identity, or before the first svid the expected identity, of the workload whose sidecar wrote it.
    #[serde(rename = "kith.workload")]
    pub workload: String,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// One HTTP request, allowed or refused. Boxed: it is by far the largest.
    Call(Box<Call>),
    /// A connection that never became a session.
    SessionRefused(SessionRefused),
    /// A session was opened.
    SessionOpened(SessionOpened),
    /// A session ended.
    SessionEnded(SessionEnded),
    /// The workload's own svid was replaced.
    SvidRenewed(SvidRenewed),
    /// Somebody was cut off, or is not any more.
    Quarantine(Quarantine),
}

/// Seen from the workload whose sidecar writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// A peer calls the workload.
    Inbound,
    /// The workload calls.
    Outbound,
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It was let through.
    Allow,
    /// It was refused; `kith.denial.id` names the refusal.
    Deny,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Inbound lines carry the decision; outbound lines what the caller's side saw.
    #[serde(rename = "kith.direction")]
    pub direction: Direction,
    /// The verified identity of the source.
    #[serde(rename = "kith.source.identity", skip_serializing_if = "Option::is_none", default)]
    pub source: Option<String>,
    /// The identity of the destination: proven, or expected when no session came about.
    #[serde(rename = "kith.destination.identity", skip_serializing_if = "Option::is_none", default)]
    pub destination: Option<String>,
    /// The other end of the connection that the call arrived on.
    #[serde(rename = "client.address")]
    pub client_address: String,
    /// Where the call was for, when that is no sidecar's: the application's address in a pod, or one outside the mesh.
    #[serde(rename = "server.address", skip_serializing_if = "Option::is_none", default)]
    pub server_address: Option<String>,
    /// `GET`. Absent, as the path is, when the call is an opaque stream.
    #[serde(rename = "http.request.method", skip_serializing_if = "String::is_empty", default)]
    pub method: String,
    /// Without the query.
    #[serde(rename = "url.path", skip_serializing_if = "String::is_empty", default)]
    pub path: String,
    /// `1.0`, `1.1` or `2` as the caller spoke, `websocket`, `tcp` for an opaque stream, or `tls` for one that came in the
    /// clear and is TLS of the application's own.
    #[serde(rename = "network.protocol.version")]
    pub protocol: String,
    /// `grpc` when the call says that it is.
    #[serde(rename = "rpc.system", skip_serializing_if = "Option::is_none", default)]
    pub rpc_system: Option<String>,
    /// Absent when none was sent.
    #[serde(rename = "http.response.status_code", skip_serializing_if = "Option::is_none", default)]
    pub status: Option<u16>,
    /// Allow or deny.
    #[serde(rename = "kith.verdict")]
    pub verdict: Verdict,
    /// `namespace/name` of the policy that decided; absent when the default did.
    #[serde(rename = "kith.policy", skip_serializing_if = "Option::is_none", default)]
    pub policy: Option<String>,
    /// The rule that decided.
    #[serde(rename = "kith.rule", skip_serializing_if = "Option::is_none", default)]
    pub rule: Option<String>,
    /// The snapshot that decided.
    #[serde(rename = "kith.revision", skip_serializing_if = "Option::is_none", default)]
    pub revision: Option<String>,
    /// 32 hexadecimal digits, also in the response.
    #[serde(rename = "kith.denial.id", skip_serializing_if = "Option::is_none", default)]
    pub denial_id: Option<String>,
    /// A stable code, such as `default_deny`, `policy_deny`, `unexpected_identity`, `svid_expired`, `not_ready`.
    #[serde(rename = "kith.denial.reason", skip_serializing_if = "Option::is_none", default)]
    pub denial_reason: Option<String>,
    /// One sentence: the nearest miss.
    #[serde(rename = "kith.denial.detail", skip_serializing_if = "Option::is_none", default)]
    pub denial_detail: Option<String>,
    /// `Observe` or `Encrypt`; absent in Enforce.
    #[serde(rename = "kith.posture", skip_serializing_if = "Option::is_none", default)]
    pub posture: Option<String>,
    /// What a stricter posture, or egress, would have refused the call with. It was let through.
    #[serde(flatten)]
    pub would_deny: Option<WouldDeny>,
    /// Why an allowed call did not end well, as a stable code.
    #[serde(rename = "error.type", skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// From the request's head to the response's last byte.
    #[serde(rename = "kith.duration_us")]
    pub duration_us: u64,
    /// What a stream (opaque, or a WebSocket) carried from its caller.
    #[serde(rename = "kith.request.bytes", skip_serializing_if = "Option::is_none", default)]
    pub request_bytes: Option<u64>,
    /// What it carried to its caller.
    #[serde(rename = "kith.response.bytes", skip_serializing_if = "Option::is_none", default)]
    pub response_bytes: Option<u64>,
    /// The session that carried it.
    #[serde(flatten)]
    pub session: Option<SessionFacts>,
}

/// A refusal that was not made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WouldDeny {
    /// 32 hexadecimal digits, for `kith why`.
    #[serde(rename = "kith.would_deny.id")]
    pub id: String,
    /// The stable code that `kith.denial.reason` would have: `default_deny`, `no_identity`, `egress_denied`.
    #[serde(rename = "kith.would_deny.reason")]
    pub reason: String,
    /// One sentence.
    #[serde(rename = "kith.would_deny.detail")]
    pub detail: String,
}

/// What is known of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionFacts {
    /// Numbers the sessions of one sidecar process.
    #[serde(rename = "kith.session")]
    pub session: u64,
    /// `1.3`.
    #[serde(rename = "tls.protocol.version")]
    pub tls_version: String,
    /// Such as `X25519MLKEM768`.
    #[serde(rename = "kith.tls.group")]
    pub group: String,
    /// Serial number of the own svid in this session.
    #[serde(rename = "kith.own.serial")]
    pub own_serial: String,
    /// Serial number of the peer's svid in this session.
    #[serde(rename = "kith.peer.serial")]
    pub peer_serial: String,
}

/// A connection that never became a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRefused {
    /// Whether the other end came to us, or we to it.
    #[serde(rename = "kith.direction")]
    pub direction: Direction,
    /// The address of the other end.
    #[serde(rename = "client.address")]
    pub client_address: String,
    /// Names this refusal.
    #[serde(rename = "kith.denial.id")]
    pub denial_id: String,
    /// A stable code, such as `no_client_certificate`, `unknown_authority`, `unexpected_identity`.
    #[serde(rename = "kith.denial.reason")]
    pub reason: String,
    /// One sentence.
    #[serde(rename = "kith.denial.detail")]
    pub detail: String,
}

/// A session was opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionOpened {
    /// Which way.
    #[serde(rename = "kith.direction")]
    pub direction: Direction,
    /// The verified identity of the other end.
    #[serde(rename = "kith.peer.identity")]
    pub peer: String,
    /// The application protocol that was agreed on.
    #[serde(rename = "kith.alpn")]
    pub alpn: String,
    /// Its serials and its key exchange.
    #[serde(flatten)]
    pub facts: SessionFacts,
}

/// A session ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEnded {
    /// Which way.
    #[serde(rename = "kith.direction")]
    pub direction: Direction,
    /// The verified identity of the other end.
    #[serde(rename = "kith.peer.identity")]
    pub peer: String,
    /// Which session.
    #[serde(rename = "kith.session")]
    pub session: u64,
    /// `replaced`, `svid_expired`, `quarantined`, `unknown_authority`, `drained`, `closed` or `failed`.
    #[serde(rename = "kith.reason")]
    pub reason: String,
    /// How many calls it carried.
    #[serde(rename = "kith.calls")]
    pub calls: u64,
    /// How many were still open when it ended.
    #[serde(rename = "kith.calls.cut")]
    pub cut: u64,
}

/// The workload's own svid was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SvidRenewed {
    /// Absent for the first one.
    #[serde(rename = "kith.previous.serial", skip_serializing_if = "Option::is_none", default)]
    pub previous: Option<String>,
    /// The new one.
    #[serde(rename = "kith.own.serial")]
    pub serial: String,
    /// RFC 3339.
    #[serde(rename = "kith.not_after")]
    pub not_after: String,
}

/// Who is cut off has changed, and the change is in force here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    /// Who it is about.
    #[serde(rename = "kith.quarantine.identity")]
    pub identity: String,
    /// `added` or `removed`.
    #[serde(rename = "kith.quarantine.change")]
    pub change: QuarantineChange,
    /// The revision that changed it.
    #[serde(rename = "kith.revision")]
    pub revision: String,
}

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuarantineChange {
    /// It is cut off now.
    Added,
    /// It is not any more.
    Removed,
}

impl Line {
    /// The line as JSON, without a line break: control characters are escaped by the format itself.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        let mut json = Vec::with_capacity(USUAL_BYTES);
        serde_json::to_writer(&mut json, self)?;
        String::from_utf8(json).map_err(serde::ser::Error::custom)
    }

    /// Reads a line back.
    pub fn from_json(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }
}
