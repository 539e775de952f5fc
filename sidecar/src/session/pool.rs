//! The sessions of one worker and one kind, one for each target, replaced before they end.
//!
//! A session that is due gets its successor beside it: calls go on over the old one until the new one is proven.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use kith_identity::SpiffeId;
use kith_mtls::{Client, ClientIdentity, Credentials, HandshakeError, Svid};
use kith_runtime::Tasks;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Carrier, Lifetime, SessionNumbers, SessionState, connect};
use crate::capture::OwnAddresses;
use crate::enforce::{Law, Registry};
use crate::identity_log::Log;
use crate::lock::lock;
use crate::refusal::Refusal;

/// A replacement that failed is not tried again before this: the old session still carries calls.
const REPLACEMENT_PAUSE: Duration = Duration::from_millis(250);

/// Where a session leads, and who must answer there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct SessionTarget {
    pub(crate) address: SocketAddr,
    pub(crate) identity: SpiffeId,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    #[error("{address} cannot be reached: {error}")]
    Unreachable { address: SocketAddr, error: io::Error },
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    #[error("the handshake proved nothing")]
    Unproven,
    #[error("the peer does not speak the protocol of Kith but {agreed:?}")]
    Protocol { agreed: Option<String> },
    #[error("{}", .0.detail)]
    Refused(Refusal),
    #[error("HTTP/2 could not be set up: {0}")]
    Http2(hyper::Error),
    #[error("HTTP/2 could not be set up: {0}")]
    Streams(h2::Error),
}

impl SessionError {
    /// Whether another endpoint might do better: it is not for what this side has or decided.
    pub(crate) fn is_of_endpoint(&self) -> bool {
        match self {
            Self::Refused(_) => false,
            Self::Handshake(error) => !matches!(
                error,
                HandshakeError::NoOwnSvid
                    | HandshakeError::OwnSvidExpired { .. }
                    | HandshakeError::OwnSvidNotYetValid { .. }
            ),
            Self::Unreachable { .. }
            | Self::Unproven
            | Self::Protocol { .. }
            | Self::Http2(_)
            | Self::Streams(_) => true,
        }
    }

    /// What the caller is told.
    pub(crate) fn refusal(&self) -> Refusal {
        let reason = match self {
            Self::Refused(refusal) => return refusal.clone(),
            Self::Unreachable { .. } => "destination_unreachable",
            Self::Handshake(error) => error.reason(),
            Self::Unproven | Self::Protocol { .. } | Self::Http2(_) | Self::Streams(_) => "session_failed",
        };
        Refusal::unavailable(reason, self.to_string())
    }
}

/// What it takes to open a session.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    pub(crate) credentials: Credentials,
    pub(crate) svid: watch::Receiver<Option<Arc<Svid>>>,
    pub(crate) law: Law,
    pub(crate) registry: Registry,
    pub(crate) log: Log,
    pub(crate) numbers: Arc<SessionNumbers>,
    pub(crate) tasks: Tasks,
    /// The worker has no call left, and opens none.
    pub(crate) drained: CancellationToken,
    /// Of the pod; none in local mode.
    pub(crate) own_addresses: Option<OwnAddresses>,
}

/// An open session; clones carry calls over the same one.
#[derive(Debug)]
pub(crate) struct OpenSession<C: Carrier> {
    pub(crate) sender: C::Sender,
    pub(crate) state: SessionState,
    pub(super) lifetime: Lifetime,
    pub(super) own: Arc<Svid>,
}

impl<C: Carrier> Clone for OpenSession<C> {
    fn clone(&self) -> Self {
        let Self { sender, state, lifetime, own } = self;
        Self { sender: sender.clone(), state: state.clone(), lifetime: *lifetime, own: Arc::clone(own) }
    }
}

/// The sessions of one worker.
#[derive(Debug)]
pub(crate) struct Pool<C: Carrier> {
    client: Client,
    parts: Parts,
    slots: Mutex<HashMap<SessionTarget, Arc<Slot<C>>>>,
}

#[derive(Debug)]
struct Slot<C: Carrier> {
    target: SessionTarget,
    current: Mutex<Option<OpenSession<C>>>,
    /// Held while a session is being opened: a burst of calls opens one.
    opening: tokio::sync::Mutex<()>,
    /// No replacement before this.
    pause_until: Mutex<Option<Instant>>,
    /// The number of attempts, and how the last one failed if it did.
    attempts: Mutex<(u64, Option<Arc<SessionError>>)>,
}

