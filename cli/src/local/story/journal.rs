//! What the story did and got, as its own side saw it. Owns the numbers by which calls are found in the logs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kith_proto::convert::to_millis;
use kith_runtime::Clock;

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
        written.attempts.push(Attempt { from, to, path: path.clone(), must_pass, outcome: Outcome::Open });
        Begun { journal: self.clone(), index: written.attempts.len() - 1, path }
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

    /// What it got.
    pub(super) fn ended(self, answer: &anyhow::Result<Answer>) {
        self.ended_as(match answer {
            Ok(answer) => Outcome::Answered(answer.status),
            Err(error) => Outcome::Failed(format!("{error:#}")),
        });
    }

    /// What counts as what it got.
    pub(super) fn ended_as(self, outcome: Outcome) {
        self.journal.written().attempts[self.index].outcome = outcome;
    }
}
