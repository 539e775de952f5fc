//! The lifetime of an svid as people write it: `60s`, `5m`, `1h`.

use crate::local::services::{MAX_SVID_SECONDS, MIN_SVID_SECONDS};

/// Why a text is no lifetime.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no lifetime of an svid; write 20s to 24h, such as 60s, 5m or 1h")]
pub(super) struct TtlError {
    text: String,
}

/// The seconds of a lifetime.
pub(super) fn seconds(text: &str) -> Result<u32, TtlError> {
    let units = [("s", 1), ("m", 60), ("h", 3600)];
    let parse = |(unit, seconds): &(&str, u32)| {
        let number = text.strip_suffix(unit)?;
        // `+5` is a number to the standard library, and none to anybody who reads a lifetime.
        let digits = number.bytes().all(|byte| byte.is_ascii_digit());
        number.parse::<u32>().ok().filter(|_| digits)?.checked_mul(*seconds)
    };
    let seconds = units.iter().find_map(parse);
    let offered = MIN_SVID_SECONDS..=MAX_SVID_SECONDS;
    seconds.filter(|seconds| offered.contains(seconds)).ok_or_else(|| TtlError { text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_a_number_with_a_unit_between_its_limits() {
        for (text, want) in [("20s", 20), ("60s", 60), ("5m", 300), ("1h", 3600), ("24h", 86_400)] {
            assert_eq!(seconds(text), Ok(want));
        }
        for text in
            ["", "s", "60", "19s", "25h", "1d", "1h30m", "-5m", "+5m", " 5m", "5 m", "99999999999s", "72m0"]
        {
            let error = seconds(text).unwrap_err();
            assert_eq!(error.text, text);
        }
    }
}
