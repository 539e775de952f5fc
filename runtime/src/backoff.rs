//! How long to wait after a failure. Pure: chance comes in as an argument, and so does what is too long.

use std::time::Duration;

/// The shortest pause.
const SHORTEST: Duration = Duration::from_millis(100);

/// Decorrelated jitter: each pause is drawn between the shortest and three times the last.
#[derive(Debug, Default)]
pub struct Backoff {
    last: Option<Duration>,
}

impl Backoff {
    /// After a success.
    pub fn reset(&mut self) {
        self.last = None;
    }

    /// After a failure; `chance` in `[0, 1)` spreads those who fail together. `longest` is not below the shortest pause.
    pub fn next(&mut self, longest: Duration, chance: f64) -> Duration {
        let upper = self.last.unwrap_or(SHORTEST) * 3;
        let pause = SHORTEST + upper.saturating_sub(SHORTEST).mul_f64(chance);
        let pause = pause.min(longest);
        self.last = Some(pause);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(2);

    #[test]
    fn pauses_grow_are_spread_and_stay_short() {
        // W10, T10
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..20).map(|_| backoff.next(LONGEST, 0.999)).collect();
        assert!(pauses.is_sorted() && pauses.last() == Some(&LONGEST), "{pauses:?}");
        assert_eq!(Backoff::default().next(LONGEST, 0.0), SHORTEST);
    }

    #[test]
    fn a_success_starts_the_pauses_over() {
        let mut backoff = Backoff::default();
        for _ in 0..5 {
            backoff.next(LONGEST, 0.9);
        }
        backoff.reset();
        assert!(backoff.next(LONGEST, 0.9) <= SHORTEST * 3);
    }
}
