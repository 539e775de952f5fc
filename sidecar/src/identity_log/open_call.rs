//! A call that is under way. It becomes exactly one line: when it finishes, or when it is dropped unfinished.

use std::net::SocketAddr;

use http::HeaderMap;
use tokio::time::Instant;

use crate::enforce::{Cut, Entered};
use crate::enforced::{Allowed, Posture};
use crate::identity_log::{Call, Direction, Event, Log, Verdict, WouldDeny};
use crate::refusal::{DenialId, Refusal};
use crate::session::SessionState;
use crate::tunnel::{Carried, End};

/// What is known when a call's head has arrived.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) direction: Direction,
    pub(crate) source: Option<String>,
    pub(crate) destination: Option<String>,
    pub(crate) client_address: String,
    /// Empty when the call is opaque, as is the path.
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) protocol: &'static str,
    pub(crate) grpc: bool,
}

/// What a peer chose stands in the log up to here: lines wait in memory and travel in messages, and neither may grow
/// with what a peer sends.
const MAX_PATH_BYTES: usize = 1024;
const MAX_METHOD_BYTES: usize = 64;
pub(crate) const MAX_DETAIL_BYTES: usize = 1024;
/// Marks what was cut short.
const CUT_MARK: &str = "...";

/// The reason of a refusal that the other side wrote.
pub(crate) const BY_PEER: &str = "refused_by_peer";

/// A call under way.
#[derive(Debug)]
pub(crate) struct OpenCall {
    /// `None` once the line was written.
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    call: Box<Call>,
    started: Instant,
    session: Option<SessionState>,
    /// What ends the connection in the clear that carries it, when no session does.
    connection: Option<Cut>,
    /// Of what is judged again while it is open: calls to the workload, and connections that leave the mesh.
    entered: Option<Entered>,
    log: Log,
}

impl OpenCall {
    pub(crate) fn begin(log: &Log, head: Head) -> Self {
        log.call_opened(head.direction);
        let call = Box::new(Call {
            direction: head.direction,
            source: head.source,
            destination: head.destination,
            client_address: head.client_address,
            server_address: None,
            method: shortened(head.method, MAX_METHOD_BYTES),
            path: shortened(head.path, MAX_PATH_BYTES),
            protocol: head.protocol.to_owned(),
            rpc_system: head.grpc.then(|| "grpc".to_owned()),
            status: None,
            verdict: Verdict::Allow,
            policy: None,
            rule: None,
            revision: None,
            denial_id: None,
            denial_reason: None,
            denial_detail: None,
            posture: None,
            would_deny: None,
            error: None,
            duration_us: 0,
            request_bytes: None,
            response_bytes: None,
            session: None,
        });
        Self {
            open: Some(Open {
                call,
                started: Instant::now(),
                session: None,
                connection: None,
                entered: None,
                log: log.clone(),
            }),
        }
    }

    /// The session that carries the call: its facts go into the line, and its end explains a cut.
    pub(crate) fn carried_by(&mut self, session: &SessionState) {
        if let Some(open) = &mut self.open {
            if let Some(before) = open.session.take() {
                before.call_closed();
            }
            session.call_opened();
            open.call.session = Some(session.facts().clone());
            open.session = Some(session.clone());
        }
    }

    /// The call stays in the registry for as long as it is open.
    pub(crate) fn entered(&mut self, entered: Entered) {
        if let Some(open) = &mut self.open {
            open.entered = Some(entered);
        }
    }

    /// What ends the call before its time.
    pub(crate) fn cut_signal(&self) -> Option<&Cut> {
        Some(&self.open.as_ref()?.entered.as_ref()?.cut)
    }

    /// Why the session was cut under the call, if it was.
    pub(crate) fn cut_because(&self) -> Option<Refusal> {
        let open = self.open.as_ref()?;
        open.session.as_ref()?.cut_because(open.log.now())
    }

    /// Nobody proved anything on the connection that carries the call; its end explains a cut.
    pub(crate) fn carried_in_the_clear(&mut self, connection: &Cut) {
        if let Some(open) = &mut self.open {
            open.connection = Some(connection.clone());
        }
    }

    /// Where the call is for, where that is not known from the workload alone.
    pub(crate) fn server_address(&mut self, address: SocketAddr) {
        if let Some(open) = &mut self.open {
            open.call.server_address = Some(address.to_string());
        }
    }

    /// How strictly it is judged.
    pub(crate) fn under(&mut self, posture: Posture) {
        if let Some(open) = &mut self.open {
            open.call.posture = match posture {
                Posture::Observe { .. } | Posture::Encrypt => Some(posture.name().to_owned()),
                Posture::Enforce => None,
            };
        }
    }

    /// Why it may pass.
    pub(crate) fn allowed(&mut self, why: &Allowed) {
        match why {
            Allowed::By(rule) => {
                if let Some(open) = &mut self.open {
                    open.call.policy = Some(rule.policy().to_owned());
                    open.call.rule = Some(rule.rule().to_owned());
                }
            }
            Allowed::Observed(refusal) => self.would_deny(refusal),
        }
    }

