//! How many sessions one identity holds, so that a peer that no rule allows anything cannot hold them all (D3, D14).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use kith_identity::SpiffeId;

use crate::lock::lock;

/// Sessions of one worker, by identity.
#[derive(Debug, Clone)]
pub(crate) struct Shares {
    most: usize,
    held: Arc<Mutex<HashMap<SpiffeId, usize>>>,
}

/// One session's place, given back when the session ends.
#[derive(Debug)]
pub(crate) struct Share {
    shares: Shares,
    identity: SpiffeId,
}

impl Shares {
    /// At most so many for each identity.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, held: Arc::default() }
    }

    /// A place for one more session; `None` when the identity has all of its own.
    pub(super) fn take(&self, identity: &SpiffeId) -> Option<Share> {
        let mut held = lock(&self.held);
        let count = held.entry(identity.clone()).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Share { shares: self.clone(), identity: identity.clone() })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = lock(&self.shares.held);
        if let Some(count) = held.get_mut(&self.identity) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.identity);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_identity_fills_its_own_share_and_no_other() {
        let id = |name: &str| SpiffeId::parse(&format!("spiffe://demo.local/ns/demo/sa/{name}")).unwrap();
        let shares = Shares::new(2);
        let loud: Vec<_> = (0..3).map(|_| shares.take(&id("loud"))).collect();
        assert!(loud[1].is_some() && loud[2].is_none());
        assert!(shares.take(&id("quiet")).is_some());
        drop(loud);
        assert!(shares.take(&id("loud")).is_some());
        assert!(lock(&shares.held).is_empty(), "nothing is remembered of those who left");
    }
}
