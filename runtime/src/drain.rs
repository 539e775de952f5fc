//! Drain: stop accepting, finish what is open, by a deadline. Owns the two-step stop that every part of a process
//! watches, and the order of its end. It waits for [`Tasks`], and does not know what they do.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::Tasks;

#[cfg(test)]
mod tests;

/// What a part of the process watches. Both steps last: who looks late sees them too.
#[derive(Debug, Clone)]
pub struct Stop {
    graceful: CancellationToken,
    forced: CancellationToken,
}

/// Takes the two steps. Dropping it takes none.
#[derive(Debug, Clone)]
pub struct Stopper(Stop);

impl Stop {
    /// A stop that was not asked for yet, and the hand that asks.
    pub fn new() -> (Stopper, Self) {
        let stop = Self { graceful: CancellationToken::new(), forced: CancellationToken::new() };
        (Stopper(stop.clone()), stop)
    }

    /// Ends when new work is to be refused and open work to be finished.
    pub async fn graceful(&self) {
        self.graceful.cancelled().await;
    }

    /// Ends when open work is to be given up now.
    pub async fn forced(&self) {
        self.forced.cancelled().await;
    }

    /// Whether either step was taken.
    pub fn is_stopping(&self) -> bool {
        self.graceful.is_cancelled()
    }
}

impl Stopper {
    /// First step: stop accepting, finish what is open.
    pub fn begin(&self) {
        self.0.graceful.cancel();
    }

    /// Second step, which contains the first: now.
    pub fn force(&self) {
        self.0.graceful.cancel();
        self.0.forced.cancel();
    }
}

/// Drains the process: takes the first step, waits until the tasks ended, then until `deadline` or `hurry` (a
/// second signal), takes the second step, and cuts what is left. Says how many tasks were cut off.
pub async fn drain(stopper: &Stopper, tasks: &Tasks, deadline: Duration, hurry: impl Future) -> usize {
    stopper.begin();
    tokio::select! {
        biased;
        () = tasks.ended() => {}
        () = tokio::time::sleep(deadline) => {}
        _ = hurry => {}
    }
    stopper.force();
    tasks.finish(Duration::ZERO).await
}
