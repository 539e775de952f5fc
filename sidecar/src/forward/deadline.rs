//! `grpc-timeout`: how long a gRPC caller waits. The applications on both ends enforce it, this side only keeps it
//! readable: what is no timeout is dropped, and what no clock can add up is bounded (H25).

use http::header::{HeaderMap, HeaderName, HeaderValue};

const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
/// Digits that the gRPC specification allows.
const MAX_DIGITS: usize = 8;
/// A year. Its nanoseconds fit everywhere, those of 99999999 hours do not.
const LONGEST_SECONDS: u64 = 365 * 24 * 3_600;
const LONGEST: HeaderValue = HeaderValue::from_static("8760H");

/// Drops or bounds the timeout.
pub(super) fn bound(headers: &mut HeaderMap) {
    let mut values = headers.get_all(TIMEOUT).iter();
    let Some(value) = values.next() else { return };
    let seconds = if values.next().is_some() { None } else { seconds(value.as_bytes()) };
    match seconds {
        None => drop(headers.remove(TIMEOUT)),
        Some(LONGEST_SECONDS..) => drop(headers.insert(TIMEOUT, LONGEST)),
        Some(_) => {}
    }
}

/// Whole seconds of a timeout as gRPC writes it: one to eight digits and a unit.
fn seconds(value: &[u8]) -> Option<u64> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > MAX_DIGITS || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let count = digits.iter().fold(0, |count: u64, digit| count * 10 + u64::from(digit - b'0'));
    Some(match unit {
        b'H' => count * 3_600,
        b'M' => count * 60,
        b'S' => count,
        b'm' => count / 1_000,
        b'u' => count / 1_000_000,
        b'n' => count / 1_000_000_000,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounded(values: &[&'static str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(TIMEOUT, HeaderValue::from_static(value));
        }
        bound(&mut headers);
        headers.get_all(TIMEOUT).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_timeout_that_a_clock_can_add_up_is_kept_as_it_was_sent() {
        for value in ["1S", "99999999n", "99999999S", "250m", "00000001H", "0S", "8759H"] {
            let longest = value == "99999999S";
            assert_eq!(bounded(&[value]), [if longest { "8760H" } else { value }], "{value}");
        }
    }

    #[test]
    fn a_timeout_that_overflows_is_bounded_and_what_is_none_is_dropped() {
        // H25
        assert_eq!(bounded(&["99999999H"]), ["8760H"]);
        for value in ["-1S", "1x", "S", "", "100000000S", "1.5S", " 1S", "1 S", "+1S", "1s"] {
            assert!(bounded(&[value]).is_empty(), "{value:?}");
        }
        assert!(bounded(&["1S", "2S"]).is_empty(), "two of them say nothing");
        assert!(bounded(&[]).is_empty());
    }
}
