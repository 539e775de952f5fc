//! Which of several endpoints a call takes: of two random ones that which carries less for this worker. Owns the choice, and
//! which endpoints are avoided because they could not be reached a moment ago.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::lock::lock;
use crate::random;

/// Long enough that a burst of calls does not run into the same wall, short enough that a restart is not noticed.
const AVOIDED: Duration = Duration::from_secs(1);

/// What one worker knows of endpoints.
#[derive(Debug, Default)]
pub(crate) struct Balance {
    /// Until when.
    avoided: Mutex<HashMap<SocketAddr, Instant>>,
}

impl Balance {
    /// One of the endpoints; one that is avoided only when all are. `load` is what an endpoint carries now.
    pub(super) fn pick<T: Copy>(
        &self,
        endpoints: &[T],
        address: impl Fn(T) -> SocketAddr,
        load: impl Fn(T) -> u64,
    ) -> Option<T> {
        if let [only] = endpoints {
            return Some(*only);
        }
        let usable = self.usable(endpoints, address);
        let endpoints = usable.as_deref().unwrap_or(endpoints);
        let (one, other) = two_of(endpoints.len())?;
        let (one, other) = (endpoints[one], endpoints[other]);
        Some(if load(other) < load(one) { other } else { one })
    }

    /// It could not be reached.
    pub(super) fn failed(&self, address: SocketAddr) {
        let now = Instant::now();
        let mut avoided = lock(&self.avoided);
        // What is over leaves here, so that no more are kept than fail in that time.
        avoided.retain(|_, until| now < *until);
        avoided.insert(address, now + AVOIDED);
    }

    /// `None`: all of them, or none.
    fn usable<T: Copy>(&self, endpoints: &[T], address: impl Fn(T) -> SocketAddr) -> Option<Vec<T>> {
        let avoided = lock(&self.avoided);
        if avoided.is_empty() {
            return None;
        }
        let now = Instant::now();
        let is_avoided = |endpoint: T| avoided.get(&address(endpoint)).is_some_and(|until| now < *until);
        let usable: Vec<_> = endpoints.iter().copied().filter(|endpoint| !is_avoided(*endpoint)).collect();
        (!usable.is_empty()).then_some(usable)
    }
}

/// Two different numbers below `count`, when there are two.
fn two_of(count: usize) -> Option<(usize, usize)> {
    let one = below(count)?;
    let other = below(count - 1).map_or(one, |other| if other < one { other } else { other + 1 });
    Some((one, other))
}

/// A random number below `count`. The bias of the remainder is below one in 2^32 for any number of endpoints that there can
/// be.
pub(super) fn below(count: usize) -> Option<usize> {
    let number = u64::from_be_bytes(random::bytes()).checked_rem(u64::try_from(count).ok()?)?;
    usize::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const MANY: usize = 200;

    fn endpoints(count: u16) -> Vec<SocketAddr> {
        (1..=count).map(|port| SocketAddr::from(([10, 0, 0, 1], port))).collect()
    }

    fn picked(balance: &Balance, endpoints: &[SocketAddr], load: impl Fn(SocketAddr) -> u64) -> HashSet<u16> {
        let picks = (0..MANY).filter_map(|_| balance.pick(endpoints, |address| address, &load));
        picks.map(|address| address.port()).collect()
    }

    #[test]
    fn without_a_load_every_endpoint_gets_calls_and_no_endpoint_is_none() {
        let balance = Balance::default();
        assert_eq!(picked(&balance, &endpoints(3), |_| 0).len(), 3);
        assert_eq!(picked(&balance, &endpoints(1), |_| 0).len(), 1);
        assert!(picked(&balance, &[], |_| 0).is_empty());
    }

    #[test]
    fn the_one_that_carries_most_gets_no_call_while_another_carries_less() {
        let load = |address: SocketAddr| u64::from(address.port());
        assert_eq!(picked(&Balance::default(), &endpoints(3), load), HashSet::from([1, 2]));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_could_not_be_reached_is_avoided_for_a_second_unless_all_are() {
        let (balance, endpoints) = (Balance::default(), endpoints(2));
        balance.failed(endpoints[0]);
        assert_eq!(picked(&balance, &endpoints, |_| 0), HashSet::from([2]));
        balance.failed(endpoints[1]);
        assert_eq!(picked(&balance, &endpoints, |_| 0).len(), 2);
        tokio::time::advance(AVOIDED).await;
        assert_eq!(picked(&balance, &endpoints, |_| 0).len(), 2);
        balance.failed(endpoints[1]);
        assert_eq!(lock(&balance.avoided).len(), 1, "what is over is forgotten");
    }
}
