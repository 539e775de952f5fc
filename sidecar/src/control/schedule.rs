//! When to try next. Pure: time and chance come in as arguments.

use std::time::{Duration, SystemTime};

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

/// The longest pause after a failure. `left` is what remains of the svid, `None` when there is none: a tenth of it, so that
/// even many failures leave room for a success.
pub(crate) fn longest_pause(left: Option<Duration>) -> Duration {
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
    fn pauses_are_short_when_it_is_urgent() {
        // T10
        for (left, longest) in [
            (None, URGENT_PAUSE),
            (Some(Duration::from_secs(5)), URGENT_PAUSE),
            (Some(Duration::from_secs(300)), Duration::from_secs(30)),
            (Some(Duration::from_secs(36_000)), RELAXED_PAUSE),
        ] {
            assert_eq!(longest_pause(left), longest);
        }
    }
}
