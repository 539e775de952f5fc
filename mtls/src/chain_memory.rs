//! What a process remembers of chains that it verified, so that a peer which comes back pays only for its proof of
//! possession. Owns what makes it forget: another set of bundles, an end of time, a clock that went back, and too much to
//! remember. Neither the peer's signature nor whom was expected is ever remembered.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use kith_identity::BundleSet;
use rustls::pki_types::CertificateDer;

use crate::digest::chain_digest;
use crate::error::Refusal;
use crate::path::Role;
use crate::verified_chain::VerifiedChain;

/// As many peers as a busy service has; more are verified anew.
const MAX_ENTRIES: usize = 4096;
/// Certificates of all entries together: chains of an ordinary size fit whatever their number.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// However long the certificates hold, what was right an hour ago is found out again.
const MAX_AGE: Duration = Duration::from_secs(3600);

/// Verified chains of one generation, which is one set of bundles with its distrust. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct ChainMemory(Arc<Mutex<Generation>>);

#[derive(Debug, Default)]
struct Generation {
    /// Held, so that no later set can be mistaken for it by its address.
    bundles: Option<Arc<BundleSet>>,
    entries: HashMap<Slot, Entry>,
    /// Slots in the order in which they were taken; the first goes first.
    order: VecDeque<Slot>,
    bytes: usize,
}

/// The digest of an end certificate, in a role. One entry for each, so that whoever holds one svid and presents it behind ever other authorities only ever
/// pushes itself out.
type Slot = (Role, [u8; 32]);

#[derive(Debug)]
struct Entry {
    /// The digest of what follows the end certificate. With the slot's, one byte more, less or other is another chain.
    rest: [u8; 32],
    proven_at: SystemTime,
    chain: Arc<VerifiedChain>,
}

impl ChainMemory {
    /// Verifies a chain, or remembers that it was verified by these very bundles. A refusal is not remembered.
    pub(crate) fn verify(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        bundles: &Arc<BundleSet>,
        role: Role,
        now: SystemTime,
    ) -> Result<Arc<VerifiedChain>, Refusal> {
        // Before the first hash: whoever sends 16 MB is not worth one.
        crate::chain::check_size(end_entity, intermediates)?;
        let slot = (role, chain_digest([end_entity.as_ref()]));
        let rest = chain_digest(intermediates.iter().map(|der| der.as_ref()));
        if let Some(chain) = self.generation(bundles).recall(slot, rest, now) {
            return Ok(chain);
        }
        let chain = Arc::new(VerifiedChain::verify(end_entity, intermediates, bundles, role, now)?);
        let entry = Entry { rest, proven_at: now, chain: Arc::clone(&chain) };
        self.generation(bundles).remember(slot, entry);
        Ok(chain)
    }

    /// The generation of these bundles. A handshake that began under older ones turns the memory back: that costs the
    /// next handshake a verification, and never more.
    fn generation(&self, bundles: &Arc<BundleSet>) -> MutexGuard<'_, Generation> {
        let mut generation = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !generation.bundles.as_ref().is_some_and(|known| Arc::ptr_eq(known, bundles)) {
            *generation = Generation { bundles: Some(Arc::clone(bundles)), ..Generation::default() };
        }
        generation
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.lock().unwrap().entries.len()
    }
}

impl Generation {
    fn recall(&self, slot: Slot, rest: [u8; 32], now: SystemTime) -> Option<Arc<VerifiedChain>> {
        let entry = self.entries.get(&slot)?;
        // An age that is negative is a clock that went back: what the earlier time proved, it did not prove now.
        let age = now.duration_since(entry.proven_at).ok()?;
        let holds = entry.rest == rest && age <= MAX_AGE && now <= entry.chain.not_after();
        holds.then(|| Arc::clone(&entry.chain))
    }

    fn remember(&mut self, slot: Slot, entry: Entry) {
        self.bytes += size(&entry);
        match self.entries.insert(slot, entry) {
            Some(replaced) => self.bytes -= size(&replaced),
            None => self.order.push_back(slot),
        }
        while self.entries.len() > MAX_ENTRIES || self.bytes > MAX_BYTES {
            let Some(oldest) = self.order.pop_front() else { break };
            self.bytes -= self.entries.remove(&oldest).map_or(0, |forgotten| size(&forgotten));
        }
    }
}

fn size(entry: &Entry) -> usize {
    entry.chain.certificates().map(<[u8]>::len).sum()
}

#[cfg(test)]
mod tests;
