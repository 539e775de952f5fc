//! How often one workload may be issued an svid (C14). A token bucket for each of them, so that one that asks without
//! end takes nothing from the others.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::index::WorkloadId;

/// Svids at once: enough for a sidecar that crashes and restarts.
const BURST: u32 = 10;
/// One more after each such time.
const REFILL: Duration = Duration::from_secs(1);

/// The buckets. A workload gets one only after it was attested, so there are as many as workloads.
#[derive(Debug, Default)]
pub(crate) struct IssueLimit(Mutex<BTreeMap<WorkloadId, Bucket>>);

/// A bucket as the time at which it will be full: nothing has to be refilled.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    full_at: Instant,
}

/// The workload asked too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many svids were asked for; try again in {} ms", .after.as_millis())]
pub(crate) struct TooOften {
    pub(crate) after: Duration,
}

impl IssueLimit {
    /// Takes one from the workload's bucket.
    pub(crate) fn take(&self, workload: &WorkloadId, now: Instant) -> Result<(), TooOften> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.retain(|_, bucket| bucket.full_at > now);
        let full_at = buckets.get(workload).map_or(now, |bucket| bucket.full_at) + REFILL;
        let debt = full_at.saturating_duration_since(now);
        let most = REFILL * BURST;
        if debt > most {
            return Err(TooOften { after: debt - most });
        }
        buckets.insert(workload.clone(), Bucket { full_at });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> WorkloadId {
        WorkloadId::new(name)
    }

    // C14
    #[tokio::test(start_paused = true)]
    async fn a_workload_that_asks_without_end_is_slowed_down_and_the_others_are_not() {
        let limit = IssueLimit::default();
        let granted = (0..1000).filter(|_| limit.take(&id("flood"), Instant::now()).is_ok()).count();
        assert_eq!(granted, BURST as usize);
        assert_eq!(limit.take(&id("other"), Instant::now()), Ok(()));

        let refused = limit.take(&id("flood"), Instant::now()).unwrap_err();
        tokio::time::advance(refused.after).await;
        assert_eq!(limit.take(&id("flood"), Instant::now()), Ok(()));
        assert!(limit.take(&id("flood"), Instant::now()).is_err(), "one a second, no more");
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_bucket_takes_no_memory() {
        let limit = IssueLimit::default();
        limit.take(&id("a"), Instant::now()).unwrap();
        tokio::time::advance(REFILL).await;
        limit.take(&id("b"), Instant::now()).unwrap();
        assert_eq!(limit.0.lock().unwrap().len(), 1);
    }
}
