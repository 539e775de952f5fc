//! One connection of the application, and what it is for. Owns the subscription to its address, how long a call waits
//! until it is known what is there, and the line of one that is not looked into.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::resolve::Choice;
use crate::capture::{Accepted, check_called};
use crate::control::Subscription;
use crate::enforced::Enforced;
use crate::identity_log::{Direction, Head, OpenCall};
use crate::refusal::Refusal;
use crate::worker::Shared;

/// The control plane answers from memory: it takes longer only when it is away, and may be back by then.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection of the application.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// The application's end.
    pub(super) from: SocketAddr,
    /// What the snapshot calls its destination.
    pub(super) name: Arc<str>,
    /// What it was for, in a pod; in local mode its port stands for a declared destination.
    pub(super) address: Option<SocketAddr>,
    /// Why its address is never called, whatever a snapshot says.
    barred: Option<Refusal>,
    /// How long each of its calls waits to learn what is there.
    patience: Duration,
    /// The snapshot has the destination for as long as this is held.
    _subscription: Option<Subscription>,
}

impl Outgoing {
    /// Begins with what the connection is for, and waits until that is known, but not for ever. `declared` is what the
    /// port stands for.
    pub(super) async fn begin(shared: &Shared, declared: Option<Arc<str>>, accepted: Accepted) -> Self {
        let Accepted { peer: from, destination } = accepted;
        if let Some(name) = declared {
            let (barred, patience) = (None, Duration::ZERO);
            return Self { from, name, address: None, barred, patience, _subscription: None };
        }
        let subscribed = subscribe(shared, destination);
        let (barred, subscription) = match subscribed {
            Ok(subscription) => (None, Some(subscription)),
            Err(refusal) => (Some(refusal), None),
        };
        let mut outgoing = Self {
            from,
            name: destination.to_string().into(),
            address: Some(destination),
            patience: if barred.is_some() { Duration::ZERO } else { PATIENCE },
            barred,
            _subscription: subscription,
        };
        if !outgoing.is_known(outgoing.in_force(shared).await.as_ref()) {
            // It was waited for once. The application asks again if it wants to, and is answered at once.
            outgoing.patience = Duration::ZERO;
        }
        outgoing
    }

    /// What is in force as soon as it says what is at the destination, or when the time for that is over.
    pub(super) async fn in_force(&self, shared: &Shared) -> Arc<Enforced> {
        let now = shared.enforced.borrow().clone();
        if self.patience.is_zero() || self.is_known(&now) {
            return now;
        }
        // On the heap: most calls find their destination known, and would carry its size along.
        Box::pin(self.wait(shared)).await
    }

    async fn wait(&self, shared: &Shared) -> Arc<Enforced> {
        let mut enforced = shared.enforced.clone();
        tokio::select! {
            // An error means that the control tasks are gone, and that is this very process ending.
            known = timeout(self.patience, enforced.wait_for(|enforced| self.is_known(enforced))) => drop(known),
            () = shared.stop.graceful() => {}
        }
        shared.enforced.borrow().clone()
    }

    /// Why no snapshot could make it go anywhere.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        self.barred.clone().map_or(Ok(()), Err)
    }

    /// What a line says of the connection as a whole: bytes, of which nobody knows more.
    pub(super) fn head(&self, shared: &Shared, choice: Option<&Choice<'_>>) -> Head {
        Head {
            direction: Direction::Outbound,
            source: Some(shared.identity.to_string()),
            destination: choice.map(|choice| choice.target.identity.to_string()),
            client_address: self.from.to_string(),
            method: String::new(),
            path: String::new(),
            protocol: "tcp",
            grpc: false,
        }
    }

    /// Begins a line. Of what has no identity yet, it says the address that was called.
    pub(super) fn begin_line(&self, shared: &Shared, enforced: &Enforced, head: Head) -> OpenCall {
        let called = self.address.filter(|_| head.destination.is_none());
        let mut open = OpenCall::begin(&shared.log, head);
        open.decided_at(enforced.revision().map(|revision| revision.to_string()));
        if let Some(address) = called {
            open.server_address(address);
        }
        open
    }

    fn is_known(&self, enforced: &Enforced) -> bool {
        enforced.destination(&self.name).is_some()
    }
}

fn subscribe(shared: &Shared, address: SocketAddr) -> Result<Subscription, Refusal> {
    if let Some(own) = shared.capture.own() {
        check_called(own, address)?;
    }
    shared.subscriptions.hold(address).ok_or_else(|| {
        let detail = "as many different addresses are being called now as one workload may";
        Refusal::unavailable("too_many_destinations", detail)
    })
}
