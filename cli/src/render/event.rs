//! One thing that happened, as a row of the live table or as a JSON object; from the supervisor's events in
//! `kith demo`, from the control plane's lines in `kith tap`. Owns which lines are shown: a call is one row, although
//! two sidecars wrote about it.

mod columns;

use kith_sidecar::identity_log::{
    Call, Direction, Event, Line, Quarantine, QuarantineChange, SessionRefused, SvidRenewed, Verdict,
    WouldDeny,
};
use serde::Serialize;

pub use self::columns::Columns;
use crate::local::PolicyState;
use crate::render::json;

/// Under this code the caller's sidecar logs what the other one refused, and logged with its reason.
const MIRRORED: &str = "refused_by_peer";
/// Codes of calls that ended early through no fault of the mesh.
const NOT_OURS: [&str; 2] = ["caller_gone", "grpc_status"];
/// Codes of allowed calls that the application did not answer begin like this.
const BY_APPLICATION: &str = "application_";
/// The code of an edit that is not in force.
const EDIT_REFUSED: &str = "policies_error";
/// A refusal with this status says that the mesh could not carry the call.
const UNAVAILABLE: u16 = 503;

/// The verdict of a call that was let through, and that a stricter posture or egress would have refused.
pub const WOULD_DENY: &str = "would_deny";
/// The same, for people.
pub const WOULD_DENY_TITLE: &str = "WOULD DENY";

/// What kind of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A call, allowed or refused.
    Call,
    /// A connection that never became a session.
    SessionRefused,
    /// A workload's svid was replaced.
    Identity,
    /// At one sidecar, an identity is cut off, or is not any more.
    Quarantine,
    /// A child of the supervisor started or ended.
    Process,
    /// Other policies came into force, or the newest edit did not.
    Policies,
    /// An application wrote a line.
    Log,
}

/// How a call counts in the summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It reached the application and came back.
    Allowed,
    /// It was refused for a reason of its own.
    Denied,
    /// It was allowed, and the application did not answer it.
    Unanswered,
    /// The mesh could not carry it.
    Failed,
}

/// TLS of the session that carried a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Tls {
    /// `1.3`.
    pub version: String,
    /// The group of the key exchange.
    pub group: String,
}

/// Something that is shown. Serialized, it is the object that `-o json` promises: every key is always there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Shown {
    /// RFC 3339.
    pub time: String,
    /// What kind of thing.
    pub kind: Kind,
    /// The identity of the source.
    pub src: Option<String>,
    /// The identity of the destination.
    pub dst: Option<String>,
    /// The workload that called, or whom it is about; of one that proved nothing, the pod that has its address. Known to
    /// the control plane alone.
    pub src_workload: Option<String>,
    /// The workload that was called.
    pub dst_workload: Option<String>,
    /// `1.0`, `1.1`, `2`, `websocket`, `tcp` or `tls`.
    pub protocol: Option<String>,
    /// The HTTP method.
    pub method: Option<String>,
    /// The path, without the query.
    pub path: Option<String>,
    /// `allow`, `deny`, or `would_deny`: let through, and a stricter posture would refuse it.
    pub verdict: Option<&'static str>,
    /// The policy that decided, as `namespace/name`.
    pub policy: Option<String>,
    /// The rule that decided.
    pub rule: Option<String>,
    /// A stable code of a refusal or a failure.
    pub reason: Option<String>,
    /// One sentence.
    pub detail: Option<String>,
    /// The HTTP status.
    pub status: Option<u16>,
    /// From the request's head to the response's end.
    pub latency_us: Option<u64>,
    /// What a stream carried from its caller.
    pub request_bytes: Option<u64>,
    /// What it carried to its caller.
    pub response_bytes: Option<u64>,
    /// The session's TLS.
    pub tls: Option<Tls>,
    /// The serial of the peer's svid in a call, of the new svid in a renewal.
    pub serial: Option<String>,
    /// Names the refusal.
    pub denial_id: Option<String>,
}

impl Shown {
    /// Nothing but a time and a kind.
    pub fn empty(time: &str, kind: Kind) -> Self {
        Self {
            time: time.to_owned(),
            kind,
            src: None,
            dst: None,
            src_workload: None,
            dst_workload: None,
            protocol: None,
            method: None,
            path: None,
            verdict: None,
            policy: None,
            rule: None,
            reason: None,
            detail: None,
            status: None,
            latency_us: None,
            request_bytes: None,
            response_bytes: None,
            tls: None,
            serial: None,
            denial_id: None,
        }
    }

