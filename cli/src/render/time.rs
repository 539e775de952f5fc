//! Times as people read them.

use std::time::{Duration, SystemTime};

use kith_proto::convert::to_millis;

/// How long until a time in milliseconds since 1970: `in 43s`, `in 6d`, `12s ago`.
pub fn left(now: SystemTime, millis: i64) -> String {
    let difference = millis.saturating_sub(to_millis(now));
    let rough = rough(Duration::from_millis(difference.unsigned_abs()));
    if difference < 0 { format!("{rough} ago") } else { format!("in {rough}") }
}

/// A duration in its largest unit that leaves at least two of it.
pub fn rough(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A number of microseconds: `870us`, `2.1ms`, `1.2s`.
#[allow(clippy::cast_precision_loss)] // one digit behind the point is shown
pub fn latency(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros}us"),
        1_000..1_000_000 => format!("{:.1}ms", micros as f64 / 1e3),
        _ => format!("{:.1}s", micros as f64 / 1e6),
    }
}

/// The time of day in an RFC 3339 time; a text of another form as it is.
pub fn of_day(rfc3339: &str) -> &str {
    rfc3339.split_once('T').and_then(|(_, time)| time.strip_suffix('Z')).unwrap_or(rfc3339)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn times_are_told_from_now() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let at = |seconds: i64| left(now, (1_000_000 + seconds) * 1_000);
        for (seconds, want) in [
            (43, "in 43s"),
            (-12, "12s ago"),
            (150, "in 2m"),
            (7_200, "in 2h"),
            (31_535_940, "in 364d"),
            (0, "in 0s"),
        ] {
            assert_eq!(at(seconds), want);
        }
        assert_eq!(left(now, i64::MIN), format!("{}d ago", i64::MAX / 1000 / 86_400));
    }

    #[test]
    fn latencies_have_one_digit_behind_the_point() {
        let shown = [870, 2_149, 999_949, 1_200_000].map(latency);
        assert_eq!(shown, ["870us", "2.1ms", "999.9ms", "1.2s"]);
    }

    #[test]
    fn only_a_time_loses_its_date() {
        assert_eq!(of_day("2026-11-21T10:04:07.112Z"), "10:04:07.112");
        assert_eq!(of_day("soon"), "soon");
    }
}
