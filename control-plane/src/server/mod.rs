//! gRPC over our own connections: mTLS for sidecars, a unix socket for people. Owns the limits on what a connection
//! may use and when it ends; who may call what is `gate`'s, what the answer is the services'.

mod ending;
mod gate;
mod routes;

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use kith_mtls::{Server, VerifiedPeer};
use kith_runtime::{Clock, Newest, Stop, Tasks};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::sleep;
use tonic::Status;
use tonic::body::Body;
use tracing::{debug, info};

use crate::attest::Connection;

pub(crate) use ending::serve_until;
pub(crate) use gate::Door;
pub(crate) use routes::Routes;

/// R3: nothing that Kith sends is near it.
pub(crate) const MAX_MESSAGE: usize = 4 * 1024 * 1024;
/// What whoever has no svid may send in one message: evidence and a CSR of 8 KiB each at most, and room. Until a
/// message is whole its bytes are held, so this is what each unfinished one costs (D6).
pub(crate) const MAX_QUESTION: usize = 32 * 1024;
/// Connections open at once on each door.
pub(crate) const MAX_CONNECTIONS: usize = 4096;
/// Handshakes under way: whoever opens connections and stays silent leaves room for those who get on with it (D3).
pub(crate) const MAX_HANDSHAKES: usize = 512;
/// Connections without an svid: whoever opens many pushes out strangers, and never a sidecar that has its svid (D3).
pub(crate) const MAX_STRANGERS: usize = 1024;
const _: () = assert!(MAX_HANDSHAKES + MAX_STRANGERS <= MAX_CONNECTIONS / 2, "room for those with an svid");
/// How much of either one address may have: an eighth. A pod that opens many waits for its own, and the others' sidecars
/// get their svids meanwhile. Behind an address that many pods share, such as a node's where the network hides theirs, it
/// is still more than ask at the same moment.
const SHARE: usize = 8;
/// What ALPN calls HTTP/2.
pub(crate) const ALPN: &[u8] = b"h2";

const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// Whoever has no svid yet has one thing to ask and then comes back with it.
const STRANGER_TIME: Duration = Duration::from_secs(10);
const MAX_HEADER_LIST: u32 = 16 * 1024;
const MAX_RESETS: usize = 32;
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// What a connection may hold of this process at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Allowance {
    streams: u32,
    /// Bytes that came and were not read yet: of one stream, and of all.
    stream_window: u32,
    window: u32,
}

impl Allowance {
    /// For sidecars with an svid, and for people.
    const KNOWN: Self = Self { streams: 32, stream_window: 1024 * 1024, window: 1024 * 1024 };
    /// One question, and what a client may ask beside it.
    const STRANGER: Self = Self { streams: 4, stream_window: 64 * 1024, window: 128 * 1024 };
}

/// Who is at the other end of the connection, for the services.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    peer: Option<Arc<VerifiedPeer>>,
    /// The earlier end of the two svids that proved the session.
    ends_at: Option<SystemTime>,
    /// Where it came from; `None` on a socket, and for people.
    address: Option<IpAddr>,
}

impl Caller {
    /// Every request that came through the gate has one.
    pub(crate) fn of<T>(request: &tonic::Request<T>) -> Result<Self, Status> {
        let caller = request.extensions().get::<Self>().cloned();
        caller.ok_or_else(|| Status::internal("the request did not come through the gate"))
    }

    /// The verified peer, if it showed an svid.
    pub(crate) fn svid(&self) -> Option<&VerifiedPeer> {
        self.peer.as_deref()
    }

    /// For attestation: what the evidence is held against.
    pub(crate) fn connection(&self) -> Connection<'_> {
        Connection { peer: self.svid(), address: self.address }
    }

    /// The verified peer, and when its session ends; refused without one.
    pub(crate) fn session(&self) -> Result<(&VerifiedPeer, SystemTime), Status> {
        self.svid().zip(self.ends_at).ok_or_else(gate::no_svid)
    }
}

