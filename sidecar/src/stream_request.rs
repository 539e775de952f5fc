//! What opens a stream between two sidecars: the heads of the two kinds of CONNECT, written on one side and read on the
//! other.
//!
//! ```text
//! opaque     CONNECT, :authority = the endpoint's address, kith-destination = its identity      200 | 403 | 421 | 503
//! WebSocket  CONNECT, :protocol = websocket (RFC 8441), the application's own authority and path, kith-destination
//!            answered with the application's own answer, and kith-switched when it switched
//! ```

use std::net::SocketAddr;

use h2::ext::Protocol;
use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::uri::Authority;
use http::{Method, Request, Response, StatusCode, Uri, Version};
use kith_identity::SpiffeId;

use crate::forward;
use crate::refusal::Refusal;
use crate::session::SessionTarget;

/// Whom the stream is for: a receiver is no open proxy.
const DESTINATION_HEADER: HeaderName = HeaderName::from_static("kith-destination");
/// The application has switched: an answer that only looks like it (H27) has no such header.
const SWITCHED_HEADER: HeaderName = HeaderName::from_static("kith-switched");
const WEBSOCKET: &str = "websocket";
const WEBSOCKET_VALUE: HeaderValue = HeaderValue::from_static(WEBSOCKET);
const SWITCHED: HeaderValue = HeaderValue::from_static("1");

/// What a peer wants to open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Opaque,
    WebSocket,
}

/// The head of an opaque stream. RFC 9113 §8.5: its authority is all that names a target.
pub(crate) fn opaque(target: &SessionTarget) -> Result<Request<()>, Refusal> {
    let uri = Uri::builder().authority(target.address.to_string()).build();
    let request = uri.and_then(|uri| {
        Request::builder()
            .method(Method::CONNECT)
            .version(Version::HTTP_2)
            .uri(uri)
            .header(DESTINATION_HEADER, target.identity.as_str())
            .body(())
    });
    // Addresses and identities have no character that a head could not carry.
    request.map_err(|error| Refusal::unavailable("session_failed", error.to_string()))
}

/// The same stream for another endpoint of the same identity. A WebSocket's head names no endpoint.
pub(crate) fn readdress(request: &mut Request<()>, target: &SessionTarget) {
    let is_opaque = request.extensions().get::<Protocol>().is_none();
    // An address has no character that an authority could not carry.
    if let (true, Ok(uri)) = (is_opaque, Uri::builder().authority(target.address.to_string()).build()) {
        *request.uri_mut() = uri;
    }
}

/// Whether an application asks for a WebSocket, and for nothing beside it (RFC 6455 §4.1). Other upgrades, `h2c` above
/// all (H31), are not carried: the request goes on without them.
pub(crate) fn asks_for_websocket(parts: &Parts) -> bool {
    let mut upgrades = parts.headers.get_all(UPGRADE).iter();
    let only = upgrades.next().filter(|_| upgrades.next().is_none());
    let websocket = only.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(WEBSOCKET.as_bytes()));
    let has_body =
        parts.headers.contains_key(CONTENT_LENGTH) || parts.headers.contains_key(TRANSFER_ENCODING);
    let may_switch = parts.version == Version::HTTP_11 && parts.method == Method::GET && !has_body;
    websocket && may_switch && names_upgrade(&parts.headers)
}

fn names_upgrade(headers: &HeaderMap) -> bool {
    let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|name| name.trim().eq_ignore_ascii_case("upgrade"))
}

/// The head of a WebSocket's stream.
pub(crate) fn websocket(
    mut parts: Parts,
    authority: Authority,
    destination: &SpiffeId,
) -> Result<Request<()>, Refusal> {
    forward::into_session(&mut parts, authority);
    let destination = HeaderValue::from_str(destination.as_str())
        .map_err(|error| Refusal::unavailable("session_failed", error.to_string()))?;
    parts.headers.insert(DESTINATION_HEADER, destination);
    parts.method = Method::CONNECT;
    parts.extensions.clear();
    parts.extensions.insert(Protocol::from_static(WEBSOCKET));
    Ok(Request::from_parts(parts, ()))
}

/// Reads the head that a peer sent, and makes of a WebSocket's what its application wrote. It must be for this workload, and an opaque one for the address that the session was
/// opened to (X10).
pub(crate) fn read(parts: &mut Parts, local: SocketAddr, own: &SpiffeId) -> Result<Wanted, Refusal> {
    let wanted = match parts.extensions.get::<Protocol>().map(Protocol::as_str) {
        _ if parts.method != Method::CONNECT => {
            return Err(not_carried("a session for streams carries CONNECT"));
        }
        None => Wanted::Opaque,
        Some(WEBSOCKET) => Wanted::WebSocket,
        Some(_) => return Err(not_carried("of extended CONNECT only websocket is carried")),
    };
    let mut destinations = parts.headers.get_all(DESTINATION_HEADER).iter();
    let destination = destinations.next().filter(|_| destinations.next().is_none());
    if destination.is_none_or(|value| value.as_bytes() != own.as_str().as_bytes()) {
        return Err(misdirected(format!("the stream is for another workload than {own}")));
    }
    let authority = parts.uri.authority().map(Authority::as_str);
    if wanted == Wanted::Opaque && authority != Some(local.to_string().as_str()) {
        return Err(misdirected(format!("the stream is for another address than {local}")));
    }
    if wanted == Wanted::WebSocket {
        // A server that honours it would take the first bytes of the stream for a body.
        if parts.headers.contains_key(CONTENT_LENGTH) {
            return Err(Refusal::bad_request("bad_websocket", "a WebSocket's request has no body"));
        }
        parts.method = Method::GET;
    }
    Ok(wanted)
}

fn not_carried(detail: &str) -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_carried", detail)
}

fn misdirected(detail: String) -> Refusal {
    Refusal::new(StatusCode::MISDIRECTED_REQUEST, "misdirected", detail)
}

/// Makes of a request one that asks for a WebSocket.
pub(crate) fn ask_for_websocket(parts: &mut Parts) {
    parts.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    parts.headers.insert(UPGRADE, WEBSOCKET_VALUE);
}

/// Whether an application's answer switches to what it was asked for.
pub(crate) fn switches<B>(response: &Response<B>) -> bool {
    let upgrade = response.headers().get(UPGRADE);
    response.status() == StatusCode::SWITCHING_PROTOCOLS
        && upgrade.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(WEBSOCKET.as_bytes()))
}

/// Says to the other sidecar that the application switched; HTTP/2 has no 101.
pub(crate) fn mark_switched(response: &mut http::response::Parts) {
    response.status = StatusCode::OK;
    response.headers.insert(SWITCHED_HEADER, SWITCHED);
}

/// Reads that mark, and makes of the answer what the application wrote.
pub(crate) fn take_switched(response: &mut http::response::Parts) -> bool {
    let switched = response.headers.remove(SWITCHED_HEADER).is_some() && response.status == StatusCode::OK;
    if switched {
        say_switched(response);
    }
    switched
}

/// Makes of an answer the one that switches a connection of HTTP/1.1.
pub(crate) fn say_switched(response: &mut http::response::Parts) {
    response.status = StatusCode::SWITCHING_PROTOCOLS;
    response.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    response.headers.insert(UPGRADE, WEBSOCKET_VALUE);
}

#[cfg(test)]
mod tests;
