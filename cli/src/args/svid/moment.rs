//! A time as somebody types it: RFC 3339, in UTC. Owns reading it; `identity_log::rfc3339` writes it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAYS_OF_MONTHS: [u64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// Reads `2026-11-21T10:04:07Z`, and with up to nine digits of a fraction, as times are written.
pub(super) fn parse(text: &str) -> Result<SystemTime, String> {
    read(text)
        .ok_or_else(|| format!("{text:?} is no time since 1970 in UTC, written as 2026-11-21T10:04:07Z"))
}

fn read(text: &str) -> Option<SystemTime> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let [year, month, day] = fields(date, '-', [4, 2, 2])?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [hour, minute, second] = fields(time, ':', [2, 2, 2])?;
    let is_fraction = (1..=9).contains(&fraction.len()) && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let nanoseconds = format!("{fraction:0<9}").parse().ok().filter(|_| is_fraction)?;
    let month_index = usize::try_from(month.checked_sub(1)?).ok()?;
    let long_february = u64::from(month == 2 && is_leap(year));
    let fits = (1..=DAYS_OF_MONTHS.get(month_index)? + long_february).contains(&day);
    if year < 1970 || !fits || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let of_years: u64 = (1970..year).map(|year| 365 + u64::from(is_leap(year))).sum();
    let of_months: u64 = DAYS_OF_MONTHS[..month_index].iter().sum();
    let leap_day = u64::from(month > 2 && is_leap(year));
    let days = of_years + of_months + leap_day + day - 1;
    UNIX_EPOCH.checked_add(Duration::new(((days * 24 + hour) * 60 + minute) * 60 + second, nanoseconds))
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// Three numbers of these widths.
fn fields(text: &str, separator: char, widths: [usize; 3]) -> Option<[u64; 3]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; 3];
    for (number, width) in numbers.iter_mut().zip(widths) {
        let part = parts.next()?;
        let digits = part.len() == width && part.bytes().all(|byte| byte.is_ascii_digit());
        *number = part.parse().ok().filter(|_| digits)?;
    }
    parts.next().is_none().then_some(numbers)
}

#[cfg(test)]
mod tests {
    use kith_sidecar::identity_log::rfc3339;

    use super::*;

    #[test]
    fn a_time_reads_back_as_it_was_written() {
        for text in [
            "1970-01-01T00:00:00Z",
            "2000-02-29T23:59:59Z",
            "2026-11-21T10:04:07Z",
            "2028-03-01T00:00:00Z",
            "2100-12-31T12:00:00Z",
        ] {
            let written = rfc3339(parse(text).unwrap());
            assert_eq!(written.replace(".000Z", "Z"), text);
            assert_eq!(parse(&written), parse(text), "as it is written");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "now",
            "2026-11-21",
            "2026-11-21T10:04:07",
            "2026-11-21T10:04:07+01:00",
            "2026-11-21 10:04:07Z",
            "2026-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-01-01T00:00:60Z",
            "1969-12-31T23:59:59Z",
            "+026-01-01T00:00:00Z",
            "2026-1-01T00:00:00Z",
            "2026-01-01-01T00:00:00Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00.+1Z",
            "2026-01-01T00:00:00.0123456789Z",
        ] {
            assert!(parse(text).unwrap_err().contains(text), "{text}");
        }
    }
}
