//! What happens in a mesh, as its supervisor tells it: identity-log lines of every sidecar, and the lives of the
//! children. Owns the fan-out; how an event looks is `render::event`'s business.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kith_sidecar::identity_log::Line;
use tokio::sync::broadcast;

use super::policies::PolicyState;

/// How many events a slow reader may be behind before it is told that it lost some.
const CAPACITY: usize = 32_768;

/// One child of the supervisor.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChildId {
    /// The control plane.
    ControlPlane,
    /// The sidecar of a service.
    Sidecar(Arc<str>),
    /// The application of a service.
    App(Arc<str>),
}

impl fmt::Display for ChildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ControlPlane => f.write_str("control plane"),
            Self::Sidecar(service) => write!(f, "sidecar of {service}"),
            Self::App(service) => write!(f, "application of {service}"),
        }
    }
}

/// Where a child wrote something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Its standard output.
    Stdout,
    /// Its standard error.
    Stderr,
}

/// Something happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// A sidecar wrote a line of its identity log.
    Line {
        /// The service.
        service: Arc<str>,
        /// The line.
        line: Arc<Line>,
    },
    /// A child was started for the first time.
    ChildStarted {
        /// Which.
        child: ChildId,
        /// Its process id.
        pid: i32,
    },
    /// A child ended.
    ChildExited {
        /// Which.
        child: ChildId,
        /// The process id that it had.
        pid: i32,
        /// How it ended, such as `exit status: 1` or `signal: 9 (SIGKILL)`.
        status: Arc<str>,
        /// How long until it is started again; `None` when it is not.
        pause: Option<Duration>,
    },
    /// A child was started again.
    Restarted {
        /// Which.
        child: ChildId,
        /// Its new process id.
        pid: i32,
    },
    /// A child wrote a line that is not of the identity log.
    Raw {
        /// Which.
        child: ChildId,
        /// Where.
        stream: Stream,
        /// What.
        text: Arc<str>,
    },
    /// Other policies came into force, or the newest edit did not.
    Policies(PolicyState),
    /// The supervisor refused something, or could not do it.
    Warning {
        /// The child it is about.
        child: ChildId,
        /// One sentence.
        text: Arc<str>,
    },
    /// This reader was too slow, and these are gone.
    Lost {
        /// How many.
        count: u64,
    },
}

/// A reader of events.
#[derive(Debug)]
pub struct Events(broadcast::Receiver<Event>);

impl Events {
    /// The next event; `None` once the supervisor is gone. Safe to drop half-way.
    pub async fn next(&mut self) -> Option<Event> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(count)) => Some(Event::Lost { count }),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// Where the supervisor's tasks report events.
#[derive(Debug, Clone)]
pub(crate) struct EventSink {
    sender: broadcast::Sender<Event>,
    // Made before the first child, so that the first reader misses nothing.
    first: Arc<Mutex<Option<broadcast::Receiver<Event>>>>,
}

impl EventSink {
    /// A sink that remembers for its first reader.
    pub(crate) fn new() -> Self {
        let (sender, receiver) = broadcast::channel(CAPACITY);
        Self { sender, first: Arc::new(Mutex::new(Some(receiver))) }
    }

    /// Tells every reader.
    pub(crate) fn report(&self, event: Event) {
        // An error means that nobody reads, which is nobody's loss.
        let _ = self.sender.send(event);
    }

    /// A reader: the first one reads from the beginning, later ones from now on.
    pub(crate) fn reader(&self) -> Events {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        Events(first.unwrap_or_else(|| self.sender.subscribe()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(count: u64) -> Event {
        Event::Lost { count }
    }

    #[tokio::test]
    async fn the_first_reader_misses_nothing_and_the_second_starts_now() {
        let sink = EventSink::new();
        sink.report(lost(1));
        let mut first = sink.reader();
        let mut second = sink.reader();
        sink.report(lost(2));
        drop(sink);
        assert!(matches!(first.next().await, Some(Event::Lost { count: 1 })));
        assert!(matches!(first.next().await, Some(Event::Lost { count: 2 })));
        assert!(matches!(second.next().await, Some(Event::Lost { count: 2 })));
        assert!(second.next().await.is_none());
    }

    #[tokio::test]
    async fn a_reader_that_is_too_slow_is_told_how_many_it_lost() {
        let sink = EventSink::new();
        let mut reader = sink.reader();
        for _ in 0..CAPACITY + 3 {
            sink.report(lost(0));
        }
        assert!(matches!(reader.next().await, Some(Event::Lost { count: 3 })));
    }
}
