//! The signals that end a process. What follows from them is [`crate::drain`]'s business.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// A request to stop has come; the next one is [`StopRequested::again`].
#[derive(Debug)]
pub struct StopRequested {
    signals: StopSignals,
    /// Which signal it was.
    pub signal: &'static str,
}

/// Both streams, kept open between the first signal and the second so that none in between is lost.
#[derive(Debug)]
struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

/// Waits for SIGINT or SIGTERM. From its first poll on, neither kills the process any more.
///
/// Keep the value: its [`StopRequested::again`] is the second signal, with which a person says "now".
pub async fn stop_requested() -> io::Result<StopRequested> {
    let mut signals = StopSignals {
        interrupt: signal(SignalKind::interrupt())?,
        terminate: signal(SignalKind::terminate())?,
    };
    let signal = signals.next().await;
    Ok(StopRequested { signals, signal })
}

impl StopRequested {
    /// Waits for the next such signal, and names it. One that came since the first is seen at once.
    pub async fn again(&mut self) -> &'static str {
        self.signals.next().await
    }
}

impl StopSignals {
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::signal::{Signal as Number, raise};

    #[tokio::test]
    async fn the_first_and_a_second_signal_are_both_seen_and_named() {
        let mut first = std::pin::pin!(stop_requested());
        // One poll registers the streams; from then on the signal does not kill this test.
        tokio::select! {
            biased;
            _ = first.as_mut() => panic!("no signal was sent yet"),
            () = std::future::ready(()) => {}
        }
        raise(Number::SIGTERM).unwrap();
        let mut requested = first.await.unwrap();
        assert_eq!(requested.signal, "SIGTERM");

        // Sent before anybody waits for it: still seen.
        raise(Number::SIGINT).unwrap();
        assert_eq!(requested.again().await, "SIGINT");
    }
}
