//! What a process remembers of chains that it verified, so that a peer which comes back pays only for its proof of
//! possession. Owns what makes it forget: another set of bundles, an end of time, a clock that went back, and too much to
//! remember. Neither the peer's signature nor whom was expected is ever remembered; that a chain is remembered only of a
//! peer which passed both is for whoever holds the handshake.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use kith_identity::svid::KeyHash;
use kith_identity::{BundleSet, TrustDomain};
use rustls::pki_types::CertificateDer;

use crate::chain::read_leaf;
use crate::digest::chain_digest;
use crate::error::Refusal;
use crate::path::Role;
use crate::verified_chain::VerifiedChain;

/// As many peers as a busy service has; more are verified anew.
const MAX_ENTRIES: usize = 4096;
/// Certificates of all entries together: chains of an ordinary size fit whatever their number.
const MAX_BYTES: usize = 16 * 1024 * 1024;
type Measure = fn(&Share) -> usize;
/// What is bounded over all trust domains, and where.
const BOUNDS: [(Measure, usize); 2] =
    [(|share| share.entries.len(), MAX_ENTRIES), (|share| share.bytes, MAX_BYTES)];
/// However long the certificates hold, what was right an hour ago is found out again.
const MAX_AGE: Duration = Duration::from_secs(3600);

/// Verified chains of one generation, which is one set of bundles with its distrust. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct ChainMemory(Arc<Mutex<Generation>>);

#[derive(Debug, Default)]
struct Generation {
    /// Held, so that no later set can be mistaken for it by its address.
    bundles: Option<Arc<BundleSet>>,
    /// One for each trust domain that somebody came from; the bounds are of all together.
    shares: HashMap<TrustDomain, Share>,
}

#[derive(Debug, Default)]
struct Share {
    entries: HashMap<Slot, Entry>,
    /// Slots in the order in which they were taken; the first goes first.
    order: VecDeque<Slot>,
    bytes: usize,
}

/// The key of an end certificate, in a role. One entry for each, so that whoever holds one key only ever pushes itself out:
/// behind whatever authorities it is shown, and under whatever signature (anybody turns one of ECDSA into another).
type Slot = (Role, KeyHash);

#[derive(Debug)]
struct Entry {
    /// Of the whole chain: with one byte more, less or other it is another one.
    digest: [u8; 32],
    chain: Arc<VerifiedChain>,
}

impl ChainMemory {
    /// Verifies a chain, or remembers that it was verified by these very bundles.
    pub(crate) fn verify(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        bundles: &Arc<BundleSet>,
        role: Role,
        now: SystemTime,
    ) -> Result<Arc<VerifiedChain>, Refusal> {
        // Before the first hash, and within the bounds of a chain: whoever sends 16 MB is not worth one.
        let leaf = read_leaf(end_entity, intermediates)?;
        let (trust_domain, slot) = (leaf.identity().trust_domain(), (role, leaf.key_hash()));
        let digest = chain_digest(std::iter::once(end_entity).chain(intermediates).map(|der| der.as_ref()));
        if let Some(chain) = self.generation(bundles).recall(trust_domain, slot, digest, now) {
            return Ok(chain);
        }
        VerifiedChain::verify(leaf, end_entity, intermediates, bundles, role, now).map(Arc::new)
    }

    /// Remembers a chain that these bundles verified, for others to come. It changes nothing if it is remembered already, or
    /// if other bundles are in force by now.
    pub(crate) fn remember(&self, chain: &Arc<VerifiedChain>, bundles: &Arc<BundleSet>) {
        let mut generation = self.lock();
        if generation.is_of(bundles) && !generation.has(chain) {
            let (slot, digest) = (slot_of(chain), chain_digest(chain.certificates()));
            let trust_domain = chain.identity().trust_domain().clone();
            generation.put(trust_domain, slot, Entry { digest, chain: Arc::clone(chain) });
        }
    }

    /// The generation of these bundles. A handshake that began under older ones turns the memory back: that costs the
    /// next handshake a verification, and never more.
    fn generation(&self, bundles: &Arc<BundleSet>) -> MutexGuard<'_, Generation> {
        let mut generation = self.lock();
        if !generation.is_of(bundles) {
            *generation = Generation { bundles: Some(Arc::clone(bundles)), ..Generation::default() };
        }
        generation
    }

    fn lock(&self) -> MutexGuard<'_, Generation> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generation {
    fn is_of(&self, bundles: &Arc<BundleSet>) -> bool {
        self.bundles.as_ref().is_some_and(|known| Arc::ptr_eq(known, bundles))
    }

    fn recall(
        &self,
        trust_domain: &TrustDomain,
        slot: Slot,
        digest: [u8; 32],
        now: SystemTime,
    ) -> Option<Arc<VerifiedChain>> {
        let Entry { digest: known, chain } = self.shares.get(trust_domain)?.entries.get(&slot)?;
        // An age that is negative is a clock that went back: what the earlier time proved, it did not prove now.
        let age = now.duration_since(chain.verified_at()).ok()?;
        let holds = *known == digest && age <= MAX_AGE && now <= chain.not_after();
        holds.then(|| Arc::clone(chain))
    }

    fn has(&self, chain: &Arc<VerifiedChain>) -> bool {
        let share = self.shares.get(chain.identity().trust_domain());
        let entry = share.and_then(|share| share.entries.get(&slot_of(chain)));
        entry.is_some_and(|entry| Arc::ptr_eq(&entry.chain, chain))
    }

    fn put(&mut self, trust_domain: TrustDomain, slot: Slot, entry: Entry) {
        self.shares.entry(trust_domain).or_default().put(slot, entry);
        while let Some(largest) = self.over_its_bounds() {
            largest.forget_oldest();
        }
    }

    /// While there is too much: the share that has most. No trust domain, however many svids it mints, pushes out another's
    /// for more than it has itself.
    fn over_its_bounds(&mut self) -> Option<&mut Share> {
        let sum = |of: Measure| self.shares.values().map(of).sum::<usize>();
        let (of, _) = BOUNDS.into_iter().find(|(of, most)| sum(*of) > *most)?;
        self.shares.values_mut().max_by_key(|share| of(share))
    }
}

impl Share {
    fn put(&mut self, slot: Slot, entry: Entry) {
        self.bytes += size(&entry);
        match self.entries.insert(slot, entry) {
            Some(replaced) => self.bytes -= size(&replaced),
            None => self.order.push_back(slot),
        }
    }

    fn forget_oldest(&mut self) {
        let oldest = self.order.pop_front().and_then(|slot| self.entries.remove(&slot));
        self.bytes -= oldest.map_or(0, |forgotten| size(&forgotten));
    }
}

fn slot_of(chain: &VerifiedChain) -> Slot {
    (chain.role(), chain.key_hash())
}

fn size(entry: &Entry) -> usize {
    entry.chain.certificates().map(<[u8]>::len).sum()
}

#[cfg(test)]
mod tests;
