//! What the story did and got, as its own side saw it. Owns the numbers by which calls are found in the logs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kith_proto::convert::to_millis;
use kith_runtime::Clock;
use tokio::time::Instant;

use crate::local::check::{Attempt, Mark, Outcome};
use crate::local::http_call::Answer;

/// Numbers below are used by the applications of the demo themselves.
const FIRST: u64 = 1_000;

/// Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Journal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    next: AtomicU64,
    written: Mutex<Written>,
}

#[derive(Debug, Default)]
struct Written {
    marks: Vec<(i64, Mark)>,
    attempts: Vec<Attempt>,
}

/// One call that was begun. Dropped without an end, it was never answered.
#[derive(Debug)]
pub(super) struct Begun {
    journal: Journal,
    index: usize,
    path: String,
    at: Instant,
}

impl Journal {
    pub(super) fn new(clock: Clock) -> Self {
        Self(Arc::new(Inner { clock, next: AtomicU64::new(FIRST), written: Mutex::default() }))
    }

    /// Something is done or seen now.
    pub(super) fn mark(&self, mark: Mark) {
        let now = to_millis(self.0.clock.now());
        self.written().marks.push((now, mark));
    }

    /// Begins a call of something with a number of its own: `/orders/1007`.
    pub(super) fn begin(&self, from: &'static str, to: &'static str, what: &str, must_pass: bool) -> Begun {
        let path = format!("/{what}/{}", self.0.next.fetch_add(1, Ordering::Relaxed));
        let mut written = self.written();
        let (path_of_it, outcome) = (path.clone(), Outcome::Open);
        written.attempts.push(Attempt { from, to, path: path_of_it, must_pass, outcome, took: None });
        Begun { journal: self.clone(), index: written.attempts.len() - 1, path, at: Instant::now() }
    }

    /// Everything so far.
    pub(super) fn with<T>(&self, read: impl FnOnce(&[(i64, Mark)], &[Attempt]) -> T) -> T {
        let written = self.written();
        read(&written.marks, &written.attempts)
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        // Entries are only added or replaced whole.
        self.0.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Begun {
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// What it got; how long that took.
    pub(super) fn ended(self, answer: &anyhow::Result<Answer>) -> Duration {
        let took = self.at.elapsed();
        let mut written = self.journal.written();
        let attempt = &mut written.attempts[self.index];
        attempt.took = Some(took);
        attempt.outcome = match answer {
            Ok(answer) => Outcome::Answered(answer.status),
            Err(error) => Outcome::Failed(format!("{error:#}")),
        };
        took
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_attempt_has_its_answer_and_how_long_it_took() {
        let journal = Journal::new(Clock::system());
        let (begun, _open) =
            (journal.begin("web", "orders", "orders", true), journal.begin("a", "b", "c", true));
        let took = Duration::from_millis(1_300);
        tokio::time::advance(took).await;
        assert_eq!(begun.ended(&Err(anyhow::anyhow!("no answer"))), took);
        journal.with(|_, attempts| {
            let [ended, open] = attempts else { panic!("{attempts:?}") };
            assert_eq!((&ended.outcome, ended.took), (&Outcome::Failed("no answer".to_owned()), Some(took)));
            assert_eq!((&open.outcome, open.took), (&Outcome::Open, None));
            assert_ne!(open.path, ended.path);
        });
    }
}
