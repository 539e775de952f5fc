//! What both directions know of an open session: its facts, its calls, and why it was cut.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use kith_mtls::Session;

use crate::identity_log::{Direction, Event, Log, SessionEnded, SessionFacts, SessionOpened};
use crate::refusal::Refusal;

/// Both ends of a session end it at the same second; whoever's timer fires first, the other sees a broken
/// connection. Within this time of the end that is what the end looks like from there.
const SAME_END: Duration = Duration::from_secs(1);

/// Numbers the sessions of one process.
#[derive(Debug, Default)]
pub(crate) struct SessionNumbers(AtomicU64);

impl SessionNumbers {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// An open session, shared by its calls.
#[derive(Debug, Clone)]
pub(crate) struct SessionState(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    direction: Direction,
    peer: String,
    facts: SessionFacts,
    calls: AtomicU64,
    open: AtomicU64,
    /// Why it was cut from here, and how many calls were open then.
    cut: OnceLock<(Refusal, u64)>,
    /// Calls that broke because the session was over.
    broken: AtomicU64,
    ends_at: SystemTime,
    replaced: AtomicBool,
}

impl SessionState {
    /// Registers a session that was just proven and logs that it is open. `None` when a side proved nothing, which
    /// the handshake does not let through.
    pub(crate) fn open<S>(
        direction: Direction,
        session: &Session<S>,
        numbers: &SessionNumbers,
        log: &Log,
    ) -> Option<Self> {
        let (peer, own) = (session.peer.as_ref()?, session.own.as_ref()?);
        let facts = SessionFacts {
            session: numbers.next(),
            tls_version: session.facts.version.to_owned(),
            group: session.facts.group.clone(),
            own_serial: own.serial().to_string(),
            peer_serial: peer.serial().to_string(),
        };
        log.write(Event::SessionOpened(SessionOpened {
            direction,
            peer: peer.identity().to_string(),
            alpn: session.facts.alpn.clone().unwrap_or_default(),
            facts: facts.clone(),
        }));
        Some(Self(Arc::new(Inner {
            direction,
            peer: peer.identity().to_string(),
            facts,
            calls: AtomicU64::new(0),
            open: AtomicU64::new(0),
            cut: OnceLock::new(),
            broken: AtomicU64::new(0),
            ends_at: session.ends_at()?,
            replaced: AtomicBool::new(false),
        })))
    }

    pub(crate) fn facts(&self) -> &SessionFacts {
        &self.0.facts
    }

    pub(crate) fn call_opened(&self) {
        self.0.calls.fetch_add(1, Ordering::Relaxed);
        self.0.open.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn call_closed(&self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many calls are open in it.
    pub(crate) fn open_calls(&self) -> u64 {
        self.0.open.load(Ordering::Relaxed)
    }

    /// Records why the session is about to be cut: its calls read it when they break. The code of the reason in force.
    pub(crate) fn cut(&self, because: Refusal) -> &'static str {
        // Only the first reason counts.
        self.0.cut.get_or_init(|| (because, self.0.open.load(Ordering::Relaxed))).0.reason
    }

    /// Why a call of this session broke at `now`, if it was for the session's end.
    pub(crate) fn cut_because(&self, now: SystemTime) -> Option<Refusal> {
        let from_here = self.0.cut.get().map(|(because, _)| because.clone());
        from_here.or_else(|| (now + SAME_END >= self.0.ends_at).then(Refusal::svid_expired))
    }

    /// One more call broke for that reason.
    pub(crate) fn call_broken(&self) {
        self.0.broken.fetch_add(1, Ordering::Relaxed);
    }

    /// A successor carries the calls from now on.
    pub(crate) fn replaced(&self) {
        self.0.replaced.store(true, Ordering::Relaxed);
    }

    /// Logs the end; `otherwise` is the reason when the session did not reach its end.
    pub(crate) fn ended(&self, otherwise: &'static str, log: &Log) {
        let quiet = if self.0.replaced.load(Ordering::Relaxed) { "replaced" } else { otherwise };
        let open = self.0.cut.get().map_or_else(|| self.0.open.load(Ordering::Relaxed), |(_, open)| *open);
        let broken = open + self.0.broken.load(Ordering::Relaxed);
        let over = self.cut_because(log.now()).filter(|_| broken > 0 || self.0.cut.get().is_some());
        log.write(Event::SessionEnded(SessionEnded {
            direction: self.0.direction,
            peer: self.0.peer.clone(),
            session: self.0.facts.session,
            reason: over.as_ref().map_or(quiet, |because| because.reason).to_owned(),
            calls: self.0.calls.load(Ordering::Relaxed),
            cut: over.map_or(0, |_| broken),
        }));
    }
}
