//! A body that goes on until the service stops: one line each tenth of a second.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame};
use kith_runtime::Stop;
use tokio::time::{Interval, MissedTickBehavior, interval};

const EVERY: Duration = Duration::from_millis(100);

/// Lines with numbers from 1.
#[derive(Debug)]
pub(super) struct Ticks {
    ticks: Interval,
    told: u64,
    stop: Stop,
}

impl Ticks {
    /// Ends properly when the service is told to stop.
    pub(super) fn until(stop: Stop) -> Self {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { ticks, told: 0, stop }
    }
}

impl Body for Ticks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        ready!(self.ticks.poll_tick(context));
        if self.stop.is_stopping() {
            return Poll::Ready(None);
        }
        self.told += 1;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(format!("event {}\n", self.told))))))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_line_comes_each_tenth_of_a_second_until_the_stop() {
        let (stopper, stop) = Stop::new();
        let (mut ticks, began) = (Ticks::until(stop), Instant::now());
        for number in 1..=3 {
            let frame = ticks.frame().await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), format!("event {number}\n"));
        }
        assert_eq!(began.elapsed(), EVERY * 2);
        stopper.begin();
        assert!(ticks.frame().await.is_none(), "a proper end, which a cut is not");
    }
}
