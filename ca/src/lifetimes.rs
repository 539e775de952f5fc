//! How long each kind of certificate lives. Owns the bounds; who asks for a certificate has no say in them (C13).

use std::time::Duration;

const MIN_SVID: Duration = Duration::from_secs(20);
/// An svid never lives longer, whatever anybody asks for.
pub(crate) const MAX_SVID: Duration = Duration::from_secs(24 * 60 * 60);
const MAX_ROOT: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// The lifetimes of what an authority mints from now on. Certificates that exist keep theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// Of an svid: 20 s to 24 h.
    pub svid: Duration,
    /// Of an issuing authority: at least twice an svid's, because it is replaced at half its life and an svid
    /// never outlives it.
    pub issuing: Duration,
    /// Of the root: at least an issuing authority's, at most ten years.
    pub root: Duration,
}

impl Default for Lifetimes {
    /// An hour, seven days, a year.
    fn default() -> Self {
        Self {
            svid: Duration::from_secs(60 * 60),
            issuing: Duration::from_secs(7 * 24 * 60 * 60),
            root: Duration::from_secs(365 * 24 * 60 * 60),
        }
    }
}

/// Why lifetimes are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LifetimesError {
    /// An svid's lifetime is out of bounds.
    #[error("an svid lifetime of {asked:?} is outside 20 s to 24 h; choose one inside")]
    Svid {
        /// What was asked for.
        asked: Duration,
    },
    /// An issuing authority would be replaced before the svids it signed have ended.
    #[error("an issuing authority of {issuing:?} is shorter than twice an svid's {svid:?}; make it longer")]
    Issuing {
        /// The issuing authority's lifetime.
        issuing: Duration,
        /// The svid's lifetime.
        svid: Duration,
    },
    /// The root is shorter than what it signs, or longer than a root should ever be.
    #[error(
        "a root of {root:?} is outside {issuing:?} (the issuing authority's) to ten years; choose one inside"
    )]
    Root {
        /// The root's lifetime.
        root: Duration,
        /// The issuing authority's lifetime.
        issuing: Duration,
    },
}

impl Lifetimes {
    pub(crate) fn checked(self) -> Result<Self, LifetimesError> {
        let Self { svid, issuing, root } = self;
        if !(MIN_SVID..=MAX_SVID).contains(&svid) {
            return Err(LifetimesError::Svid { asked: svid });
        }
        if issuing < svid * 2 {
            return Err(LifetimesError::Issuing { issuing, svid });
        }
        if !(issuing..=MAX_ROOT).contains(&root) {
            return Err(LifetimesError::Root { root, issuing });
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn svid(svid: Duration) -> Result<Lifetimes, LifetimesError> {
        Lifetimes { svid, ..Lifetimes::default() }.checked()
    }

    // C13: the policy's own bounds; there is no way at all for a requester to name a lifetime.
    #[test]
    fn an_svid_lives_from_twenty_seconds_to_a_day() {
        for asked in [Duration::ZERO, MIN_SVID - SECOND, MAX_SVID + SECOND, 10 * MAX_ROOT] {
            assert_eq!(svid(asked), Err(LifetimesError::Svid { asked }), "{asked:?}");
        }
        for asked in [MIN_SVID, MAX_SVID] {
            assert_eq!(svid(asked).map(|lifetimes| lifetimes.svid), Ok(asked));
        }
    }

    #[test]
    fn the_defaults_hold() {
        assert_eq!(Lifetimes::default().checked(), Ok(Lifetimes::default()));
    }

    #[test]
    fn an_issuing_authority_lives_at_least_twice_as_long_as_an_svid() {
        let lifetimes = Lifetimes { svid: 60 * SECOND, issuing: 119 * SECOND, ..Lifetimes::default() };
        assert!(matches!(lifetimes.checked(), Err(LifetimesError::Issuing { .. })));
        assert!(Lifetimes { issuing: 120 * SECOND, ..lifetimes }.checked().is_ok());
    }

    #[test]
    fn a_root_outlives_what_it_signs_but_not_ten_years() {
        let lifetimes = Lifetimes::default();
        for root in [lifetimes.issuing - SECOND, MAX_ROOT + SECOND] {
            assert!(matches!(Lifetimes { root, ..lifetimes }.checked(), Err(LifetimesError::Root { .. })));
        }
    }
}
