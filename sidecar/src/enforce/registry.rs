//! What is open in one worker, with what it takes to judge each of it again: the calls to the workload, the sessions in
//! either direction, the connections in the clear that a namespace in Observe still takes, and those of the application
//! that leave the mesh.
//!
//! A call of the workload is open in a session that was opened for one identity alone, and what could end it before its
//! time ends that session: it is not entered by itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use kith_identity::SpiffeId;
use kith_identity::svid::Serial;
use kith_mtls::VerifiedPeer;
use kith_policy::Request;

use super::Cut;
use crate::lock::lock;

/// What is judged.
#[derive(Debug, Clone)]
pub(crate) enum Subject {
    /// A call to the workload: the policies decide.
    Call(Arc<InboundCall>),
    /// A session with a peer: whether it may be, and whether what proved it still counts.
    Session(Arc<VerifiedPeer>),
    /// A connection in the clear, which carries calls: whether there may be any.
    Plaintext,
    /// A connection of the application that leaves the mesh, and where to: whether any may.
    Egress(Arc<str>),
    /// One to where the pod asks for names: whether the workload may call at all.
    Names,
}

/// What a call to the workload is judged by.
#[derive(Debug)]
pub(crate) struct InboundCall {
    /// `None`: it proved nothing.
    pub(crate) caller: Option<Arc<Caller>>,
    /// The workload.
    pub(crate) destination: SpiffeId,
    /// The port of the application.
    pub(crate) port: u16,
    pub(crate) asked: Asked,
    /// Ends the session, or the connection in the clear, that carries the call.
    pub(crate) session: Cut,
}

/// Who calls, as the session proved it.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) identity: SpiffeId,
    /// Of the svid that proved it.
    pub(crate) serial: Serial,
}

/// What a call asks for.
#[derive(Debug)]
pub(crate) enum Asked {
    /// Bytes that are not looked into.
    Opaque,
    /// One HTTP request; the path as sent, without the query.
    Http { method: String, path: String, grpc: bool },
}

impl Asked {
    /// As the policies see it.
    pub(super) fn as_request(&self) -> Request<'_> {
        match self {
            Self::Opaque => Request::Opaque,
            Self::Http { method, path, grpc } => Request::Http { method, path, grpc: *grpc },
        }
    }
}

/// Everything open in one worker. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Registry(Arc<Mutex<Open>>);

#[derive(Debug, Default)]
struct Open {
    next: u64,
    entries: HashMap<u64, (Subject, Cut)>,
}

/// One entry of the registry; it leaves when this is dropped.
#[derive(Debug)]
pub(crate) struct Entered {
    registry: Registry,
    number: u64,
    pub(crate) cut: Cut,
}

impl Registry {
    /// Enters what is to be judged. Before its first check: a change between the two then still finds it.
    pub(crate) fn enter(&self, subject: Subject) -> Entered {
        let cut = Cut::default();
        let mut open = lock(&self.0);
        let number = open.next;
        open.next += 1;
        open.entries.insert(number, (subject, cut.clone()));
        Entered { registry: self.clone(), number, cut }
    }

    /// The sessions of calls that were cut and are still open: somebody has stopped reading, and nobody asks their
    /// bodies for what is next.
    pub(super) fn stuck(&self) -> Vec<Cut> {
        let open = lock(&self.0);
        let stuck = open.entries.values().filter_map(|(subject, cut)| match subject {
            Subject::Call(call) if cut.because().is_some() => Some(call.session.clone()),
            Subject::Call(_)
            | Subject::Session(_)
            | Subject::Plaintext
            | Subject::Egress(_)
            | Subject::Names => None,
        });
        stuck.collect()
    }

    /// What is open now.
    pub(super) fn open(&self) -> Vec<(Subject, Cut)> {
        lock(&self.0).entries.values().cloned().collect()
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        lock(&self.registry.0).entries.remove(&self.number);
        self.cut.ended();
    }
}
