//! From when to when a certificate holds, in whole seconds as certificates write it.
//!
//! Owns the backdating and the clamping to whoever signs. Every rounding goes inwards, so that a certificate
//! never claims more than was meant.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::CertificateParams;

/// A certificate begins at most this long before it was signed (C17): the skew that verifiers may have.
const BACKDATE: u64 = 60;
/// RFC 5280 §4.1.2.5: the last second that a certificate can name is 9999-12-31T23:59:59Z.
pub(crate) const LAST_SECOND: u64 = 253_402_300_799;

/// The time cannot be written into a certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{time:?} cannot be written into a certificate, which knows 1970 to 9999; set the clock")]
pub struct ClockError {
    /// The time.
    pub time: SystemTime,
}

/// Why nothing can be signed now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutsideAuthority {
    /// The clock stands before the authority begins.
    #[error("the authority begins at {begins}, after now; the clock is behind")]
    NotYet {
        /// When it begins.
        begins: String,
    },
    /// The authority has ended.
    #[error("the authority ended at {ended}")]
    Ended {
        /// When it ended.
        ended: String,
    },
}

/// First and last second of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Validity {
    not_before: u64,
    not_after: u64,
}

impl Validity {
    /// From (at most) a minute ago, for `lifetime` from now.
    pub(crate) fn starting(now: SystemTime, lifetime: Duration) -> Result<Self, ClockError> {
        let since = since_1970(now)?;
        let ceiling = since.as_secs() + u64::from(since.subsec_nanos() > 0);
        let not_before = ceiling.checked_sub(BACKDATE).ok_or(ClockError { time: now })?;
        let not_after = (since + lifetime).as_secs();
        if not_after > LAST_SECOND {
            return Err(ClockError { time: now });
        }
        Ok(Self { not_before, not_after })
    }

    /// As a certificate says it.
    pub(crate) fn between(not_before: SystemTime, not_after: SystemTime) -> Result<Self, ClockError> {
        let not_before = since_1970(not_before)?.as_secs();
        Ok(Self { not_before, not_after: since_1970(not_after)?.as_secs() })
    }

    /// Clamped to the validity of the authority that signs (C13), which must hold now (C18).
    pub(crate) fn within(self, authority: Self, now: SystemTime) -> Result<Self, OutsideAuthority> {
        if now < authority.not_before() {
            return Err(OutsideAuthority::NotYet { begins: readable(authority.not_before) });
        }
        if now >= authority.not_after() {
            return Err(OutsideAuthority::Ended { ended: readable(authority.not_after) });
        }
        Ok(Self {
            not_before: self.not_before.max(authority.not_before),
            not_after: self.not_after.min(authority.not_after),
        })
    }

    /// The first second at which it holds.
    pub(crate) fn not_before(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.not_before)
    }

    /// The last second at which it holds.
    pub(crate) fn not_after(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.not_after)
    }

    /// What is left of it.
    pub(crate) fn remaining(&self, now: SystemTime) -> Duration {
        self.not_after().duration_since(now).unwrap_or(Duration::ZERO)
    }

    /// Writes it into a certificate to be signed.
    pub(crate) fn write(&self, params: &mut CertificateParams) {
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        params.not_before = epoch + Duration::from_secs(self.not_before);
        params.not_after = epoch + Duration::from_secs(self.not_after);
    }
}

fn since_1970(time: SystemTime) -> Result<Duration, ClockError> {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) if since.as_secs() <= LAST_SECOND => Ok(since),
        _ => Err(ClockError { time }),
    }
}

fn readable(second: u64) -> String {
    (rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(second)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64, nanos: u32) -> SystemTime {
        UNIX_EPOCH + Duration::new(seconds, nanos)
    }

    fn starting(now: SystemTime, lifetime: u64) -> Result<Validity, ClockError> {
        Validity::starting(now, Duration::from_secs(lifetime))
    }

    // C17
    #[test]
    fn a_certificate_is_backdated_by_no_more_than_a_minute_whatever_the_fraction_of_the_second() {
        for nanos in [0, 1, 500_000_000, 999_999_999] {
            let now = at(1_000_000, nanos);
            let validity = starting(now, 20).unwrap();
            let backdated = now.duration_since(validity.not_before()).unwrap();
            assert!(
                backdated <= Duration::from_secs(60) && backdated > Duration::from_secs(59),
                "{backdated:?}"
            );
            assert!(validity.remaining(now) <= Duration::from_secs(20));
            assert!(validity.remaining(now) > Duration::from_secs(19));
        }
    }

    // T4
    #[test]
    fn a_clock_that_no_certificate_can_express_is_refused() {
        for now in [UNIX_EPOCH - Duration::from_secs(1), at(59, 0), at(LAST_SECOND + 1, 0)] {
            assert_eq!(starting(now, 20), Err(ClockError { time: now }));
        }
        assert!(starting(at(LAST_SECOND - 20, 0), 20).is_ok());
        assert!(starting(at(LAST_SECOND - 19, 0), 20).is_err());
    }

    // C13, C18
    #[test]
    fn a_validity_is_clamped_at_both_ends_to_the_authority() {
        let authority = Validity { not_before: 990, not_after: 1_100 };
        let clamped = starting(at(1_000, 0), 3_600).unwrap().within(authority, at(1_000, 0)).unwrap();
        assert_eq!(clamped, Validity { not_before: 990, not_after: 1_100 });
    }

    // C18
    #[test]
    fn an_authority_that_does_not_hold_now_signs_nothing() {
        let authority = Validity { not_before: 1_000, not_after: 2_000 };
        for (now, refused) in [(999, true), (1_000, false), (1_999, false), (2_000, true)] {
            let outcome = starting(at(now, 0), 20).unwrap().within(authority, at(now, 0));
            assert_eq!(outcome.is_err(), refused, "{now}: {outcome:?}");
        }
    }

    #[test]
    fn an_ended_authority_is_named_with_its_last_second() {
        let authority = Validity { not_before: 1_000, not_after: 2_000 };
        let error = starting(at(3_000, 0), 20).unwrap().within(authority, at(3_000, 0)).unwrap_err();
        assert!(error.to_string().contains("1970-01-01"), "{error}");
    }
}
