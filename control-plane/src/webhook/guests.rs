//! Who is connected to the webhook, by address. Owns fairness (K21): one address that opens connections and sends bodies
//! slowly uses up its own share, and the API server, which comes from another one, keeps its own.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use kith_runtime::Newest;
use tokio::sync::Semaphore;

/// An API server has one connection, or a few.
const CONNECTIONS: usize = 64;
/// Questions of one address that are read and answered at once; more wait.
const QUESTIONS: usize = 16;
/// Questions of all addresses: each may take memory for a whole body.
const ALL_QUESTIONS: usize = 32;

/// Everybody who is connected.
#[derive(Debug)]
pub(super) struct Guests {
    all: Arc<Semaphore>,
    by_address: Mutex<HashMap<IpAddr, Weak<Guest>>>,
}

/// One address, for as long as it is connected.
#[derive(Debug)]
pub(super) struct Guest {
    /// One connection more than the share cuts off the oldest.
    pub(super) connections: Newest,
    questions: Semaphore,
    all: Arc<Semaphore>,
}

impl Guests {
    pub(super) fn new() -> Self {
        Self { all: Arc::new(Semaphore::new(ALL_QUESTIONS)), by_address: Mutex::default() }
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
            all: Arc::clone(&self.all),
        });
        by_address.insert(address, Arc::downgrade(&guest));
        guest
    }
}

impl Guest {
    /// Does the work when it is this address' turn, and among all when there is room.
    pub(super) async fn in_turn<T>(&self, work: impl Future<Output = T>) -> T {
        // The own share first: who waits for it takes no room from others. Neither is ever closed.
        let _own = self.questions.acquire().await;
        let _all = self.all.acquire().await;
        work.await
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
    async fn an_address_that_never_finishes_leaves_room_for_others() {
        let guests = Guests::new();
        let slow = guests.at(address(1));
        let stuck = join_all((0..1000).map(|_| slow.in_turn(pending::<()>())));
        let other = async {
            // After the others have taken what they can.
            tokio::task::yield_now().await;
            guests.at(address(2)).in_turn(async { "answered" }).await
        };
        let answered = tokio::select! {
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
