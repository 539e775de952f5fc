//! How many tokens that turn out bad the API server is asked about (U10). Owns the buckets: a question takes one, and a
//! good answer gives it back, so only bad tokens are ever slowed down.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::index::WorkloadId;

/// Who pays for a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Payer {
    /// A pod that is known, asking from its own address: nobody else can use its bucket up.
    Pod(WorkloadId),
    /// Everybody else, together.
    Strangers,
}

/// A bucket's size, and how soon one is added to it.
#[derive(Debug, Clone, Copy)]
struct Size {
    burst: u32,
    refill: Duration,
}

/// Eight in any second at most.
const STRANGERS: Size = Size { burst: 4, refill: Duration::from_millis(250) };
/// A pod has one token at a time; more than one that is bad is no accident.
const POD: Size = Size { burst: 3, refill: Duration::from_secs(10) };

/// The bucket is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Empty {
    pub(super) after: Duration,
}

/// Each bucket as the time at which it will be full: nothing has to be refilled, and a full one is not kept.
#[derive(Debug, Default)]
pub(super) struct Budget(Mutex<Buckets>);

#[derive(Debug, Default)]
struct Buckets {
    strangers: Option<Instant>,
    pods: BTreeMap<WorkloadId, Instant>,
}

impl Budget {
    /// Takes one from the payer's bucket.
    pub(super) fn take(&self, payer: &Payer, now: Instant) -> Result<(), Empty> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.pods.retain(|_, full_at| *full_at > now);
        let (full_at, size) = match payer {
            Payer::Pod(pod) => (buckets.pods.get(pod).copied(), POD),
            Payer::Strangers => (buckets.strangers, STRANGERS),
        };
        let full_at = full_at.unwrap_or(now).max(now) + size.refill;
        let (debt, most) = (full_at - now, size.refill * size.burst);
        if debt > most {
            return Err(Empty { after: debt - most });
        }
        match payer {
            Payer::Pod(pod) => drop(buckets.pods.insert(pod.clone(), full_at)),
            Payer::Strangers => buckets.strangers = Some(full_at),
        }
        Ok(())
    }

    /// Gives it back: the token was good, or the API server could not tell.
    pub(super) fn refund(&self, payer: &Payer) {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (full_at, refill) = match payer {
            Payer::Pod(pod) => (buckets.pods.get_mut(pod), POD.refill),
            Payer::Strangers => (buckets.strangers.as_mut(), STRANGERS.refill),
        };
        if let Some(full_at) = full_at
            && let Some(earlier) = full_at.checked_sub(refill)
        {
            *full_at = earlier;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str) -> Payer {
        Payer::Pod(WorkloadId::new(name))
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
                through += taken(&budget, &Payer::Strangers, 10);
                tokio::time::advance(Duration::from_millis(10)).await;
            }
            assert!((3..=10).contains(&through), "{through}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_known_pod_has_a_bucket_of_its_own() {
        let budget = Budget::default();
        taken(&budget, &Payer::Strangers, 1000);
        assert_eq!(taken(&budget, &pod("flood"), 1000), 3);
        assert_eq!(taken(&budget, &pod("honest"), 1), 1);
        let Empty { after } = budget.take(&pod("flood"), Instant::now()).unwrap_err();
        tokio::time::advance(after).await;
        assert_eq!(taken(&budget, &pod("flood"), 1000), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_gets_it_back_can_go_on_without_end() {
        let budget = Budget::default();
        for payer in [pod("a"), Payer::Strangers] {
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
        assert_eq!(budget.0.lock().unwrap().pods.len(), 1);
    }
}
