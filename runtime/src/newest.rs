//! At most so many at once, and one more cuts off the oldest; and of one address at most its share, of which one more cuts
//! off the oldest of that address alone.
//!
//! For work that strangers begin and may never finish, such as handshakes: whoever opens many and stays silent only
//! pushes out its own, while one that gets on with it is through long before its turn comes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::Future;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// A bounded number of places; the newest keep theirs.
#[derive(Debug, Clone)]
pub struct Newest {
    places: usize,
    share: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    /// By age.
    work: BTreeMap<u64, (Option<IpAddr>, CancellationToken)>,
    /// Of those who came from somewhere; nothing is kept of those who left.
    by_address: HashMap<IpAddr, BTreeSet<u64>>,
}

/// Gives its place back, also when the work is dropped.
struct Place<'a> {
    newest: &'a Newest,
    number: u64,
}

impl Newest {
    /// So many places; none counts as one.
    pub fn new(places: usize) -> Self {
        Self { places: places.max(1), share: places.max(1), taken: Arc::default() }
    }

    /// The same, of which one address may have so many; none counts as one.
    #[must_use]
    pub fn with_share(self, share: usize) -> Self {
        Self { share: share.max(1), ..self }
    }

    /// Does the work in a place of its own. `None`: newer work took the place.
    pub async fn run<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.run_of(None, work).await
    }

    /// The same for work that came from this address.
    pub async fn run_from<T>(&self, address: IpAddr, work: impl Future<Output = T>) -> Option<T> {
        self.run_of(Some(address), work).await
    }

    async fn run_of<T>(&self, address: Option<IpAddr>, work: impl Future<Output = T>) -> Option<T> {
        let (place, pushed_out) = self.take(address);
        let done = tokio::select! {
            biased;
            done = work => Some(done),
            () = pushed_out.cancelled() => None,
        };
        drop(place);
        done
    }

    fn take(&self, address: Option<IpAddr>) -> (Place<'_>, CancellationToken) {
        let mut taken = self.lock();
        let number = taken.next;
        taken.next += 1;
        let pushed_out = CancellationToken::new();
        taken.work.insert(number, (address, pushed_out.clone()));
        if let Some(address) = address {
            taken.by_address.entry(address).or_default().insert(number);
        }
        // An address that has more than its share makes room for itself, before anybody else has to.
        let out = taken.oldest_beyond(address, self.share);
        let out = out.or_else(|| taken.oldest_of_all().filter(|_| taken.work.len() > self.places));
        if let Some(out) = out {
            taken.remove(out);
        }
        (Place { newest: self, number }, pushed_out)
    }

    /// A panic elsewhere leaves maps that are as good as before.
    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn oldest_beyond(&self, address: Option<IpAddr>, share: usize) -> Option<u64> {
        let own = self.by_address.get(&address?).filter(|own| own.len() > share)?;
        own.first().copied()
    }

    fn oldest_of_all(&self) -> Option<u64> {
        self.work.first_key_value().map(|(number, _)| *number)
    }

    /// Ends the work, if it is still there, and all that is known of it.
    fn remove(&mut self, number: u64) {
        let Some((address, pushed_out)) = self.work.remove(&number) else { return };
        pushed_out.cancel();
        let Some(address) = address else { return };
        if let Some(own) = self.by_address.get_mut(&address) {
            own.remove(&number);
            if own.is_empty() {
                self.by_address.remove(&address);
            }
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.newest.lock().remove(self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

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

    type Stuck = Pin<Box<dyn Future<Output = Option<()>>>>;

    /// The address number `last`.
    fn address(last: usize) -> IpAddr {
        IpAddr::from([10, 0, 0, u8::try_from(last).unwrap()])
    }

    /// Work that came from there, has begun and never gets on.
    fn stuck(newest: &Newest, from: usize) -> Stuck {
        let newest = newest.clone();
        let mut one: Stuck = Box::pin(async move { newest.run_from(address(from), pending()).await });
        assert!(!is_cut(&mut one));
        one
    }

    fn is_cut(one: &mut Stuck) -> bool {
        match one.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => done.is_none(),
            Poll::Pending => false,
        }
    }

    /// Which of them were cut off.
    fn cut(all: &mut [Stuck]) -> Vec<usize> {
        let numbered = all.iter_mut().enumerate();
        numbered.filter_map(|(number, one)| is_cut(one).then_some(number)).collect()
    }

    // D3: also before any of what it pushed out has noticed.
    #[test]
    fn an_address_that_opens_any_number_pushes_out_its_own_and_nobody_elses() {
        for count in [1_usize, 7, 8, 9, 64, 1000] {
            let newest = Newest::new(64).with_share(8);
            let mut quiet: Vec<_> = (0..50).map(|from| stuck(&newest, 1 + from / 8)).collect();
            let mut loud: Vec<_> = (0..count).map(|_| stuck(&newest, 100)).collect();
            let expected: Vec<_> = (0..count.saturating_sub(8)).collect();
            assert_eq!(cut(&mut loud), expected, "{count}: the oldest of its own");
            assert!(cut(&mut quiet).is_empty(), "{count}: none of the others");
        }
    }

    // D3, for any order of coming and going: the model keeps a list.
    #[test]
    fn whatever_comes_and_goes_no_bound_is_passed_and_nobody_is_forgotten() {
        const PLACES: usize = 6;
        const SHARE: usize = 2;
        let mut seed = 7_u64;
        let mut next = move |below: usize| {
            // xorshift64: the same order each time.
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            usize::try_from(seed % below as u64).unwrap()
        };
        let newest = Newest::new(PLACES).with_share(SHARE);
        let mut open: Vec<(usize, Stuck)> = Vec::new();
        for step in 0..5_000 {
            if next(3) == 0 && !open.is_empty() {
                drop(open.remove(next(open.len())));
            } else {
                let from = next(5);
                open.push((from, stuck(&newest, from)));
                let own: Vec<_> = (0..open.len()).filter(|at| open[*at].0 == from).collect();
                let out = if own.len() > SHARE { own.first().copied() } else { None };
                if let Some(out) = out.or((open.len() > PLACES).then_some(0)) {
                    assert!(is_cut(&mut open.remove(out).1), "{step}");
                }
            }
            assert!(open.iter_mut().all(|(_, one)| !is_cut(one)), "{step}");
            let taken = newest.lock();
            let of_addresses: usize = taken.by_address.values().map(BTreeSet::len).sum();
            assert_eq!((taken.work.len(), of_addresses), (open.len(), open.len()), "{step}");
            assert!(taken.by_address.values().all(|own| !own.is_empty()), "{step}");
        }
    }
}
