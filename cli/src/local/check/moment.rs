//! The time in a line, read back.

/// Milliseconds since 1970 of a time as sidecars write it, `2026-11-21T10:04:07.112Z`; `None` for anything else.
pub fn read(text: &str) -> Option<i64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let (time, millis) = time.split_once('.')?;
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    let [millis] = numbers(millis, '.', [3])?;
    let in_range =
        (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 60;
    in_range.then(|| ((days(year, month, day) * 24 + hour) * 60 + minute) * 60_000 + second * 1_000 + millis)
}

/// Numbers of these many digits.
fn numbers<const N: usize>(text: &str, between: char, digits: [usize; N]) -> Option<[i64; N]> {
    let parts: Vec<&str> = text.split(between).collect();
    let parts: [&str; N] = parts.try_into().ok()?;
    let plain =
        |(part, digits): (&&str, usize)| part.len() == digits && part.bytes().all(|c| c.is_ascii_digit());
    if !parts.iter().zip(digits).all(plain) {
        return None;
    }
    let read: Vec<i64> = parts.iter().filter_map(|part| part.parse().ok()).collect();
    read.try_into().ok()
}

/// Days since 1970 in the proleptic Gregorian calendar. Years are counted from March, so that the leap day is the last
/// of its year.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let from_march = (month + 9) % 12;
    let day_of_year = (153 * from_march + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use kith_sidecar::identity_log::rfc3339;

    use super::*;

    #[test]
    fn a_time_is_read_back_as_it_was_written() {
        for millis in [0_u64, 1, 951_782_400_000, 1_795_255_447_112, 2_147_483_648_999, 253_402_300_799_000] {
            let written = rfc3339(UNIX_EPOCH + Duration::from_millis(millis));
            assert_eq!(read(&written), i64::try_from(millis).ok(), "{written}");
        }
        // Every day of four centuries.
        for day in 0..146_097_u64 {
            let written = rfc3339(UNIX_EPOCH + Duration::from_secs(day * 86_400));
            assert_eq!(read(&written), i64::try_from(day * 86_400_000).ok(), "{written}");
        }
    }

    #[test]
    fn what_no_sidecar_writes_is_no_time() {
        for text in [
            "",
            "2026-11-21",
            "2026-11-21T10:04:07Z",
            "2026-11-21T10:04:07.112",
            "2026-13-21T10:04:07.112Z",
            "2026-11-21T24:04:07.112Z",
            "2026-11-21T10:04:07.1124Z",
            "+026-11-21T10:04:07.112Z",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
