//! What travels between two sidecars: one HTTP/2 session for each worker, destination address and expected identity.
//!
//! A session never outlives the svids that proved it. [`lifetime`] says when it is replaced and when it is cut; a
//! later step re-proves a live session in place there, so that long streams live on.

mod connect;
mod lifetime;
mod pool;
mod state;

pub(crate) use lifetime::Lifetime;
pub(crate) use pool::{OpenSession, Parts, Pool, SessionTarget};
pub(crate) use state::{SessionNumbers, SessionState};

/// HTTP/2 inside, between two sidecars of Kith: never mistaken for a foreign client's `h2`.
pub(crate) const ALPN_KITH: &[u8] = b"kith/1";
/// A foreign client that speaks HTTP/2.
pub(crate) const ALPN_H2: &[u8] = b"h2";
/// A foreign client that speaks HTTP/1.1.
pub(crate) const ALPN_HTTP1: &[u8] = b"http/1.1";

/// Flow control of one stream; what bounds how long a bulk body can hold up small calls beside it.
pub(crate) const STREAM_WINDOW: u32 = 256 * 1024;
/// Flow control of a whole session: what its streams may use together, so that none waits for another's reader.
pub(crate) const SESSION_WINDOW: u32 = STREAM_WINDOW * STREAMS;
/// Calls at once in one session.
pub(crate) const STREAMS: u32 = 1_024;
/// Of one head, target included. Twice what `forward` lets through, so that a head that is too large is refused there,
/// with a denial id, and not by a library, without one.
pub(crate) const MAX_HEADER_BYTES: u32 = 128 * 1024;
