//! Moments as certificates write them (RFC 5280 §4.1.2.5): `YYMMDDHHMMSSZ` until 2049, `YYYYMMDDHHMMSSZ` from 2050 on, and
//! no other spelling of either.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Element, tag};

const DAY: u64 = 86_400;

impl Element<'_> {
    /// The moment, or none: another spelling, a date that no calendar has, or one before 1970, which proves nothing that
    /// anybody would accept.
    pub(crate) fn moment(&self) -> Option<SystemTime> {
        let digits = self.content.strip_suffix(b"Z")?;
        let (year, rest) = match (self.tag, digits.len()) {
            (tag::UTC_TIME, 12) => {
                let year = number(&digits[..2])?;
                (if year < 50 { 2000 + year } else { 1900 + year }, &digits[2..])
            }
            (tag::GENERALIZED_TIME, 14) => (number(&digits[..4])?, &digits[4..]),
            _ => return None,
        };
        let is_long = self.tag == tag::GENERALIZED_TIME;
        if is_long != (year >= 2050) {
            return None;
        }
        let part = |at: usize| number(&rest[at..at + 2]);
        let (month, day) = (part(0)?, part(2)?);
        let (hour, minute, second) = (part(4)?, part(6)?, part(8)?);
        let is_time = hour < 24 && minute < 60 && second < 60;
        let days = days_since_1970(year, month, day).filter(|_| is_time)?;
        UNIX_EPOCH.checked_add(Duration::from_secs(days * DAY + hour * 3600 + minute * 60 + second))
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    digits
        .iter()
        .try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0')))
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    const BEFORE: [u64; 13] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];
    let index = usize::try_from(month).ok().filter(|month| (1..=12).contains(month))?;
    let leap_day = u64::from(is_leap(year));
    let length = BEFORE[index] - BEFORE[index - 1] + if month == 2 { leap_day } else { 0 };
    if year < 1970 || !(1..=length).contains(&day) {
        return None;
    }
    // Leap days of all years before this one, less those before 1970.
    let before = year - 1;
    let leap_days = before / 4 - before / 100 + before / 400 - 477;
    let this_year = BEFORE[index - 1] + if month > 2 { leap_day } else { 0 };
    Some((year - 1970) * 365 + leap_days + this_year + day - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(tag: u8, text: &str) -> Option<u64> {
        let element = Element { tag, offset: 0, raw: text.as_bytes(), content: text.as_bytes() };
        element.moment().map(|at| at.duration_since(UNIX_EPOCH).unwrap().as_secs())
    }

    // T4: 2038, the boundary of 2050, year 9999, leap years.
    #[test]
    fn moments_are_read_by_the_calendar() {
        for (text, seconds) in [
            ("700101000000Z", 0),
            ("000229120000Z", 951_825_600),
            ("260101000000Z", 1_767_225_600),
            ("380119031408Z", 2_147_483_648),
            ("491231235959Z", 2_524_607_999),
            ("991231235959Z", 946_684_799),
        ] {
            assert_eq!(moment(tag::UTC_TIME, text), Some(seconds), "{text}");
        }
        for (text, seconds) in [
            ("20500101000000Z", 2_524_608_000),
            ("20520229000000Z", 2_592_777_600),
            ("21000301000000Z", 4_107_542_400),
            ("99991231235959Z", 253_402_300_799),
        ] {
            assert_eq!(moment(tag::GENERALIZED_TIME, text), Some(seconds), "{text}");
        }
    }

    // T4, RFC 5280 4.1.2.5.1 and 4.1.2.5.2: seconds are written, the zone is Z, no fractions, and the form follows the year.
    #[test]
    fn another_spelling_or_an_impossible_date_is_no_moment() {
        for text in [
            "",
            "Z",
            "2601010000Z",
            "260101000000",
            "260101000000z",
            "260101000000+0000",
            "2601010000000Z",
            "260101 00000Z",
            "26010100000\u{b2}Z",
            "+60101000000Z",
            "261301000000Z",
            "260001000000Z",
            "260100000000Z",
            "260229000000Z",
            "260431000000Z",
            "260101240000Z",
            "260101006000Z",
            // A leap second is a moment that no clock here has.
            "161231235960Z",
            "500101000000Z",
            "691231235959Z",
            "20260101000000Z",
        ] {
            assert_eq!(moment(tag::UTC_TIME, text), None, "{text:?}");
        }
        for text in [
            "260101000000Z",
            "20491231235959Z",
            "20260101000000Z",
            "20500101000000.5Z",
            "20500101000000",
            "20500101000000+0000",
            "21000229000000Z",
            "205001010000Z",
            "120500101000000Z",
        ] {
            assert_eq!(moment(tag::GENERALIZED_TIME, text), None, "{text:?}");
        }
        assert_eq!(moment(tag::OCTET_STRING, "260101000000Z"), None);
    }
}