    /// It passes, and would not if what lets it through were stricter: logged under an id of its own.
    pub(crate) fn would_deny(&mut self, refusal: &Refusal) {
        if let Some(open) = &mut self.open {
            open.call.would_deny = Some(WouldDeny {
                id: DenialId::random().to_string(),
                reason: refusal.reason.to_owned(),
                detail: shortened(refusal.detail.clone(), MAX_DETAIL_BYTES),
            });
        }
    }

    /// The snapshot that decided.
    pub(crate) fn decided_at(&mut self, revision: Option<String>) {
        if let Some(open) = &mut self.open {
            open.call.revision = revision;
        }
    }

    /// The status that the application, or the peer, answered.
    pub(crate) fn answered(&mut self, status: u16) {
        if let Some(open) = &mut self.open {
            open.call.status = Some(status);
        }
    }

    /// The other sidecar refused: its line has the reason, ours has the same id.
    pub(crate) fn refused_by_peer(&mut self, id: &DenialId) {
        if let Some(open) = &mut self.open {
            open.call.verdict = Verdict::Deny;
            open.call.denial_id = Some(id.to_string());
            open.call.denial_reason = Some(BY_PEER.to_owned());
        }
    }

    /// The other side answered that it does not carry the call.
    pub(crate) fn failed(&mut self, error: &str) {
        if let Some(open) = &mut self.open {
            open.call.error = Some(error.to_owned());
        }
    }

    /// Ends a stream, whose caller is on the near side of an outbound tunnel and on the far side of an inbound one.
    pub(crate) fn tunnelled(mut self, carried: Carried) {
        let Some(open) = &mut self.open else { return };
        let Carried { to_far, to_near, end } = carried;
        let outbound = open.call.direction == Direction::Outbound;
        let (request, response) = if outbound { (to_far, to_near) } else { (to_near, to_far) };
        open.call.request_bytes = Some(request);
        open.call.response_bytes = Some(response);
        self.write(match end {
            End::Clean => None,
            End::NearAborted if outbound => Some("caller_aborted"),
            End::FarAborted if !outbound => Some("caller_aborted"),
            End::NearAborted | End::FarAborted => Some("destination_aborted"),
            End::Cut | End::NotAdmitted => Some("cut"),
        });
    }

    /// A gRPC call that failed says so in its trailers, not in its status.
    pub(crate) fn note_trailers(&mut self, trailers: &HeaderMap) {
        let failed = trailers.get("grpc-status").is_some_and(|status| status != "0");
        if let (true, Some(open)) = (failed, &mut self.open) {
            open.call.error = Some("grpc_status".to_owned());
        }
    }

    /// Ends the call as refused by us and returns the id under which it was logged.
    pub(crate) fn refuse(mut self, refusal: &Refusal) -> DenialId {
        let id = DenialId::random();
        if let Some(mut open) = self.open.take() {
            open.refused(refusal, &id);
            let (event, log) = open.into_event();
            log.write(event);
        }
        id
    }

    /// Ends the call; `error` is set when it did not end well.
    pub(crate) fn finish(mut self, error: Option<&'static str>) {
        self.write(error);
    }

    fn write(&mut self, error: Option<&'static str>) {
        let Some(mut open) = self.open.take() else { return };
        if let Some(because) = open.entered.as_ref().and_then(|entered| entered.cut.because()).cloned() {
            return open.write_cut(&because);
        }
        if let Some(code) = error {
            // A session that was over explains its calls better than the broken stream does.
            let over = open.carrier_cut_because();
            if let (Some(_), Some(session)) = (&over, &open.session) {
                session.call_broken();
            }
            match over {
                Some(because) if because.forbids() => return open.write_cut(&because),
                Some(because) => open.call.error = Some(because.reason.to_owned()),
                None => open.call.error = Some(code.to_owned()),
            }
        }
        let (event, log) = open.into_event();
        log.write(event);
    }
}

impl Open {
    fn carrier_cut_because(&self) -> Option<Refusal> {
        match &self.session {
            Some(session) => session.cut_because(self.log.now()),
            None => self.connection.as_ref()?.because().cloned(),
        }
    }

    fn refused(&mut self, refusal: &Refusal, id: &DenialId) {
        let call = &mut self.call;
        call.verdict = Verdict::Deny;
        call.status = Some(refusal.status.as_u16());
        call.denial_id = Some(id.to_string());
        call.denial_reason = Some(refusal.reason.to_owned());
        call.denial_detail = Some(shortened(refusal.detail.clone(), MAX_DETAIL_BYTES));
        // It was refused after all, and has that id.
        call.would_deny = None;
        call.policy.clone_from(&refusal.policy);
        call.rule.clone_from(&refusal.rule);
    }

    /// The answer had begun when the call was cut: it was allowed, and is not any more.
    fn write_cut(mut self, because: &Refusal) {
        let answered = self.call.status;
        self.refused(because, &DenialId::random());
        self.call.status = answered;
        self.call.error = Some("cut".to_owned());
        let (event, log) = self.into_event();
        log.write(event);
    }

    fn into_event(mut self) -> (Event, Log) {
        if let Some(session) = &self.session {
            session.call_closed();
        }
        self.call.duration_us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        (Event::Call(self.call), self.log)
    }
}

/// At most so many bytes, and a mark where something is missing.
pub(crate) fn shortened(mut text: String, most: usize) -> String {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
        text.push_str(CUT_MARK);
    }
    text
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.write(Some("caller_gone"));
    }
}
