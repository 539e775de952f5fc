//! What travels between two sidecars: for each worker, destination address and expected identity one HTTP/2 session for
//! calls, and a second one for streams.
//!
//! A session never outlives the svids that proved it. [`lifetime`] says when it is replaced and when it is cut; a
//! later step re-proves a live session in place there, so that long streams live on.

mod carrier;
mod connect;
mod lifetime;
mod pool;
mod state;

pub(crate) use carrier::{Calls, Carrier, Streams, keep_alive};
pub(crate) use connect::reach;
pub(crate) use lifetime::Lifetime;
pub(crate) use pool::{OpenSession, Parts, Pool, SessionError, SessionTarget};
pub(crate) use state::{SessionNumbers, SessionState};

/// Calls over HTTP/2, between two sidecars of Kith: never mistaken for a foreign client's `h2`.
pub(crate) const ALPN_CALLS: &[u8] = b"kith/1";
/// Streams over HTTP/2 CONNECT, between two sidecars of Kith.
pub(crate) const ALPN_STREAMS: &[u8] = b"kith-streams/1";
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
/// Streams at once in one session for streams: as many as an outbound port takes connections, so that none waits for
/// another to end.
pub(crate) const OPEN_STREAMS: u32 = 8_192;
/// Flow control of one stream there, from its caller: what may be on the way before the application took anything.
pub(crate) const OPAQUE_WINDOW: u32 = 128 * 1024;
/// Flow control of a session for streams, where each stream's own window is the limit: the most that HTTP/2 knows.
pub(crate) const LARGEST_WINDOW: u32 = (1 << 31) - 1;
/// Of one head, target included. Twice what `forward` lets through, so that a head that is too large is refused there,
/// with a denial id, and not by a library, without one.
pub(crate) const MAX_HEADER_BYTES: u32 = 128 * 1024;
