//! When a namespace whose ConfigMap could not be written is tried again. Owns the pauses, one for each namespace: one that
//! is being deleted takes nothing any more, and must hold up no other.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// After the first failure; doubled with each that follows.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Those that failed.
#[derive(Debug, Default)]
pub(super) struct Retries(BTreeMap<String, Retry>);

#[derive(Debug)]
struct Retry {
    at: Instant,
    pause: Duration,
}

impl Retries {
    /// Whether it may be tried now.
    pub(super) fn may(&self, namespace: &str, now: Instant) -> bool {
        self.0.get(namespace).is_none_or(|retry| retry.at <= now)
    }

    pub(super) fn succeeded(&mut self, namespace: &str) {
        self.0.remove(namespace);
    }

    pub(super) fn failed(&mut self, namespace: String, now: Instant) {
        let before = self.0.get(&namespace).map(|retry| retry.pause);
        let pause = before.map_or(FIRST_PAUSE, |pause| (pause * 2).min(LONGEST_PAUSE));
        self.0.insert(namespace, Retry { at: now + pause, pause });
    }

    /// Forgets those that need nothing any more.
    pub(super) fn keep_only(&mut self, due: &[String]) {
        self.0.retain(|namespace, _| due.contains(namespace));
    }

    /// Ends when the first of them is due; never when there is none.
    pub(super) async fn next(&self) {
        match self.0.values().map(|retry| retry.at).min() {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_namespace_that_fails_waits_longer_each_time_and_no_other_waits_with_it() {
        let (mut retries, start) = (Retries::default(), Instant::now());
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            retries.failed("ending".into(), Instant::now());
            assert!(!retries.may("ending", Instant::now()) && retries.may("other", Instant::now()));
            let before = Instant::now();
            retries.next().await;
            assert_eq!(before.elapsed(), Duration::from_secs(seconds));
            assert!(retries.may("ending", Instant::now()));
        }
        assert_eq!(start.elapsed(), Duration::from_secs(91));

        retries.succeeded("ending");
        retries.failed("ending".into(), Instant::now());
        assert!(retries.may("ending", Instant::now() + FIRST_PAUSE), "it begins with the first pause again");
        retries.keep_only(&[]);
        assert!(retries.0.is_empty());
    }
}
