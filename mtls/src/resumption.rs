//! Tickets for foreign clients, which open many short connections and know no other way to make them cheap. Owns what a
//! ticket is worth: one process and its credentials, one own svid, one set of bundles, one epoch of judgements, and no
//! second longer than the svids that proved the session it came from. Whom it brings back is verified anew by whoever
//! accepts the handshake; sessions between workloads of Kith are never resumed.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kith_identity::BundleSet;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::{ClientHello, ProducesTickets};
use zeroize::Zeroizing;

use crate::now::Now;
use crate::svid::Svid;
use crate::verifier::Outcome;

/// How many tickets a client gets at once: one for each connection of a small pool.
pub(crate) const TICKETS: usize = 2;
/// What the names of Kith's own protocols begin with.
const OWN_PROTOCOLS: [&[u8]; 2] = [b"kith/", b"kith-"];
/// In front of what rustls seals: when it ends, in seconds since 1970.
type Deadline = [u8; 8];

/// Whether a client is none of ours, by the protocols that it offers.
pub(crate) fn is_foreign(hello: &ClientHello<'_>) -> bool {
    !hello.alpn().into_iter().flatten().any(is_own)
}

/// Whether a protocol is spoken between workloads of Kith alone.
pub(crate) fn is_own(protocol: &[u8]) -> bool {
    OWN_PROTOCOLS.iter().any(|own| protocol.starts_with(own))
}

/// The keys that tickets are sealed with. They are made here, stay in memory, and go with what they were made for: a ticket
/// of another process, another workload or another generation is a run of bytes without meaning (L6).
#[derive(Debug, Default)]
pub(crate) struct Resumption(Mutex<Option<Generation>>);

#[derive(Debug)]
struct Generation {
    own: Arc<Svid>,
    bundles: Arc<BundleSet>,
    epoch: u64,
    sealer: Arc<dyn ProducesTickets>,
}

impl Resumption {
    /// What seals and opens now. A renewed svid, a new bundle, a newly distrusted authority and a new epoch each end all
    /// tickets (L5): what they were given for was judged by other facts.
    pub(crate) fn sealer(
        &self,
        own: &Arc<Svid>,
        bundles: &Arc<BundleSet>,
        epoch: u64,
    ) -> Result<Arc<dyn ProducesTickets>, rustls::Error> {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(generation) = &*current
            && Arc::ptr_eq(&generation.own, own)
            && Arc::ptr_eq(&generation.bundles, bundles)
            && generation.epoch == epoch
        {
            return Ok(Arc::clone(&generation.sealer));
        }
        let sealer = Ticketer::new()?;
        let (own, bundles) = (Arc::clone(own), Arc::clone(bundles));
        *current = Some(Generation { own, bundles, epoch, sealer: Arc::clone(&sealer) });
        Ok(sealer)
    }
}

/// The number of whatever else a ticket is worth no more than. Only whether it is the same matters.
#[derive(Clone)]
pub(crate) struct Epoch(Arc<dyn Fn() -> u64 + Send + Sync>);

impl Epoch {
    pub(crate) fn new(epoch: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(epoch))
    }

    pub(crate) fn number(&self) -> u64 {
        (self.0)()
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Epoch({})", self.number())
    }
}

/// What one handshake seals and opens. A ticket that ended opens nothing, and the handshake is a full one.
#[derive(Debug)]
pub(crate) struct Tickets {
    sealer: Arc<dyn ProducesTickets>,
    own: SystemTime,
    outcome: Outcome,
    /// The end of the ticket that this very handshake was resumed by: the next ticket does not reach beyond it, or a
    /// session could be carried on from ticket to ticket.
    restored: Mutex<Option<SystemTime>>,
    now: Now,
}

impl Tickets {
    /// For one handshake, in which `own` is shown and the client is judged into `outcome`.
    pub(crate) fn new(sealer: Arc<dyn ProducesTickets>, own: &Svid, outcome: Outcome, now: Now) -> Self {
        Self { sealer, own: own.not_after(), outcome, restored: Mutex::default(), now }
    }

    /// The last second of a ticket that is sealed now; none for a client that proved nothing.
    fn deadline(&self) -> Option<SystemTime> {
        let peer = match self.outcome.get() {
            Some(judgement) => judgement.ok().map(|peer| peer.not_after()),
            None => *self.restored(),
        };
        peer.map(|end| end.min(self.own))
    }

    fn restored(&self) -> MutexGuard<'_, Option<SystemTime>> {
        self.restored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    /// A hint to the client. What counts is in the ticket.
    fn lifetime(&self) -> u32 {
        let left = self.deadline().and_then(|end| end.duration_since(self.now.get()).ok());
        left.map_or(0, |left| u32::try_from(left.as_secs()).unwrap_or(u32::MAX))
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let end: Deadline = self.deadline()?.duration_since(UNIX_EPOCH).ok()?.as_secs().to_be_bytes();
        self.sealer.encrypt(&Zeroizing::new([&end, plain].concat()))
    }

    fn decrypt(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let opened = Zeroizing::new(self.sealer.decrypt(sealed)?);
        let (end, plain) = opened.split_first_chunk::<{ size_of::<Deadline>() }>()?;
        let end = UNIX_EPOCH.checked_add(Duration::from_secs(u64::from_be_bytes(*end)))?;
        if end < self.now.get() {
            return None;
        }
        // A client may offer several; whichever is taken, none of them reaches beyond the first to end.
        let mut restored = self.restored();
        *restored = Some(restored.map_or(end, |other| other.min(end)));
        Some(plain.to_vec())
    }
}
