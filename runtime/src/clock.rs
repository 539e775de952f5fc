//! What time it is. The only place that asks the system for wall-clock time; everything else is handed a [`Clock`],
//! or a `SystemTime`. Intervals and deadlines do not belong here: they are tokio's, which tests can pause.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// Wall clocks jump, and timers do not follow them: who waits for a time asks at least this often (T1, T5).
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Tells wall-clock time: the system's, or in tests one that stands still until it is moved.
#[derive(Debug, Clone)]
pub struct Clock(Source);

/// Moves the time that its [`Clock`] tells. For tests.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Mutex<SystemTime>>);

#[derive(Debug, Clone)]
enum Source {
    System,
    Manual(ManualClock),
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands at `start` and moves only by hand.
    pub fn manual(start: SystemTime) -> (Self, ManualClock) {
        let manual = ManualClock(Arc::new(Mutex::new(start)));
        (Self(Source::Manual(manual.clone())), manual)
    }

    /// The time now.
    #[expect(clippy::disallowed_methods, reason = "the one place that the rule points to")]
    pub fn now(&self) -> SystemTime {
        match &self.0 {
            Source::System => SystemTime::now(),
            Source::Manual(manual) => *manual.lock(),
        }
    }

    /// Ends when the clock shows `time`, or at once if it is later already.
    pub async fn until(&self, time: SystemTime) {
        while let Ok(left) = time.duration_since(self.now()) {
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(ASK_AGAIN)).await;
        }
    }
}

impl ManualClock {
    /// Moves the time forward.
    pub fn advance(&self, by: Duration) {
        *self.lock() += by;
    }

    /// Puts the time anywhere, also into the past: system clocks do jump.
    pub fn set(&self, to: SystemTime) {
        *self.lock() = to;
    }

    fn lock(&self) -> MutexGuard<'_, SystemTime> {
        // A time is whole at every moment, so a panic elsewhere cannot have left half of one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_stands_still_until_it_is_moved_and_all_its_clones_move_with_it() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let (clock, hand) = Clock::manual(start);
        let clone = clock.clone();
        assert_eq!(clock.now(), start);

        hand.advance(Duration::from_secs(5));
        assert_eq!(clone.now(), start + Duration::from_secs(5));

        hand.set(SystemTime::UNIX_EPOCH);
        assert_eq!(clock.now(), SystemTime::UNIX_EPOCH);
    }

    #[test]
    fn the_system_clock_tells_a_time_of_this_century() {
        let year_2020 = SystemTime::UNIX_EPOCH + Duration::from_secs(1_577_836_800);
        assert!(Clock::system().now() > year_2020);
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_forward_ends_the_wait_within_a_second() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let (clock, hand) = Clock::manual(start);
        let mut wait = std::pin::pin!(clock.until(start + Duration::from_secs(3600)));
        tokio::select! {
            biased;
            () = wait.as_mut() => panic!("an hour has not passed"),
            () = tokio::time::sleep(Duration::from_secs(10)) => {}
        }
        hand.advance(Duration::from_secs(3600));
        tokio::time::timeout(ASK_AGAIN * 2, wait).await.unwrap();
    }
}
