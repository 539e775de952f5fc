//! At most so many at once, and one more cuts off the oldest.
//!
//! For work that strangers begin and may never finish, such as handshakes: whoever opens many and stays silent only
//! pushes out its own, while one that gets on with it is through long before its turn comes.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// A bounded number of places; the newest keep theirs.
#[derive(Debug, Clone)]
pub struct Newest {
    places: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    /// By age.
    work: BTreeMap<u64, CancellationToken>,
}

/// Gives its place back, also when the work is dropped.
struct Place<'a> {
    newest: &'a Newest,
    number: u64,
}

impl Newest {
    /// So many places; none counts as one.
    pub fn new(places: usize) -> Self {
        Self { places: places.max(1), taken: Arc::default() }
    }

    /// Does the work in a place of its own. `None`: newer work took the place.
    pub async fn run<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let (place, pushed_out) = self.take();
        let done = tokio::select! {
            biased;
            done = work => Some(done),
            () = pushed_out.cancelled() => None,
        };
        drop(place);
        done
    }

    fn take(&self) -> (Place<'_>, CancellationToken) {
        let mut taken = self.lock();
        let number = taken.next;
        taken.next += 1;
        let pushed_out = CancellationToken::new();
        taken.work.insert(number, pushed_out.clone());
        if taken.work.len() > self.places
            && let Some((_, oldest)) = taken.work.pop_first()
        {
            oldest.cancel();
        }
        (Place { newest: self, number }, pushed_out)
    }

    /// A panic elsewhere leaves a map that is as good as before.
    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.newest.lock().work.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn one_more_cuts_off_the_oldest_and_no_other() {
        let newest = Newest::new(2);
        let mut first = Box::pin(newest.run(pending::<()>()));
        let mut second = Box::pin(newest.run(pending::<()>()));
        tokio::select! {
            biased;
            _ = &mut first => panic!("there is room"),
            _ = &mut second => panic!("there is room"),
            () = ready(()) => {}
        }
        assert_eq!(newest.run(ready(7)).await, Some(7));
        assert_eq!(first.await, None);
        tokio::select! {
            biased;
            _ = &mut second => panic!("it was not the oldest"),
            () = ready(()) => {}
        }
    }

    #[tokio::test]
    async fn a_place_is_given_back_when_the_work_is_done_or_dropped() {
        let newest = Newest::new(1);
        assert_eq!(newest.run(ready(1)).await, Some(1));
        {
            let mut dropped = Box::pin(newest.run(pending::<()>()));
            tokio::select! {
                biased;
                _ = &mut dropped => panic!("there is room"),
                () = ready(()) => {}
            }
        }
        assert!(newest.lock().work.is_empty());
    }
}
