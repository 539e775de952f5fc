//! Who is connected to the webhook, by address. Owns fairness (K21): one address that opens connections and sends bodies
//! slowly uses up its own share, and the API server, which comes from another one, keeps its own.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use kith_runtime::Newest;
use tokio::sync::{Semaphore, SemaphorePermit};

/// An API server has one connection, or a few.
const CONNECTIONS: usize = 64;
/// Questions of one address that are read and answered at once; more wait. No other address waits for them.
const QUESTIONS: usize = 16;
/// Large bodies of all addresses: what they take of memory is bounded. An ordinary pod's is none.
const LARGE_BODIES: usize = 32;

/// Everybody who is connected.
#[derive(Debug)]
pub(super) struct Guests {
    large: Arc<Semaphore>,
    by_address: Mutex<HashMap<IpAddr, Weak<Guest>>>,
}

/// One address, for as long as it is connected.
#[derive(Debug)]
pub(super) struct Guest {
    /// One connection more than the share cuts off the oldest.
    pub(super) connections: Newest,
    questions: Semaphore,
    large: Arc<Semaphore>,
}

impl Guests {
    pub(super) fn new() -> Self {
        Self { large: Arc::new(Semaphore::new(LARGE_BODIES)), by_address: Mutex::default() }
    }

    /// The same for all connections of an address.
    pub(super) fn at(&self, address: IpAddr) -> Arc<Guest> {
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(guest) = by_address.get(&address).and_then(Weak::upgrade) {
            return guest;
        }
        by_address.retain(|_, guest| guest.strong_count() > 0);
        let guest = Arc::new(Guest {
            connections: Newest::new(CONNECTIONS),
            questions: Semaphore::new(QUESTIONS),
            large: Arc::clone(&self.large),
        });
        by_address.insert(address, Arc::downgrade(&guest));
        guest
    }
}

impl Guest {
    /// Does the work when it is this address' turn.
    pub(super) async fn in_turn<T>(&self, work: impl Future<Output = T>) -> T {
        // Never closed.
        let _turn = self.questions.acquire().await;
        work.await
    }

    /// Room for a large body, among all addresses, for as long as it is kept.
    pub(super) async fn room(&self) -> SemaphorePermit<'_> {
        self.large.acquire().await.expect("it is never closed")
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::time::Duration;

    use futures_util::future::join_all;
    use tokio::time::timeout;

    use super::*;

    fn address(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    // K21
    #[tokio::test(start_paused = true)]
    async fn addresses_that_never_finish_leave_others_their_turns() {
        let guests = Guests::new();
        let slow: Vec<_> = (2..20).map(|last| guests.at(address(last))).collect();
        let stuck = join_all(slow.iter().flat_map(|slow| (0..100).map(|_| slow.in_turn(pending::<()>()))));
        let other = async {
            // After the others have taken what they can.
            tokio::task::yield_now().await;
            guests.at(address(1)).in_turn(async { "answered" }).await
        };
        let answered = tokio::select! {
            biased;
            _ = stuck => panic!("they never finish"),
            answered = timeout(Duration::from_secs(1), other) => answered,
        };
        assert_eq!(answered, Ok("answered"));
    }

    #[tokio::test]
    async fn an_address_is_forgotten_with_its_last_connection() {
        let guests = Guests::new();
        let (first, second) = (guests.at(address(1)), guests.at(address(1)));
        assert!(Arc::ptr_eq(&first, &second));
        drop((first, second));
        let _other = guests.at(address(2));
        assert_eq!(guests.by_address.lock().unwrap().len(), 1);
    }
}
