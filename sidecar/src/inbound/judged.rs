//! What every call to the workload goes through, whatever carries it: its line is begun, it is entered in the registry, and
//! only then it is judged, by one snapshot.

use std::sync::Arc;

use super::session::Peer;
use crate::capture::Applications;
use crate::enforce::{Asked, Cut, InboundCall, Subject, decide_call};
use crate::enforced::{Enforced, Protocol};
use crate::identity_log::{Direction, Head, OpenCall};
use crate::refusal::{DenialId, Refusal};
use crate::worker::Worker;

/// A call that is open, and what decides about it.
pub(super) struct Judged {
    /// Its line.
    pub(super) open: OpenCall,
    /// Ends it before its time.
    pub(super) cut: Cut,
    call: Arc<InboundCall>,
    enforced: Arc<Enforced>,
}

/// What a line says of the request itself.
pub(super) struct Request {
    /// Empty when the call is opaque, as is the path.
    pub(super) method: String,
    pub(super) path: String,
    pub(super) protocol: &'static str,
    pub(super) grpc: bool,
}

impl Request {
    /// Of bytes that are not looked into.
    pub(super) fn opaque() -> Self {
        Self { method: String::new(), path: String::new(), protocol: "tcp", grpc: false }
    }

    /// The same, of bytes that are TLS of the application's own.
    pub(super) fn tls() -> Self {
        Self { protocol: "tls", ..Self::opaque() }
    }

    fn asked(&self) -> Asked {
        if self.method.is_empty() {
            return Asked::Opaque;
        }
        Asked::Http { method: self.method.clone(), path: self.path.clone(), grpc: self.grpc }
    }
}

impl Judged {
    /// Begins a call of this peer.
    pub(super) fn begin(worker: &Worker, peer: &Peer, request: Request) -> Self {
        let shared = &worker.shared;
        let call = Arc::new(InboundCall {
            caller: peer.proven.as_ref().map(|proven| Arc::clone(&proven.caller)),
            destination: shared.identity.clone(),
            port: peer.ends.application.port(),
            asked: request.asked(),
            session: peer.session.clone(),
        });
        let mut open = OpenCall::begin(
            &shared.log,
            Head {
                direction: Direction::Inbound,
                source: peer.identity().map(ToString::to_string),
                destination: Some(shared.identity.to_string()),
                client_address: peer.ends.from.to_string(),
                method: request.method,
                path: request.path,
                protocol: request.protocol,
                grpc: request.grpc,
            },
        );
        match &peer.proven {
            Some(proven) => open.carried_by(&proven.state),
            None => open.carried_in_the_clear(&peer.session),
        }
        // Of a pod it says which of its ports was called. In local mode the connection was for the sidecar itself.
        if shared.applications == Applications::OriginalDestination {
            open.server_address(peer.ends.destination);
        }
        let entered = worker.registry.enter(Subject::Call(Arc::clone(&call)));
        let cut = entered.cut.clone();
        open.entered(entered);
        let enforced = shared.enforced.borrow().clone();
        open.decided_at(enforced.revision().map(|revision| revision.to_string()));
        Self { open, cut, call, enforced }
    }

    /// Decides, and says in the line what it was that allowed the call.
    pub(super) fn decide(&mut self, worker: &Worker) -> Result<(), Refusal> {
        let now = worker.shared.clock.now();
        self.open.under(self.enforced.posture(now));
        self.open.allowed(&decide_call(&self.enforced, &self.call, now)?);
        Ok(())
    }

    /// What the port speaks that the call is for.
    pub(super) fn protocol(&self) -> Protocol {
        self.enforced.protocol_of(self.call.port)
    }

    /// Ends the call as refused.
    pub(super) fn refuse(self, refusal: &Refusal) -> DenialId {
        self.open.refuse(refusal)
    }
}
