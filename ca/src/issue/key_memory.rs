//! Whose key is it? One key proves one identity (C9): two identities with one key could not be told apart by
//! their signatures, and cutting one off would not cut off the other.
//!
//! Owns the memory of the keys that this process has certified. It is bounded and forgets the oldest first, and
//! it ends with the process; the keys of the authorities themselves are never forgotten.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use kith_identity::SpiffeId;
use kith_identity::svid::KeyHash;

use crate::issue::IssueError;

/// Keys remembered: at one renewal a second, those of the last 18 hours, in about 10 MiB.
const CAPACITY: usize = 65_536;

/// Remembers for whom each key was certified.
pub(crate) struct KeyMemory(Mutex<Owners>);

struct Owners {
    authorities: HashSet<KeyHash>,
    workloads: HashMap<KeyHash, SpiffeId>,
    /// The keys of `workloads`, oldest first.
    order: VecDeque<KeyHash>,
    capacity: usize,
}

impl KeyMemory {
    pub(crate) fn new(authorities: impl IntoIterator<Item = KeyHash>) -> Self {
        Self::with_capacity(authorities, CAPACITY)
    }

    fn with_capacity(authorities: impl IntoIterator<Item = KeyHash>, capacity: usize) -> Self {
        let authorities = authorities.into_iter().collect();
        let (workloads, order) = (HashMap::new(), VecDeque::new());
        Self(Mutex::new(Owners { authorities, workloads, order, capacity }))
    }

    /// A key that from now on is an authority's own.
    pub(crate) fn add_authority(&self, key: KeyHash) {
        self.owners(|owners| owners.authorities.insert(key));
    }

    /// Gives the key to the identity, unless it is somebody else's. Asking again for the same one is a retry.
    pub(crate) fn claim(&self, key: KeyHash, identity: &SpiffeId) -> Result<(), IssueError> {
        self.owners(|owners| owners.claim(key, identity))
    }

    fn owners<T>(&self, act: impl FnOnce(&mut Owners) -> T) -> T {
        // Nothing in here panics half way; should it ever, refusing to mint for good would be worse.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Owners {
    fn claim(&mut self, key: KeyHash, identity: &SpiffeId) -> Result<(), IssueError> {
        if self.authorities.contains(&key) {
            return Err(IssueError::AuthorityKey { key });
        }
        match self.workloads.get(&key) {
            Some(owner) if owner == identity => return Ok(()),
            Some(_) => return Err(IssueError::KeyReused { key }),
            None => {}
        }
        if self.workloads.len() >= self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.workloads.remove(&oldest);
        }
        self.workloads.insert(key, identity.clone());
        self.order.push_back(key);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u8) -> KeyHash {
        KeyHash::from_bytes([number; 32])
    }

    fn identity(name: &str) -> SpiffeId {
        SpiffeId::parse(&format!("spiffe://demo.local/ns/demo/sa/{name}")).unwrap()
    }

    // C9
    #[test]
    fn a_key_of_another_identity_is_refused_and_a_retry_is_not() {
        let memory = KeyMemory::new([]);
        memory.claim(key(1), &identity("web")).unwrap();
        memory.claim(key(1), &identity("web")).unwrap();
        let refused = memory.claim(key(1), &identity("orders"));
        assert!(matches!(refused, Err(IssueError::KeyReused { .. })), "{refused:?}");
        memory.claim(key(2), &identity("web")).unwrap();
    }

    // C9
    #[test]
    fn an_authority_s_key_is_refused_for_everybody_whenever_it_became_one() {
        let memory = KeyMemory::new([key(1)]);
        memory.add_authority(key(2));
        for number in [1, 2] {
            let refused = memory.claim(key(number), &identity("web"));
            assert!(matches!(refused, Err(IssueError::AuthorityKey { .. })), "{refused:?}");
        }
    }

    #[test]
    fn the_memory_is_bounded_and_forgets_the_oldest_first() {
        let memory = KeyMemory::with_capacity([], 2);
        for number in [1, 2, 3] {
            memory.claim(key(number), &identity("web")).unwrap();
        }
        assert_eq!(memory.owners(|owners| (owners.workloads.len(), owners.order.len())), (2, 2));
        assert!(memory.claim(key(3), &identity("orders")).is_err());
        assert!(memory.claim(key(1), &identity("orders")).is_ok());
    }
}
