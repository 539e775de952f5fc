//! The open inbound calls of one worker, with what it takes to judge each of them again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use kith_identity::SpiffeId;

use super::Cut;
use crate::lock::lock;

/// What a call is judged by.
#[derive(Debug)]
pub(crate) struct Subject {
    /// The verified peer.
    pub(crate) source: SpiffeId,
    /// The port of the application.
    pub(crate) port: u16,
    pub(crate) method: String,
    /// As sent, without the query.
    pub(crate) path: String,
    pub(crate) grpc: bool,
}

/// All open calls of one worker. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Registry(Arc<Mutex<Open>>);

#[derive(Debug, Default)]
struct Open {
    next: u64,
    calls: HashMap<u64, (Arc<Subject>, Cut)>,
}

/// One call in the registry; it leaves when this is dropped.
#[derive(Debug)]
pub(crate) struct Entered {
    registry: Registry,
    number: u64,
    pub(crate) subject: Arc<Subject>,
    pub(crate) cut: Cut,
}

impl Registry {
    /// Enters a call. Before its first check: a change between the two then still finds it.
    pub(crate) fn enter(&self, subject: Subject) -> Entered {
        let (subject, cut) = (Arc::new(subject), Cut::default());
        let mut open = lock(&self.0);
        let number = open.next;
        open.next += 1;
        open.calls.insert(number, (Arc::clone(&subject), cut.clone()));
        Entered { registry: self.clone(), number, subject, cut }
    }

    /// The calls that are open now.
    pub(crate) fn open(&self) -> Vec<(Arc<Subject>, Cut)> {
        lock(&self.0).calls.values().cloned().collect()
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        lock(&self.registry.0).calls.remove(&self.number);
        self.cut.ended();
    }
}
