//! How many sessions or connections one peer holds, so that one that no rule allows anything cannot hold them all (D3, D14).

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use kith_identity::SpiffeId;

use crate::lock::lock;
use crate::refusal::Refusal;

/// By what a peer is known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Holder {
    Identity(SpiffeId),
    /// Of one that proved nothing.
    Address(IpAddr),
}

impl Holder {
    fn kind(&self) -> &'static str {
        match self {
            Self::Identity(_) => "identity",
            Self::Address(_) => "address",
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity(identity) => identity.fmt(f),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// Places of one worker, by holder.
#[derive(Debug, Clone)]
pub(crate) struct Shares {
    most: usize,
    held: Arc<Mutex<HashMap<Holder, usize>>>,
}

/// One place, given back when what took it ends.
#[derive(Debug)]
pub(crate) struct Share {
    shares: Shares,
    holder: Holder,
}

impl Shares {
    /// At most so many for each holder.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, held: Arc::default() }
    }

    /// A place for one more, or a refusal for this reason: the holder has all of `what` that it may have.
    pub(super) fn take_or_refuse(
        &self,
        holder: &Holder,
        reason: &'static str,
        what: &str,
    ) -> Result<Share, Refusal> {
        self.take(holder).ok_or_else(|| {
            let one = holder.kind();
            Refusal::unavailable(reason, format!("{holder} has all the {what} that one {one} may have"))
        })
    }

    /// A place for one more; `None` when the holder has all of its own.
    fn take(&self, holder: &Holder) -> Option<Share> {
        let mut held = lock(&self.held);
        let count = held.entry(holder.clone()).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Share { shares: self.clone(), holder: holder.clone() })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = lock(&self.shares.held);
        if let Some(count) = held.get_mut(&self.holder) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.holder);
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
        let id = |name: &str| Holder::Identity(id(name));
        let shares = Shares::new(2);
        let loud: Vec<_> = (0..3).map(|_| shares.take(&id("loud"))).collect();
        assert!(loud[1].is_some() && loud[2].is_none());
        assert!(shares.take(&id("quiet")).is_some());
        assert!(shares.take(&Holder::Address(IpAddr::from([10, 0, 0, 7]))).is_some());
        drop(loud);
        assert!(shares.take(&id("loud")).is_some());
        assert!(lock(&shares.held).is_empty(), "nothing is remembered of those who left");
    }
}
