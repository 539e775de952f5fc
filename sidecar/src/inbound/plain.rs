//! Connections in the clear, of callers that have no sidecar yet: only where the namespace is in Observe. TLS that is not
//! ours, but the application's own, is one of them: nobody is proven by it to us.
//!
//! Owns how one is told from TLS and from its bytes, and how it is served. Each of its calls is judged like any other, and
//! is one line that says what Enforce would have refused; nothing that it claims about its caller reaches the application.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use hyper::service::service_fn;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::judged::{Judged, Request};
use super::session::Peer;
use super::shares::{Holder, Share};
use super::websocket::over_in_the_clear;
use super::{Ends, HANDSHAKE_LIMIT, http, opaque};
use crate::detect::{Replayed, Spoken, detect};
use crate::enforce::{Cut, LAST_WORDS, Subject};
use crate::enforced::Protocol;
use crate::plaintext::{self, Version};
use crate::refusal::Refusal;
use crate::tunnel::{End, Near, carry_plain};
use crate::worker::Worker;

/// The type of the record that every TLS connection begins with (RFC 8446 §5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// What a connection begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum First {
    Tls,
    /// Anything else: it is in the clear.
    Clear,
    /// Nothing in time: its server is the one that speaks first.
    Silent,
    /// It has ended.
    Gone,
}

/// Looks at the first byte, which stays where it is.
pub(super) async fn first(stream: &TcpStream) -> io::Result<First> {
    let mut byte = [0; 1];
    match timeout(HANDSHAKE_LIMIT, stream.peek(&mut byte)).await {
        Err(_) => Ok(First::Silent),
        Ok(Ok(0)) => Ok(First::Gone),
        Ok(Ok(_)) if byte == [TLS_HANDSHAKE] => Ok(First::Tls),
        Ok(Ok(_)) => Ok(First::Clear),
        Ok(Err(error)) => Err(error),
    }
}

/// A connection in the clear, of which it is known what it speaks.
pub(super) struct Plain {
    stream: Replayed<TcpStream>,
    speaks: Speaks,
}

/// What is spoken on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speaks {
    Http(Version),
    /// Bytes that are not looked into.
    Bytes,
    /// The same, and they are TLS of the application's own.
    Tls,
}

impl Plain {
    /// One that begins with a hello for the application.
    pub(super) fn tls(stream: Replayed<TcpStream>) -> Self {
        Self { stream, speaks: Speaks::Tls }
    }
}

/// What is spoken: declared first, detected second. `None`: it has ended, or stopped in the middle of a preface.
pub(super) async fn told(stream: TcpStream, first: First, declared: Protocol) -> io::Result<Option<Plain>> {
    let detected = match (declared, first) {
        (Protocol::Opaque | Protocol::Tls, _) | (_, First::Silent) => {
            Some((Spoken::Opaque, Replayed::untouched(stream)))
        }
        (Protocol::Http | Protocol::Detected, _) => detect(stream).await?,
    };
    Ok(detected.map(|(spoken, stream)| {
        let speaks = Version::of(spoken, Some(declared)).map_or(Speaks::Bytes, Speaks::Http);
        Plain { stream, speaks }
    }))
}

/// Serves the connection until it ends, unless it may not begin.
pub(super) async fn serve(worker: &Arc<Worker>, plain: Plain, ends: Ends) -> Result<(), Refusal> {
    let holder = Holder::Address(ends.from.ip());
    let place = worker.stream_shares.take_or_refuse(&holder, "too_many_streams", "connections")?;
    let request = match plain.speaks {
        Speaks::Http(version) => return requests(worker, plain.stream, version, ends, place).await,
        Speaks::Bytes => Request::opaque(),
        Speaks::Tls => Request::tls(),
    };
    let peer = Peer::in_the_clear(ends, Cut::default(), place);
    bytes(worker, plain.stream, &peer, request).await;
    Ok(())
}

/// Calls of HTTP. The connection is entered too: idle, it would outlive the end of Observe.
async fn requests(
    worker: &Arc<Worker>,
    stream: Replayed<TcpStream>,
    version: Version,
    ends: Ends,
    place: Share,
) -> Result<(), Refusal> {
    let entered = worker.registry.enter(Subject::Plaintext);
    worker.law.check(&Subject::Plaintext)?;
    let peer = Peer::in_the_clear(ends, entered.cut.clone(), place);
    let serving = Arc::clone(worker);
    let service = service_fn(move |request| {
        let (worker, peer) = (Arc::clone(&serving), peer.clone());
        // On the heap at once: every layer between here and its task would move it.
        Box::pin(async move { Ok::<_, Infallible>(http::call(&worker, &peer, request).await) })
    });
    let (tasks, stop) = (&worker.tasks, &worker.shared.stop);
    let serve = plaintext::serve(stream, ends.from, version, service, tasks, stop);
    let mut serve = std::pin::pin!(serve);
    tokio::select! {
        () = serve.as_mut() => return Ok(()),
        _ = entered.cut.reason() => {}
        () = stop.forced() => entered.cut.cut(Refusal::drained()),
    }
    // Refusals that are on their way are worth a moment; how the connection ends then is all the same.
    let _ = timeout(LAST_WORDS, serve).await;
    Ok(())
}

/// Bytes that are not looked into: one call.
async fn bytes(worker: &Arc<Worker>, stream: Replayed<TcpStream>, peer: &Peer, request: Request) {
    let (stream, first) = stream.into_parts();
    // From here on the connection ends in a reset unless it ends well.
    let far = match Near::new(stream, first) {
        Ok(far) => far,
        Err(error) => {
            return tracing::debug!(%error, from = %peer.ends.from, "Connection in the clear failed");
        }
    };
    let mut judged = Judged::begin(worker, peer, request);
    if let Err(refusal) = judged.decide(worker) {
        // The log has the id; bytes have no place for it.
        judged.refuse(&refusal);
        return;
    }
    let protocol = judged.protocol();
    let Judged { open, cut, .. } = judged;
    let near = tokio::select! {
        biased;
        because = cut.reason() => {
            open.refuse(&because);
            return;
        }
        near = opaque::near(worker, peer) => near,
    };
    let near = match near {
        Ok(near) => near,
        Err(error) => {
            tracing::debug!(%error, "Connection not taken by the application");
            return open.finish(Some(error.code()));
        }
    };
    let over = over_in_the_clear(&cut, &peer.session, &worker.shared.stop);
    let carried = carry_plain(near, far, over, opaque::admits(protocol)).await;
    if carried.end == End::NotAdmitted {
        cut.cut(opaque::http_in_stream());
    }
    open.tunnelled(carried);
}
