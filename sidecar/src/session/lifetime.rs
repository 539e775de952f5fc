//! When a session is replaced, and when it is cut. Pure.

use std::time::SystemTime;

/// The times of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lifetime {
    /// From here on a new session is opened beside it. Three quarters of what was left when it opened: both ends
    /// have renewed by then (65 %), and where renewal hangs, each replacement still gets a shorter and shorter
    /// turn instead of being tried at every call.
    pub(crate) replace_at: SystemTime,
    /// The server asks its client to leave: later than any Kith client leaves by itself.
    pub(crate) leave_at: SystemTime,
    /// The earlier of the two svids' expiries.
    pub(crate) ends_at: SystemTime,
}

impl Lifetime {
    pub(crate) fn new(opened_at: SystemTime, ends_at: SystemTime) -> Self {
        let left = ends_at.duration_since(opened_at).unwrap_or_default();
        Self { replace_at: opened_at + left * 3 / 4, leave_at: opened_at + left * 9 / 10, ends_at }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_session_is_replaced_before_its_peer_is_asked_to_leave_and_that_before_its_end() {
        let lifetime = Lifetime::new(UNIX_EPOCH, UNIX_EPOCH + Duration::from_secs(20));
        assert_eq!(lifetime.replace_at, UNIX_EPOCH + Duration::from_secs(15));
        assert_eq!(lifetime.leave_at, UNIX_EPOCH + Duration::from_secs(18));
        assert_eq!(lifetime.ends_at, UNIX_EPOCH + Duration::from_secs(20));
    }

    #[test]
    fn a_session_opened_past_its_end_is_over_at_once() {
        let lifetime = Lifetime::new(UNIX_EPOCH + Duration::from_secs(9), UNIX_EPOCH);
        assert_eq!(lifetime.replace_at, UNIX_EPOCH + Duration::from_secs(9));
    }
}
