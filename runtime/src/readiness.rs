//! Whether a process is ready, and what it still waits for. Each thing that must happen first holds a [`Guard`];
//! dropping the guard is the only way to say that it happened, so a forgotten one keeps the process unready.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

/// The guards that are still held, by the order in which they were taken.
type Held = BTreeMap<u64, String>;

/// Counts what a process waits for. Clones share the count. Ready at first: block before you look.
#[derive(Debug, Clone)]
pub struct Readiness {
    held: Arc<watch::Sender<Held>>,
}

/// Keeps a process unready until it is dropped.
#[derive(Debug)]
#[must_use = "a guard that is dropped at once blocks nothing"]
pub struct Guard {
    held: Arc<watch::Sender<Held>>,
    number: u64,
}

impl Readiness {
    /// Waits for nothing yet.
    #[expect(clippy::new_without_default, reason = "a default readiness would read as a state")]
    pub fn new() -> Self {
        Self { held: Arc::new(watch::Sender::new(Held::new())) }
    }

    /// Keeps the process unready until the guard is dropped; `name` says what for.
    pub fn block(&self, name: impl Into<String>) -> Guard {
        let mut number = 0;
        self.held.send_modify(|held| {
            number = held.last_key_value().map_or(0, |(last, _)| last + 1);
            held.insert(number, name.into());
        });
        Guard { held: Arc::clone(&self.held), number }
    }

    /// Whether no guard is held.
    pub fn is_ready(&self) -> bool {
        self.held.borrow().is_empty()
    }

    /// What the process waits for, oldest first.
    pub fn waiting_for(&self) -> Vec<String> {
        self.held.borrow().values().cloned().collect()
    }

    /// Ends when no guard is held.
    pub async fn ready(&self) {
        let mut held = self.held.subscribe();
        // The sender lives in `self`, so the only answer is that the condition holds.
        let _held = held.wait_for(BTreeMap::is_empty).await;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.held.send_modify(|held| {
            held.remove(&self.number);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_ready_when_every_guard_is_dropped_and_names_the_others_meanwhile() {
        let readiness = Readiness::new();
        let svid = readiness.block("svid");
        let policy = readiness.clone().block("policy");
        assert!(!readiness.is_ready());
        assert_eq!(readiness.waiting_for(), ["svid", "policy"]);

        drop(svid);
        assert!(!readiness.is_ready());
        assert_eq!(readiness.waiting_for(), ["policy"]);

        drop(policy);
        assert!(readiness.is_ready());
        assert!(readiness.waiting_for().is_empty());
    }

    #[test]
    fn two_guards_of_one_name_are_two() {
        let readiness = Readiness::new();
        let first = readiness.block("listener");
        let _second = readiness.block("listener");
        drop(first);
        assert_eq!(readiness.waiting_for(), ["listener"]);
    }

    #[tokio::test]
    async fn who_waits_is_woken_by_the_last_guard() {
        let readiness = Readiness::new();
        let guard = readiness.block("svid");
        let mut ready = std::pin::pin!(readiness.ready());
        assert!(futures_pending(ready.as_mut()).await);
        drop(guard);
        ready.await;
    }

    /// Whether a future has not ended after one step.
    async fn futures_pending<F: Future<Output = ()>>(future: std::pin::Pin<&mut F>) -> bool {
        tokio::select! {
            biased;
            () = future => false,
            () = std::future::ready(()) => true,
        }
    }
}
