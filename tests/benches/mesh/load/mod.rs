//! The load: raw sockets on one thread, with nothing in between that could cost or hide time. Owns the requests, the
//! schedule and the clock; every load ends after a count or a time, whichever comes first.

mod bulk;
mod calls;
mod http;
mod latency;
mod streams;
mod wait;

use std::net::SocketAddr;
use std::num::NonZero;
use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// The bytes of the body of a small answer, and of an answer on an opaque connection.
const SMALL: u64 = 100;
/// A load that is not done so long after its time has failed.
const GRACE: Duration = Duration::from_secs(10);

/// A load to make.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Request {
    /// Where.
    pub(crate) to: SocketAddr,
    /// What.
    pub(crate) kind: Kind,
    /// For how long at most.
    pub(crate) limit: Duration,
    /// How often at most.
    pub(crate) most: u64,
}

/// Kinds of load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// Every connection makes its next call when the last one was answered.
    Closed {
        /// Connections, all kept alive.
        connections: usize,
    },
    /// Calls begin on time, whether or not those before were answered.
    Paced {
        /// Connections, all kept alive.
        connections: usize,
        /// Calls a second, on all of them together.
        per_second: u32,
    },
    /// New opaque connections, each for one question and one answer.
    Streams {
        /// So many are open at a time.
        at_once: usize,
    },
    /// One opaque connection with one large answer.
    BulkStream {
        /// How large.
        bytes: u64,
    },
    /// One call with one large body.
    BulkBody {
        /// How large.
        bytes: u64,
    },
}

/// What came of it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// Calls or connections that were answered; the others are an error.
    pub(crate) done: u64,
    /// Bytes of their bodies.
    pub(crate) bytes: u64,
    /// How long it took.
    pub(crate) seconds: f64,
    /// Half of them took no longer.
    pub(crate) p50_us: f64,
    /// All but one in a hundred took no longer.
    pub(crate) p99_us: f64,
}

/// Makes a load. Whatever is not answered as it should be fails it.
pub(crate) fn run(request: &Request) -> anyhow::Result<Outcome> {
    // The kernel's usual 50 us of slack would be part of every paced call.
    rustix::thread::set_current_timer_slack(NonZero::new(1)).context("cannot set the timer slack")?;
    match request.kind {
        Kind::Closed { connections } => calls::run(request, connections, None),
        Kind::Paced { connections, per_second } => calls::run(request, connections, Some(per_second)),
        Kind::Streams { at_once } => streams::run(request, at_once),
        Kind::BulkStream { bytes } => bulk::stream(request, bytes),
        Kind::BulkBody { bytes } => bulk::body(request, bytes),
    }
}

/// A question to the backend on an opaque connection.
fn question(bytes: u64) -> Vec<u8> {
    let mut question = format!("{bytes} ").into_bytes();
    question.resize(crate::backend::QUESTION, b' ');
    question
}