    /// What a line of the identity log shows; `None` when another line shows it already, or when it is of no
    /// interest by itself.
    pub fn of_line(line: &Line) -> Option<Self> {
        match &line.event {
            Event::Call(call) => is_shown(call).then(|| match &call.would_deny {
                Some(would_deny) => Self::of_would_deny(line, call, would_deny),
                None => Self::of_call(line, call),
            }),
            Event::SessionRefused(refused) => Some(Self::of_refused(line, refused)),
            // The first svid is no renewal.
            Event::SvidRenewed(renewed) => Self::of_renewal(line, renewed),
            Event::Quarantine(quarantine) => Some(Self::of_quarantine(line, quarantine)),
            Event::SessionOpened(_) | Event::SessionEnded(_) => None,
        }
    }

    /// The same, between workloads that the control plane knows by name; it leaves empty what it does not know.
    pub fn between(self, source: &str, destination: &str) -> Self {
        Self { src_workload: known(source), dst_workload: known(destination), ..self }
    }

    /// A refusal that was asked for, whichever side wrote of it, or one that a stricter posture would have made; `None` when
    /// the line tells of neither.
    pub fn of_refusal(line: &Line) -> Option<Self> {
        match &line.event {
            Event::Call(call) if call.verdict == Verdict::Deny => Some(Self::of_call(line, call)),
            Event::Call(call) => Some(Self::of_would_deny(line, call, call.would_deny.as_ref()?)),
            Event::SessionRefused(refused) => Some(Self::of_refused(line, refused)),
            _ => None,
        }
    }

    /// What a change of the policies shows: the first line of an error, for the others are a picture.
    pub fn of_policies(time: &str, state: &PolicyState) -> Self {
        let error = state.error.lines().next();
        let revision = state.revision.map_or_else(|| "none".to_owned(), |revision| revision.to_string());
        let detail = match (error, state.nothing_in_force) {
            (Some(error), false) => format!("{} the rules stay as they were", sentence(error)),
            (Some(error), true) => format!("{} nothing is in force since the restart", sentence(error)),
            (None, _) if state.policies == 1 => format!("revision {revision} in force, 1 policy"),
            (None, _) => format!("revision {revision} in force, {} policies", state.policies),
        };
        Self {
            detail: Some(detail),
            reason: error.map(|_| EDIT_REFUSED.to_owned()),
            ..Self::empty(time, Kind::Policies)
        }
    }

    /// What was asked for: a request, or what else there is to say of a connection.
    pub fn request(&self) -> String {
        match (&self.method, &self.path, &self.protocol) {
            (Some(method), Some(path), _) => format!("{method:<4} {path}"),
            (_, _, Some(protocol)) => format!("{protocol} stream"),
            _ => "connection".to_owned(),
        }
    }

    /// How it counts in the summary; `None` when it is not a call.
    pub fn outcome(&self) -> Option<Outcome> {
        match (self.kind, self.verdict) {
            (Kind::SessionRefused, _) => Some(Outcome::Denied),
            (Kind::Call, Some("deny")) if self.status == Some(UNAVAILABLE) => Some(Outcome::Failed),
            (Kind::Call, Some("deny")) => Some(Outcome::Denied),
            // Its reason is that of the refusal which was not made.
            (Kind::Call, Some(WOULD_DENY)) => Some(Outcome::Allowed),
            (Kind::Call, _) if self.reason.as_deref().is_some_and(is_by_application) => {
                Some(Outcome::Unanswered)
            }
            (Kind::Call, _) if self.reason.as_deref().is_some_and(is_failure) => Some(Outcome::Failed),
            (Kind::Call, _) => Some(Outcome::Allowed),
            (Kind::Identity | Kind::Quarantine | Kind::Process | Kind::Policies | Kind::Log, _) => None,
        }
    }

    fn of_call(line: &Line, call: &Call) -> Self {
        let (verdict, reason) = match call.verdict {
            Verdict::Allow => ("allow", &call.error),
            Verdict::Deny => ("deny", &call.denial_reason),
        };
        let tls = call
            .session
            .as_ref()
            .map(|facts| Tls { version: facts.tls_version.clone(), group: facts.group.clone() });
        Self {
            src: call.source.clone(),
            dst: call.destination.clone(),
            protocol: Some(call.protocol.clone()),
            method: known(&call.method),
            path: known(&call.path),
            verdict: Some(verdict),
            policy: call.policy.clone(),
            rule: call.rule.clone(),
            reason: reason.clone(),
            detail: call.denial_detail.clone(),
            status: call.status,
            latency_us: Some(call.duration_us),
            request_bytes: call.request_bytes,
            response_bytes: call.response_bytes,
            tls,
            serial: call.session.as_ref().map(|facts| facts.peer_serial.clone()),
            denial_id: call.denial_id.clone(),
            ..Self::empty(&line.time, Kind::Call)
        }
    }

