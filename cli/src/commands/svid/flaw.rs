//! A rule that something breaks, whichever standard it is of: in words, with its section and its place. Owns the one form
//! in which all of them are told, and the rules that need a clock or a file system.

use std::time::{Duration, SystemTime};

use kith_identity::svid::inspect::TokenInspection;
use kith_identity::svid::{Broken, JwtError};
use kith_identity::{BundleError, BundleMapError, Ignored, IgnoredBecause};
use kith_proto::convert::to_millis;
use serde::Serialize;

use crate::render::time;

/// By as much may the clock of who made a token be ahead: `JwtSvid::verify` allows the same.
const LEEWAY: Duration = Duration::from_secs(60);

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Flaw {
    /// What is wrong, in words.
    pub(crate) rule: String,
    /// The standard and its section: `X509-SVID 4.3`. `Kith` for what no standard says and Kith demands of whom it
    /// talks to; `null` for what is no rule of either, such as who may read a key.
    pub(crate) section: Option<String>,
    /// The byte of the certificate or the document at which it stands.
    pub(crate) offset: Option<usize>,
}

impl Flaw {
    fn new(rule: String, section: Option<&str>, offset: Option<usize>) -> Self {
        // Where the words name their section already, it is not said twice.
        let rule = match section.and_then(|section| rule.strip_suffix(&format!(" ({section})"))) {
            Some(words) => words.to_owned(),
            None => rule,
        };
        Self { rule, section: section.map(str::to_owned), offset }
    }

    /// A certificate that does not hold at this time.
    pub(super) fn of_validity(from: SystemTime, until: SystemTime, now: SystemTime) -> Option<Self> {
        let section = Some("RFC 5280 6.1.3");
        if until < now {
            let rule = format!("the certificate expired {}", time::left(now, to_millis(until)));
            return Some(Self::new(rule, section, None));
        }
        let early = from > now;
        let rule =
            || format!("the certificate begins {}; compare the clocks", time::left(now, to_millis(from)));
        early.then(|| Self::new(rule(), section, None))
    }

    /// A token that has expired.
    pub(super) fn of_expiry(until: SystemTime, now: SystemTime) -> Option<Self> {
        let rule = || format!("the token expired {}", time::left(now, to_millis(until)));
        (until <= now).then(|| Self::new(rule(), Some("JWT-SVID 3.3"), None))
    }

    /// A token that does not hold at this time, for whomever it is.
    pub(super) fn of_times(token: &TokenInspection, now: SystemTime) -> impl Iterator<Item = Self> {
        let expired = token.expires_at.and_then(|until| Self::of_expiry(until, now));
        let is_early = move |at: &SystemTime| at.duration_since(now).is_ok_and(|ahead| ahead > LEEWAY);
        let early = [("nbf", token.not_before), ("iat", token.issued_at)].into_iter();
        let early = early.filter_map(move |(claim, at)| {
            let rule =
                format!("{claim:?} is in the future, {}", time::left(now, to_millis(at.filter(is_early)?)));
            Some(Self::new(rule, Some("RFC 7519 4.1"), None))
        });
        expired.into_iter().chain(early)
    }

    /// A private key that others may read.
    pub(super) fn of_key(label: &str, mode: Option<u32>) -> Option<Self> {
        let mode = mode.filter(|mode| mode & 0o077 != 0)?;
        let rule =
            format!("a private key ({label}) is in a file that others may read (mode {mode:o}); chmod 600");
        Some(Self::new(rule, None, None))
    }

    /// An entry that the standard has everybody ignore. That of an unknown kind breaks no rule.
    pub(super) fn of_ignored(ignored: &Ignored) -> Option<Self> {
        let is_unknown = matches!(ignored.because, IgnoredBecause::KeyType | IgnoredBecause::Use);
        let rule = || format!("key {}: {}", ignored.entry, ignored.because);
        (!is_unknown).then(|| Self::new(rule(), Some(ignored.because.section()), Some(ignored.offset)))
    }
}

impl From<&Broken> for Flaw {
    fn from(broken: &Broken) -> Self {
        Self::new(broken.rule.to_string(), Some(broken.rule.section()), Some(broken.offset))
    }
}

impl From<&JwtError> for Flaw {
    fn from(error: &JwtError) -> Self {
        Self::new(error.to_string(), error.section(), None)
    }
}

impl From<&BundleError> for Flaw {
    fn from(error: &BundleError) -> Self {
        Self::new(error.to_string(), error.section(), None)
    }
}

impl From<&BundleMapError> for Flaw {
    fn from(error: &BundleMapError) -> Self {
        Self::new(error.to_string(), error.section(), None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::svid::testing::at;

    #[test]
    fn a_certificate_is_held_against_the_time_to_the_second() {
        let flaw = |now| Flaw::of_validity(at(0), at(60), at(now)).map(|flaw| flaw.rule);
        assert_eq!((flaw(0), flaw(60)), (None, None));
        assert_eq!(flaw(61).unwrap(), "the certificate expired 1s ago");
        assert_eq!(flaw(-5).unwrap(), "the certificate begins in 5s; compare the clocks");
    }

    #[test]
    fn a_token_has_expired_at_its_last_moment() {
        assert_eq!(Flaw::of_expiry(at(60), at(59)), None);
        assert_eq!(Flaw::of_expiry(at(60), at(60)).unwrap().section.as_deref(), Some("JWT-SVID 3.3"));
    }

    #[test]
    fn a_key_that_only_its_owner_reads_is_no_flaw() {
        assert_eq!(Flaw::of_key("PRIVATE KEY", Some(0o600)), None);
        assert_eq!(Flaw::of_key("PRIVATE KEY", None), None);
        for mode in [0o640, 0o604, 0o644, 0o620] {
            let flaw = Flaw::of_key("EC PRIVATE KEY", Some(mode)).unwrap();
            assert!(
                flaw.rule.contains("EC PRIVATE KEY") && flaw.rule.contains(&format!("{mode:o}")),
                "{flaw:?}"
            );
        }
    }

    #[test]
    fn a_section_is_said_once() {
        let flaw = Flaw::new("no keyUsage (X509-SVID 4.3)".into(), Some("X509-SVID 4.3"), Some(7));
        assert_eq!(flaw.rule, "no keyUsage");
        let flaw = Flaw::new("no keyUsage (RFC 5280)".into(), Some("X509-SVID 4.3"), None);
        assert_eq!(flaw.rule, "no keyUsage (RFC 5280)");
    }
}
