//! When an svid should be renewed. The server says it, not the client, so that the signing rate stays flat
//! whatever the fleet does (design: 45 to 65 % of the lifetime, as ACME's renewal information does).

use std::time::{Duration, SystemTime};

/// In parts of the lifetime, measured from issuance.
const EARLIEST: f64 = 0.45;
const SPREAD: f64 = 0.15;
const WIDTH: f64 = 0.05;

/// When to start to renew, and when to have renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) from: SystemTime,
    pub(super) until: SystemTime,
}

/// `draw` is random and uniform over all its values.
pub(super) fn assign(now: SystemTime, lifetime: Duration, draw: u32) -> Window {
    let uniform = f64::from(draw) / (f64::from(u32::MAX) + 1.0);
    let from = now + lifetime.mul_f64(EARLIEST + uniform * SPREAD);
    Window { from, until: from + lifetime.mul_f64(WIDTH) }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_window_starts_at_45_and_the_last_ends_at_65_percent() {
        let lifetime = Duration::from_secs(1_000);
        let first = assign(UNIX_EPOCH, lifetime, 0);
        assert_eq!(first.from, UNIX_EPOCH + Duration::from_secs(450));
        assert_eq!(first.until, UNIX_EPOCH + Duration::from_secs(500));
        let last = assign(UNIX_EPOCH, lifetime, u32::MAX);
        assert!(last.until <= UNIX_EPOCH + Duration::from_secs(650), "{last:?}");
        assert!(last.until > UNIX_EPOCH + Duration::from_millis(649_999), "{last:?}");
    }

    // T6
    #[test]
    fn a_fleet_that_started_at_once_renews_at_a_flat_rate() {
        let lifetime = Duration::from_secs(1_500);
        let mut per_bucket = [0; 15];
        for workload in 0..1_500 {
            let draw = u32::try_from((1u64 << 32) * workload / 1_500).unwrap();
            let from = assign(UNIX_EPOCH, lifetime, draw).from.duration_since(UNIX_EPOCH).unwrap();
            per_bucket[usize::try_from((from.as_secs() - 675) / 15).unwrap()] += 1;
        }
        assert!(per_bucket.iter().all(|count| (95..=105).contains(count)), "{per_bucket:?}");
    }

    proptest! {
        #[test]
        fn a_window_lies_inside_the_lifetime(seconds in 1u64..86_400, draw: u32) {
            let lifetime = Duration::from_secs(seconds);
            let Window { from, until } = assign(UNIX_EPOCH, lifetime, draw);
            prop_assert!(UNIX_EPOCH < from && from < until && until < UNIX_EPOCH + lifetime);
        }
    }
}