    fn of_would_deny(line: &Line, call: &Call, would_deny: &WouldDeny) -> Self {
        Self {
            verdict: Some(WOULD_DENY),
            reason: Some(would_deny.reason.clone()),
            detail: Some(would_deny.detail.clone()),
            denial_id: Some(would_deny.id.clone()),
            ..Self::of_call(line, call)
        }
    }

    fn of_refused(line: &Line, refused: &SessionRefused) -> Self {
        let own = Some(line.workload.clone());
        let (src, dst) = match refused.direction {
            Direction::Inbound => (None, own),
            Direction::Outbound => (own, None),
        };
        Self {
            src,
            dst,
            verdict: Some("deny"),
            reason: Some(refused.reason.clone()),
            detail: Some(format!("{} ({})", refused.detail, refused.client_address)),
            denial_id: Some(refused.denial_id.clone()),
            ..Self::empty(&line.time, Kind::SessionRefused)
        }
    }

    /// Each sidecar tells when it has it in force: who is cut off, where, and since which revision.
    fn of_quarantine(line: &Line, quarantine: &Quarantine) -> Self {
        let now = match quarantine.change {
            QuarantineChange::Added => "cut off",
            QuarantineChange::Removed => "let in again",
        };
        Self {
            src: Some(quarantine.identity.clone()),
            dst: Some(line.workload.clone()),
            detail: Some(format!("{now} since revision {}", quarantine.revision)),
            ..Self::empty(&line.time, Kind::Quarantine)
        }
    }

    fn of_renewal(line: &Line, renewed: &SvidRenewed) -> Option<Self> {
        let previous = renewed.previous.as_deref()?;
        let detail = format!("{}→{}", short_serial(previous), short_serial(&renewed.serial));
        Some(Self {
            src: Some(line.workload.clone()),
            detail: Some(detail),
            serial: Some(renewed.serial.clone()),
            ..Self::empty(&line.time, Kind::Identity)
        })
    }
}

/// An opaque stream has neither method nor path, and not every name is known.
fn known(text: &str) -> Option<String> {
    json::known(text).map(str::to_owned)
}

/// Whether this line is the one that shows its call. Inbound lines carry the decision. The caller's side adds only
/// what never got that far: its own refusals, and what broke on the way.
fn is_shown(call: &Call) -> bool {
    match (call.direction, call.verdict) {
        (Direction::Inbound, _) => true,
        (Direction::Outbound, Verdict::Deny) => call.denial_reason.as_deref() != Some(MIRRORED),
        // What egress would refuse nobody else sees.
        (Direction::Outbound, Verdict::Allow) => {
            call.would_deny.is_some() || call.error.as_deref().is_some_and(is_failure)
        }
    }
}

fn is_failure(code: &str) -> bool {
    !NOT_OURS.contains(&code)
}

fn is_by_application(code: &str) -> bool {
    code.starts_with(BY_APPLICATION)
}

/// With a mark at its end, so that another can follow.
fn sentence(text: &str) -> String {
    let text = text.trim_end();
    if text.ends_with(['?', '.', '!', ';']) { text.to_owned() } else { format!("{text};") }
}

fn short_serial(serial: &str) -> String {
    let start: String = serial.chars().take(4).collect();
    format!("{start}…")
}

/// How many calls there were, and what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Calls that were allowed.
    pub allowed: u64,
    /// Calls and connections that were refused.
    pub denied: u64,
    /// Calls that were allowed, and that the application did not answer.
    pub unanswered: u64,
    /// Calls that the mesh could not carry.
    pub failed: u64,
}

impl Tally {
    /// Counts one more.
    pub fn count(&mut self, shown: &Shown) {
        match shown.outcome() {
            Some(Outcome::Allowed) => self.allowed += 1,
            Some(Outcome::Denied) => self.denied += 1,
            Some(Outcome::Unanswered) => self.unanswered += 1,
            Some(Outcome::Failed) => self.failed += 1,
            None => {}
        }
    }

    /// One sentence. Applications that fail are mentioned when there are any, the mesh always.
    pub fn summary(&self) -> String {
        let Self { allowed, denied, unanswered, failed } = self;
        let calls = allowed + denied + unanswered + failed;
        let by_application = match unanswered {
            0 => String::new(),
            _ => format!(" {unanswered} failed in the application,"),
        };
        format!(
            "{calls} calls: {allowed} allowed, {denied} denied,{by_application} {failed} failed by the mesh"
        )
    }
}

#[cfg(test)]
mod tests;
