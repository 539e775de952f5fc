//! When to try next. Pure: time and chance come in as arguments.

use std::time::{Duration, SystemTime};

/// The shortest pause after a failure.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause while calls are about to fail, or fail already: recovery is seen within seconds.
const URGENT_PAUSE: Duration = Duration::from_secs(2);
/// The longest pause while the svid has long to go.
const RELAXED_PAUSE: Duration = Duration::from_secs(60);

/// When the server wants the svid renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) from: SystemTime,
    pub(crate) until: SystemTime,
}

impl Window {
    /// A point in the window; `chance` in `[0, 1)` spreads those who got the same one.
    pub(crate) fn pick(self, chance: f64) -> SystemTime {
        let width = self.until.duration_since(self.from).unwrap_or_default();
        self.from + width.mul_f64(chance)
    }
}

/// Decorrelated jitter: each pause is drawn between the shortest and three times the last.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    last: Option<Duration>,
}

impl Backoff {
    /// After a success.
    pub(crate) fn reset(&mut self) {
        self.last = None;
    }

    /// After a failure. `left` is what remains of the svid, `None` when there is none.
    pub(crate) fn next(&mut self, left: Option<Duration>, chance: f64) -> Duration {
        let longest = longest_pause(left);
        let upper = self.last.unwrap_or(FIRST_PAUSE) * 3;
        let pause = FIRST_PAUSE + upper.saturating_sub(FIRST_PAUSE).mul_f64(chance);
        let pause = pause.min(longest);
        self.last = Some(pause);
        pause
    }
}

/// A tenth of what is left, so that even many failures leave room for a success.
fn longest_pause(left: Option<Duration>) -> Duration {
    left.map_or(URGENT_PAUSE, |left| (left / 10).clamp(URGENT_PAUSE, RELAXED_PAUSE))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn renewals_stay_inside_their_window() {
        let window =
            Window { from: UNIX_EPOCH + Duration::from_secs(9), until: UNIX_EPOCH + Duration::from_secs(10) };
        assert_eq!(window.pick(0.0), window.from);
        assert!(window.pick(0.999_999) < window.until);
    }

    #[test]
    fn pauses_grow_are_spread_and_stay_short_when_it_is_urgent() {
        // T10
        for (left, longest) in [
            (None, URGENT_PAUSE),
            (Some(Duration::from_secs(5)), URGENT_PAUSE),
            (Some(Duration::from_secs(300)), Duration::from_secs(30)),
            (Some(Duration::from_secs(36_000)), RELAXED_PAUSE),
        ] {
            let mut backoff = Backoff::default();
            let pauses: Vec<_> = (0..20).map(|_| backoff.next(left, 0.999)).collect();
            assert!(pauses.is_sorted());
            assert_eq!(pauses.last(), Some(&longest));
            assert_eq!(Backoff::default().next(left, 0.0), FIRST_PAUSE);
        }
    }

    #[test]
    fn a_success_starts_the_pauses_over() {
        let mut backoff = Backoff::default();
        for _ in 0..5 {
            backoff.next(None, 0.9);
        }
        backoff.reset();
        assert!(backoff.next(None, 0.9) <= FIRST_PAUSE * 3);
    }
}
