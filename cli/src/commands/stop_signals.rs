//! The signals that end a command which has something to clear away. Two more than a child of the supervisor has: a
//! terminal that is closed (SIGHUP) and Ctrl-\ (SIGQUIT) mean a person, too.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The streams of all four signals: once made, none of them kills the process any more.
pub(super) struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    quit: Signal,
}

impl StopSignals {
    /// Listens from now on.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    /// Waits for the next one; one that came since the last is seen at once.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
            _ = self.quit.recv() => {}
        }
    }
}
