//! The addresses that calls of the workload are for, which the control plane is told so that it says what is there.
//!
//! Owns the bound: an application can ask for any number of addresses. Those that are in use are kept, of the others the
//! most recently used; a flood of addresses pushes out its own.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use kith_proto::v1;
use tokio::sync::watch;

use crate::lock::lock;

/// So many at most.
const MOST: usize = 1_024;

/// What is subscribed to, shared by all workers and the stream.
#[derive(Debug)]
pub(crate) struct Subscriptions {
    held: Mutex<Held>,
    changed: watch::Sender<()>,
    connected: AtomicBool,
}

#[derive(Debug, Default)]
struct Held {
    /// Grows with each use: what was used last has the highest number.
    uses: u64,
    by_address: HashMap<SocketAddr, Entry>,
}

#[derive(Debug, Default)]
struct Entry {
    users: usize,
    last_use: u64,
}

/// One use of an address. It stays subscribed to for as long as this lives, and usually longer.
#[derive(Debug)]
pub(crate) struct Subscription {
    subscriptions: Arc<Subscriptions>,
    address: SocketAddr,
}

/// While this lives, there is a stream to the control plane.
#[derive(Debug)]
pub(crate) struct Connected<'a>(&'a AtomicBool);

impl Default for Subscriptions {
    fn default() -> Self {
        Self { held: Mutex::default(), changed: watch::Sender::new(()), connected: AtomicBool::new(false) }
    }
}

impl Subscriptions {
    /// Subscribes to an address. `None`: as many others as there may be are in use.
    pub(crate) fn hold(self: &Arc<Self>, address: SocketAddr) -> Option<Subscription> {
        let mut held = lock(&self.held);
        held.uses += 1;
        let last_use = held.uses;
        let is_new = !held.by_address.contains_key(&address);
        if is_new {
            held.make_room()?;
        }
        let entry = held.by_address.entry(address).or_default();
        entry.users += 1;
        entry.last_use = last_use;
        drop(held);
        if is_new {
            self.changed.send_replace(());
        }
        Some(Subscription { subscriptions: Arc::clone(self), address })
    }

    /// Whether the control plane hears of it.
    pub(crate) fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }

    /// A stream has opened.
    pub(crate) fn connected(&self) -> Connected<'_> {
        self.connected.store(true, Ordering::Relaxed);
        Connected(&self.connected)
    }

    /// Says when the list changes from now on.
    pub(crate) fn watch(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// The whole list.
    pub(crate) fn list(&self) -> v1::Subscribe {
        let mut addresses: Vec<_> = lock(&self.held).by_address.keys().map(ToString::to_string).collect();
        addresses.sort_unstable();
        v1::Subscribe { addresses }
    }
}

impl Held {
    fn make_room(&mut self) -> Option<()> {
        if self.by_address.len() >= MOST {
            let idle = self.by_address.iter().filter(|(_, entry)| entry.users == 0);
            let oldest = *idle.min_by_key(|(_, entry)| entry.last_use)?.0;
            self.by_address.remove(&oldest);
        }
        Some(())
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut held = lock(&self.subscriptions.held);
        held.uses += 1;
        let last_use = held.uses;
        if let Some(entry) = held.by_address.get_mut(&self.address) {
            entry.users -= 1;
            entry.last_use = last_use;
        }
    }
}

impl Drop for Connected<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: usize) -> SocketAddr {
        format!("10.1.{}.{}:80", number / 256, number % 256).parse().unwrap()
    }

    fn has(subscriptions: &Subscriptions, number: usize) -> bool {
        subscriptions.list().addresses.contains(&address(number).to_string())
    }

    #[test]
    fn what_was_called_stays_subscribed_to_after_the_call() {
        let subscriptions = Arc::new(Subscriptions::default());
        drop(subscriptions.hold(address(1)));
        assert_eq!(subscriptions.list().addresses, ["10.1.0.1:80"]);
    }

    #[test]
    fn only_a_new_address_is_news() {
        let subscriptions = Arc::new(Subscriptions::default());
        let mut changed = subscriptions.watch();
        let _one = subscriptions.hold(address(1));
        assert!(changed.has_changed().unwrap());
        changed.mark_unchanged();
        let _again = subscriptions.hold(address(1));
        assert!(!changed.has_changed().unwrap());
    }

    #[test]
    fn a_flood_of_addresses_pushes_out_the_oldest_that_is_not_in_use() {
        let subscriptions = Arc::new(Subscriptions::default());
        let _in_use = subscriptions.hold(address(0)).unwrap();
        drop(subscriptions.hold(address(1)));
        drop(subscriptions.hold(address(2)));
        drop(subscriptions.hold(address(1)));
        for number in 3..=MOST {
            drop(subscriptions.hold(address(number)));
        }
        assert!(has(&subscriptions, 0), "in use");
        assert!(has(&subscriptions, 1), "used after 2");
        assert!(!has(&subscriptions, 2));
        assert_eq!(subscriptions.list().addresses.len(), MOST);
    }

    #[test]
    fn what_is_in_use_is_never_pushed_out() {
        let subscriptions = Arc::new(Subscriptions::default());
        let mut held: Vec<_> = (0..MOST).map(|number| subscriptions.hold(address(number)).unwrap()).collect();
        assert!(subscriptions.hold(address(MOST)).is_none());
        assert!(subscriptions.hold(address(0)).is_some(), "known already");
        held.pop();
        assert!(subscriptions.hold(address(MOST)).is_some());
        assert!(!has(&subscriptions, MOST - 1));
    }

    #[test]
    fn it_is_connected_while_there_is_a_stream() {
        let subscriptions = Subscriptions::default();
        let connected = subscriptions.connected();
        assert!(subscriptions.is_connected());
        drop(connected);
        assert!(!subscriptions.is_connected());
    }
}