/// What every connection of a door shares.
#[derive(Clone)]
pub(crate) struct Connections {
    pub(crate) routes: Routes,
    pub(crate) unproven: Newest,
    /// Those who showed no svid, for as long as they are connected.
    pub(crate) strangers: Newest,
    pub(crate) clock: Clock,
    pub(crate) stop: Stop,
    pub(crate) tasks: Tasks,
}

/// Places for who has proven nothing, fairly shared.
pub(crate) fn places(all: usize) -> Newest {
    Newest::new(all).with_share(all.div_ceil(SHARE))
}

impl Connections {
    /// One connection of a sidecar: handshake, then calls until the svids end.
    pub(crate) async fn serve_sidecar(self, tls: Server, stream: TcpStream, address: SocketAddr) {
        // A listener of both families tells IPv4 addresses as IPv6.
        let ip = address.ip().to_canonical();
        let session = tokio::select! {
            session = self.unproven.run_from(ip, tls.accept(stream, HANDSHAKE_TIME)) => session,
            () = self.stop.graceful() => return,
        };
        let session = match session {
            Some(Ok(session)) => session,
            Some(Err(error)) => return log_refused(error.reason(), &error.to_string(), address),
            None => return log_refused("too_many_handshakes", "newer connections took its place", address),
        };
        let ends_at = session.ends_at();
        let stranger = session.peer.is_none();
        let caller = Caller { peer: session.peer.map(Arc::new), ends_at, address: Some(ip) };
        let end = connection_end(ends_at, stranger, self.clock.clone());
        if !stranger {
            return self.serve(session.stream, caller, Allowance::KNOWN, end).await;
        }
        let strangers = self.strangers.clone();
        let serving = self.serve(session.stream, caller, Allowance::STRANGER, end);
        if strangers.run_from(ip, serving).await.is_none() {
            debug!(address = %ip, "A connection without an svid was cut off: newer ones took its place");
        }
    }

    /// One connection of a person's command. Who could connect was let in: by the socket's mode, or by the cluster.
    pub(crate) async fn serve_person<IO>(self, stream: IO)
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let caller = Caller { peer: None, ends_at: None, address: None };
        self.serve(stream, caller, Allowance::KNOWN, std::future::pending()).await;
    }

    async fn serve<IO>(self, io: IO, caller: Caller, allowance: Allowance, end: impl Future<Output = ()>)
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let routes = self.routes.clone();
        let answer = service_fn(move |request| answer(routes.clone(), caller.clone(), request));
        let connection = http2::Builder::new(self.tasks.clone())
            .timer(TokioTimer::new())
            .max_concurrent_streams(allowance.streams)
            .initial_stream_window_size(allowance.stream_window)
            .initial_connection_window_size(allowance.window)
            .max_header_list_size(MAX_HEADER_LIST)
            .max_pending_accept_reset_streams(MAX_RESETS)
            .max_local_error_reset_streams(MAX_RESETS)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .serve_connection(TokioIo::new(io), answer);
        let served = serve_until(connection, end, &self.stop, |connection| connection.graceful_shutdown());
        if let Err(error) = served.await {
            debug!(%error, "Connection ended with an error");
        }
    }
}

/// When a connection is over, whatever happens on it: with the first of its svids, and for a stranger soon.
async fn connection_end(svids_end: Option<SystemTime>, stranger: bool, clock: Clock) {
    let svids_end = async {
        match svids_end {
            Some(time) => clock.until(time).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = svids_end => {}
        () = sleep(STRANGER_TIME), if stranger => {}
    }
}

/// The gate, then the service.
async fn answer(
    routes: Routes,
    caller: Caller,
    mut request: http::Request<Incoming>,
) -> Result<http::Response<Body>, Infallible> {
    if let Err(status) = gate::admit(routes.door(), request.uri().path(), caller.peer.is_some()) {
        info!(path = request.uri().path(), reason = status.message(), "Request refused");
        return Ok(status.into_http());
    }
    request.extensions_mut().insert(caller);
    Ok(routes.call(request).await)
}

fn log_refused(reason: &str, error: &str, address: SocketAddr) {
    info!(%address, reason, error, "Connection refused");
}

#[cfg(test)]
mod tests;
