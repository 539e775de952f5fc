//! HTTP in the clear on a TCP connection: of the application to its sidecar, and of callers that have none.
//!
//! Owns how such a connection ends and how it is switched to a WebSocket. Who speaks there, and what may be asked, is the
//! caller's.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use http::request::Parts;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use kith_runtime::{Stop, Tasks};
use socket2::{SockRef, Socket};
use tokio::net::TcpStream;

use crate::body::Body;
use crate::detect::{Replayed, Spoken};
use crate::enforced::Protocol;
use crate::http_server;
use crate::stream_request;
use crate::tunnel::Near;

/// Which version is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    Http1,
    Http2,
}

impl Version {
    /// The one that is spoken; `None` for bytes. What was declared to be HTTP is held to it: hyper answers the rest with
    /// 400.
    pub(crate) fn of(spoken: Spoken, declared: Option<Protocol>) -> Option<Self> {
        match spoken {
            Spoken::Opaque if declared != Some(Protocol::Http) => None,
            Spoken::Opaque | Spoken::Http1 => Some(Self::Http1),
            Spoken::Http2 => Some(Self::Http2),
        }
    }
}

/// Until the connection is over. An answer that breaks off is a reset for whoever reads it: to a client of HTTP/1.0 the
/// end of the connection is the end of the answer, and one that was cut short must not look complete.
pub(crate) async fn serve<S, Fut>(
    stream: Replayed<TcpStream>,
    from: SocketAddr,
    version: Version,
    service: S,
    tasks: &Tasks,
    stop: &Stop,
) where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future = Fut>,
    Fut: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
{
    let socket = match doomed(&stream) {
        Ok(socket) => socket,
        Err(error) => return tracing::debug!(%error, %from, "Connection in the clear failed"),
    };
    let served = match version {
        Version::Http2 => http_server::http2(stream, service, tasks, stop).await,
        Version::Http1 => http_server::http1(stream, service, stop).await,
    };
    let cut_short = served.as_ref().is_err_and(hyper::Error::is_user);
    if let Err(error) = served {
        tracing::debug!(%error, %from, "Connection in the clear ended badly");
    }
    if !cut_short {
        // An error means that the connection is gone, and nothing is left to be said on it.
        drop(socket.set_linger(None));
    }
}

/// From here on the connection ends in a reset, unless the handle that is returned takes that back.
fn doomed(stream: &Replayed<TcpStream>) -> io::Result<Socket> {
    let socket = SockRef::from(stream.inner()).try_clone()?;
    socket.set_linger(Some(Duration::ZERO))?;
    Ok(socket)
}

/// What the connection becomes once its request for a WebSocket was granted; `None` for a request of another kind.
pub(crate) fn on_upgrade(parts: &mut Parts) -> Option<OnUpgrade> {
    let on_upgrade = parts.extensions.remove::<OnUpgrade>()?;
    stream_request::asks_for_websocket(parts).then_some(on_upgrade)
}

/// The connection under hyper, with what hyper has read of it beyond the request.
pub(crate) fn switched(upgraded: Upgraded) -> Result<Near, String> {
    let parts = upgraded
        .downcast::<TokioIo<Replayed<TcpStream>>>()
        .map_err(|_| "the connection is not the one that was accepted".to_owned())?;
    let (stream, rest) = parts.io.into_inner().into_parts();
    // What was detected came before what hyper read, and is empty by now; the order is kept all the same.
    let first = [parts.read_buf.as_ref(), &rest].concat();
    Near::new(stream, first).map_err(|error| error.to_string())
}
