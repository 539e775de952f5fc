//! Waiting for a time of the wall clock: the end of an svid, the beginning of its renewal window.

use std::time::{Duration, SystemTime};

use kith_runtime::Clock;

/// Wall clocks jump, and timers do not follow them: the clock is asked at least this often.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Ends when the clock shows `time`, or at once if it is later already.
pub(crate) async fn until(clock: &Clock, time: SystemTime) {
    while let Ok(left) = time.duration_since(clock.now()) {
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(ASK_AGAIN)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_forward_ends_the_wait_within_a_second() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let (clock, hand) = Clock::manual(start);
        let mut wait = std::pin::pin!(until(&clock, start + Duration::from_secs(3600)));
        tokio::select! {
            biased;
            () = wait.as_mut() => panic!("an hour has not passed"),
            () = tokio::time::sleep(Duration::from_secs(10)) => {}
        }
        hand.advance(Duration::from_secs(3600));
        tokio::time::timeout(ASK_AGAIN * 2, wait).await.unwrap();
    }
}
