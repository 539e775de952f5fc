//! How many tokens that turn out bad the API server is asked about (U10). Owns the buckets: a question takes one from each
//! of its payer's, and a good answer gives it back, so only bad tokens are ever slowed down.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::index::WorkloadId;

/// Who pays for a question.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Payer {
    /// A pod that is known, asking from its own address: nobody else can use its bucket up.
    Pod(WorkloadId),
    /// Anybody else, by where it is: from its own bucket, and from the one that all of them share.
    Stranger(Option<IpAddr>),
}

/// What is taken from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Bucket {
    Of(Payer),
    Strangers,
}

/// A bucket's size, and how soon one is added to it.
#[derive(Debug, Clone, Copy)]
struct Size {
    burst: u32,
    refill: Duration,
}

/// Eight in any second at most, of all strangers together.
const STRANGERS: Size = Size { burst: 4, refill: Duration::from_millis(250) };
/// Half of that of one address: whatever it sends, the other half is for others.
const STRANGER: Size = Size { burst: 2, refill: Duration::from_millis(500) };
/// A pod has one token at a time; more than one that is bad is no accident.
const POD: Size = Size { burst: 3, refill: Duration::from_secs(10) };

/// A bucket is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Empty {
    pub(super) after: Duration,
}

/// Each bucket as the time at which it will be full: nothing has to be refilled, and a full one is not kept. Strangers'
/// are no more than the one that they share lets through before they are full again.
#[derive(Debug, Default)]
pub(super) struct Budget(Mutex<BTreeMap<Bucket, Instant>>);

impl Budget {
    /// Takes one from each of the payer's buckets, or none.
    pub(super) fn take(&self, payer: &Payer, now: Instant) -> Result<(), Empty> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.retain(|_, full_at| *full_at > now);
        let taken = payer.buckets().map(|bucket| {
            let size = bucket.size();
            let full_at = buckets.get(&bucket).copied().unwrap_or(now) + size.refill;
            let (debt, most) = (full_at - now, size.refill * size.burst);
            if debt > most { Err(Empty { after: debt - most }) } else { Ok((bucket, full_at)) }
        });
        let taken = taken.collect::<Result<Vec<_>, _>>()?;
        buckets.extend(taken);
        Ok(())
    }

    /// Gives it back: the token was good, or the API server could not tell.
    pub(super) fn refund(&self, payer: &Payer) {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for bucket in payer.buckets() {
            let refill = bucket.size().refill;
            if let Some(full_at) = buckets.get_mut(&bucket)
                && let Some(earlier) = full_at.checked_sub(refill)
            {
                *full_at = earlier;
            }
        }
    }
}

impl Payer {
    fn buckets(&self) -> impl Iterator<Item = Bucket> {
        let shared = matches!(self, Self::Stranger(_)).then_some(Bucket::Strangers);
        [Bucket::Of(self.clone())].into_iter().chain(shared)
    }
}

impl Bucket {
    fn size(&self) -> Size {
        match self {
            Self::Of(Payer::Pod(_)) => POD,
            Self::Of(Payer::Stranger(_)) => STRANGER,
            Self::Strangers => STRANGERS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str) -> Payer {
        Payer::Pod(WorkloadId::new(name))
    }

    fn stranger(last: u8) -> Payer {
        Payer::Stranger(Some([10, 0, 0, last].into()))
    }

    fn taken(budget: &Budget, payer: &Payer, tries: usize) -> usize {
        (0..tries).filter(|_| budget.take(payer, Instant::now()).is_ok()).count()
    }

    // U10
    #[tokio::test(start_paused = true)]
    async fn strangers_get_at_most_ten_bad_tokens_a_second_through() {
        let budget = Budget::default();
        for _second in 0..5 {
            let mut through = 0;
            for _ in 0..100 {
                through += (0..=u8::MAX).map(|last| taken(&budget, &stranger(last), 1)).sum::<usize>();
                tokio::time::advance(Duration::from_millis(10)).await;
            }
            assert!((3..=10).contains(&through), "{through}");
        }
        assert!(budget.0.lock().unwrap().len() <= 16, "no flood takes memory");
    }

    // U10: at any moment, however the one flood goes on.
    #[tokio::test(start_paused = true)]
    async fn one_address_never_takes_what_others_need() {
        for flood in [stranger(1), Payer::Stranger(None)] {
            for step in [1_u64, 7, 50, 250, 333, 500, 999] {
                let budget = Budget::default();
                for round in 0..200 {
                    taken(&budget, &flood, 100);
                    let honest = stranger(2);
                    assert_eq!(taken(&budget, &honest, 1), 1, "{flood:?} {step} {round}");
                    // Its token was good.
                    budget.refund(&honest);
                    tokio::time::advance(Duration::from_millis(step)).await;
                }
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_one_bucket_refuses_is_taken_from_no_other() {
        let budget = Budget::default();
        assert_eq!(taken(&budget, &stranger(1), 1000), 2);
        // Two are left of what all share.
        assert_eq!((2..9).map(|last| taken(&budget, &stranger(last), 1)).sum::<usize>(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_known_pod_has_a_bucket_of_its_own() {
        let budget = Budget::default();
        (0..9).for_each(|last| assert!(taken(&budget, &stranger(last), 1000) <= 2));
        assert_eq!(taken(&budget, &pod("flood"), 1000), 3);
        assert_eq!(taken(&budget, &pod("honest"), 1), 1);
        let Empty { after } = budget.take(&pod("flood"), Instant::now()).unwrap_err();
        tokio::time::advance(after).await;
        assert_eq!(taken(&budget, &pod("flood"), 1000), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_gets_it_back_can_go_on_without_end() {
        let budget = Budget::default();
        for payer in [pod("a"), stranger(1), Payer::Stranger(None)] {
            for _ in 0..1000 {
                budget.take(&payer, Instant::now()).unwrap();
                budget.refund(&payer);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_bucket_takes_no_memory() {
        let budget = Budget::default();
        budget.take(&pod("a"), Instant::now()).unwrap();
        tokio::time::advance(POD.refill).await;
        budget.take(&pod("b"), Instant::now()).unwrap();
        assert_eq!(budget.0.lock().unwrap().len(), 1);
    }
}
