//! What a check is made from: the lines of the sidecars, and what the story did and got meanwhile. Both are only ever
//! added to.

use std::sync::Arc;
use std::time::Duration;

use kith_sidecar::identity_log::{Call, Event, Line};

use super::times::PROMISE_MS;

/// The services that the story's load passes through, caller before callee.
pub(crate) const CHAIN: [&str; 3] = ["web", "orders", "payments"];
/// Every service of the demo.
pub(crate) const ALL: [&str; 4] = ["web", "orders", "payments", INTRUDER];
/// Who is cut off.
pub(crate) const INTRUDER: &str = "intruder";
/// Whose stream is cut.
pub(crate) const PAYMENTS: &str = "payments";
/// The stream that is cut.
pub(crate) const EVENTS_PATH: &str = "/events";

/// Both sides of a story.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Evidence<'a> {
    /// What the sidecars wrote, in the order in which it was read.
    pub(crate) lines: &'a [Logged],
    /// What the story did, and when (in milliseconds since 1970).
    pub(crate) marks: &'a [(i64, Mark)],
    /// The calls that the story made.
    pub(crate) attempts: &'a [Attempt],
    /// Events that were gone before they were read.
    pub(crate) lost: u64,
    /// Lines that could not be read.
    pub(crate) unreadable: u64,
}

/// One line of a sidecar.
#[derive(Debug, Clone)]
pub(crate) struct Logged {
    /// The service.
    pub(crate) service: Arc<str>,
    /// The time in the line, in milliseconds since 1970.
    pub(crate) at: i64,
    /// The line.
    pub(crate) line: Arc<Line>,
}

impl Logged {
    /// The call that the line is about.
    pub(crate) fn call(&self) -> Option<&Call> {
        match &self.line.event {
            Event::Call(call) => Some(call),
            _ => None,
        }
    }
}

/// One call of the story. Its path has a number of its own, by which its lines are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// The service at whose sidecar it was made.
    pub(crate) from: &'static str,
    /// The service that it was for.
    pub(crate) to: &'static str,
    /// Unique in the run.
    pub(crate) path: String,
    /// Whether anything but success is a failure; else it asks what the answer is.
    pub(crate) must_pass: bool,
    /// What came back.
    pub(crate) outcome: Outcome,
    /// How long that took for its client.
    pub(crate) took: Option<Duration>,
}

/// Whether a call that took so long was answered later than promised.
pub(crate) fn is_late(took: Duration) -> bool {
    took > Duration::from_millis(PROMISE_MS)
}

/// What a call of the story got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing so far.
    Open,
    /// A status.
    Answered(u16),
    /// No answer; one sentence.
    Failed(String),
}

/// Something that the story did, or saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The command began.
    Started,
    /// A file of policies is about to be written.
    Edited(Edit),
    /// The answer of a call was another one, so long after the edit.
    Flipped(Edit, Duration),
    /// The rotation step saw so many svids replaced.
    Rotated(u64),
    /// The intruder is about to be cut off.
    Quarantined,
    /// Its open stream broke off, so long after.
    CutSeen(Duration),
    /// The control plane was killed, and is about to be let come back.
    Released,
    /// It issued again, so long after.
    Recovered(Duration),
    /// The intruder is about to be let in again.
    Lifted,
}

/// An edit after which a call has another answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edit {
    /// Payments lets the intruder in.
    OpenPayments,
    /// Payments does not any more.
    ClosePayments,
    /// Payments lets the intruder in, for its stream as well.
    OpenEvents,
    /// Orders refuses web.
    CloseOrders,
    /// Orders lets web in again.
    OpenOrders,
}

impl Edit {
    /// Who calls whom.
    pub(crate) fn call(self) -> (&'static str, &'static str) {
        match self {
            Self::OpenPayments | Self::ClosePayments | Self::OpenEvents => (INTRUDER, PAYMENTS),
            Self::CloseOrders | Self::OpenOrders => ("web", "orders"),
        }
    }

    /// Whether the call is allowed then.
    pub(crate) fn allows(self) -> bool {
        match self {
            Self::OpenPayments | Self::OpenEvents | Self::OpenOrders => true,
            Self::ClosePayments | Self::CloseOrders => false,
        }
    }
}

impl<'a> Evidence<'a> {
    /// The identity of a service, as its own sidecar writes it.
    pub(super) fn identity(&self, service: &str) -> Option<&'a str> {
        let own = self.lines.iter().find(|logged| *logged.service == *service)?;
        Some(&own.line.workload)
    }

    /// When something was done.
    pub(super) fn when(&self, mark: &Mark) -> Option<i64> {
        self.marks.iter().find_map(|(at, known)| (known == mark).then_some(*at))
    }

    /// What the story's side says of something.
    pub(super) fn seen<T>(&self, read: impl Fn(&Mark) -> Option<T>) -> Option<T> {
        self.marks.iter().find_map(|(_, mark)| read(mark))
    }

    /// The lines about calls.
    pub(super) fn calls(&self) -> impl Iterator<Item = (&'a Logged, &'a Call)> {
        self.lines.iter().filter_map(|logged| Some((logged, logged.call()?)))
    }
}
