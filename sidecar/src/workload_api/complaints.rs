//! Telling of what somebody else can repeat as often as it likes. Owns how often the log hears of it; what is told is the
//! teller's.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::lock::lock;

/// Something is told of at most this often.
pub(super) const INTERVAL: Duration = Duration::from_secs(10);

/// Of one kind of thing.
#[derive(Debug, Clone, Default)]
pub(super) struct Complaints(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    untold: u64,
}

impl Complaints {
    /// Whether it is to be told now, and then of how many before it nothing was told.
    pub(super) fn due(&self) -> Option<u64> {
        let mut state = lock(&self.0);
        if state.last.is_some_and(|last| last.elapsed() < INTERVAL) {
            state.untold += 1;
            return None;
        }
        state.last = Some(Instant::now());
        Some(std::mem::take(&mut state.untold))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    // D7.
    #[tokio::test(start_paused = true)]
    async fn what_is_repeated_is_told_once_in_a_while_with_how_often_it_was_not() {
        let complaints = Complaints::default();
        assert_eq!(complaints.due(), Some(0));
        for _ in 0..1_000 {
            assert_eq!(complaints.clone().due(), None);
        }
        advance(INTERVAL).await;
        assert_eq!((complaints.due(), complaints.due()), (Some(1_000), None));
    }
}