impl<C: Carrier> Pool<C> {
    pub(crate) fn new(parts: Parts) -> Self {
        let client = Client::new(parts.credentials.clone(), ClientIdentity::Svid, &[C::ALPN]);
        Self { client, parts, slots: Mutex::default() }
    }

    /// A session to the target: the open one, or a new one.
    pub(crate) async fn session(&self, target: &SessionTarget) -> Result<OpenSession<C>, Arc<SessionError>> {
        let slot = self.slot(target);
        if let Some(open) = slot.usable(self.parts.law.clock.now()) {
            if self.is_due(&slot, &open) {
                self.replace_beside(slot);
            }
            return Ok(open);
        }
        // On the heap: a handshake is large, and rare, and every call would carry its size along.
        Box::pin(self.open(&slot)).await
    }

    /// How many calls the session to the target carries now.
    pub(crate) fn open_calls(&self, target: &SessionTarget) -> u64 {
        let slots = lock(&self.slots);
        let current = slots.get(target).map(|slot| lock(&slot.current));
        current.and_then(|current| current.as_ref().map(|open| open.state.open_calls())).unwrap_or_default()
    }

    async fn open(&self, slot: &Slot<C>) -> Result<OpenSession<C>, Arc<SessionError>> {
        let (before, _) = *lock(&slot.attempts);
        let _turn = slot.opening.lock().await;
        if let Some(open) = slot.usable(self.parts.law.clock.now()) {
            return Ok(open);
        }
        // Whoever waited for an attempt takes its failure: one after the other, a burst of calls to a peer that
        // hangs would wait for as many limits.
        if let (number, Some(error)) = &*lock(&slot.attempts)
            && *number > before
        {
            return Err(Arc::clone(error));
        }
        let opened = connect::open(&self.client, &self.parts, &slot.target).await.map_err(Arc::new);
        let mut attempts = lock(&slot.attempts);
        *attempts = (attempts.0 + 1, opened.as_ref().err().cloned());
        drop(attempts);
        Ok(slot.put(opened?))
    }

    /// Targets are the endpoints of declared destinations, or of addresses that are called now, so the map is as small as the snapshot; slots whose
    /// session is gone are dropped when a new target appears.
    fn slot(&self, target: &SessionTarget) -> Arc<Slot<C>> {
        let mut slots = lock(&self.slots);
        if let Some(slot) = slots.get(target) {
            return Arc::clone(slot);
        }
        let now = self.parts.law.clock.now();
        slots.retain(|_, slot| slot.usable(now).is_some() || Arc::strong_count(slot) > 1);
        let slot = Arc::new(Slot {
            target: target.clone(),
            current: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
            pause_until: Mutex::default(),
            attempts: Mutex::default(),
        });
        slots.insert(target.clone(), Arc::clone(&slot));
        slot
    }

    /// Due by age, or because the own svid was renewed: the new key goes into use at once.
    fn is_due(&self, slot: &Slot<C>, open: &OpenSession<C>) -> bool {
        let now = self.parts.law.clock.now();
        let renewed =
            self.parts.svid.borrow().as_ref().is_some_and(|svid| svid.serial() != open.own.serial());
        let paused = lock(&slot.pause_until).is_some_and(|until| Instant::now() < until);
        (renewed || now >= open.lifetime.replace_at) && !paused
    }

    fn replace_beside(&self, slot: Arc<Slot<C>>) {
        let (client, parts) = (self.client.clone(), self.parts.clone());
        self.parts.tasks.spawn(async move {
            // Somebody else is at it already.
            let Ok(_turn) = slot.opening.try_lock() else {
                return;
            };
            match connect::open(&client, &parts, &slot.target).await {
                Ok(open) => drop(slot.put(open)),
                Err(error) => {
                    tracing::debug!(%error, target = %slot.target.identity, "Session not replaced");
                    *lock(&slot.pause_until) = Some(Instant::now() + REPLACEMENT_PAUSE);
                }
            }
        });
    }
}

impl<C: Carrier> Slot<C> {
    /// The current session, if a call sent over it now can still be answered.
    fn usable(&self, now: SystemTime) -> Option<OpenSession<C>> {
        let current = lock(&self.current);
        current.as_ref().filter(|open| !C::is_closed(&open.sender) && now < open.lifetime.ends_at).cloned()
    }

    /// The old session goes on until its calls are done; nobody starts a new one there.
    fn put(&self, open: OpenSession<C>) -> OpenSession<C> {
        *lock(&self.pause_until) = None;
        if let Some(old) = lock(&self.current).replace(open.clone()) {
            old.state.replaced();
        }
        open
    }
}
