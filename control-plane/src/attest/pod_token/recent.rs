//! When the API server last vouched for each workload. Owns how long an svid alone may renew itself while the API
//! server cannot be asked.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::index::WorkloadId;

/// Long enough for most outages, short enough that a pod which was deleted meanwhile is out the same day.
const WITHOUT_REVIEW: Duration = Duration::from_secs(4 * 60 * 60);

/// One time for each workload that was attested within it.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<BTreeMap<WorkloadId, SystemTime>>);

impl Recent {
    /// The API server vouched for it.
    pub(super) fn attested(&self, workload: &WorkloadId, now: SystemTime) {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        times.retain(|_, time| is_recent(*time, now));
        times.insert(workload.clone(), now);
    }

    /// Whether it did so lately.
    pub(super) fn contains(&self, workload: &WorkloadId, now: SystemTime) -> bool {
        let times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        times.get(workload).is_some_and(|time| is_recent(*time, now))
    }
}

/// A time in the future is of a clock that has been set back: it proves nothing (T2).
fn is_recent(time: SystemTime, now: SystemTime) -> bool {
    now.duration_since(time).is_ok_and(|ago| ago < WITHOUT_REVIEW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_hours_after_the_last_review_an_svid_alone_is_not_enough() {
        let (recent, now) = (Recent::default(), SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        let (a, b) = (WorkloadId::new("a"), WorkloadId::new("b"));
        recent.attested(&a, now);
        assert!(recent.contains(&a, now) && !recent.contains(&b, now));
        assert!(recent.contains(&a, now + WITHOUT_REVIEW - Duration::from_secs(1)));
        assert!(!recent.contains(&a, now + WITHOUT_REVIEW));
        assert!(!recent.contains(&a, now - Duration::from_secs(1)), "T2");

        recent.attested(&b, now + WITHOUT_REVIEW);
        assert_eq!(recent.0.lock().unwrap().len(), 1, "what has ended takes no memory");
    }
}
