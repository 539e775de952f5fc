//! What a proxy must change in a message's head, and nothing more. The path and the query go through byte for byte.
//!
//! ```text
//! request ──► check (one authority, a method we carry, a size) ──► judged elsewhere ──► strip ──► next hop
//!                                        trace, deadline: hints that are bounded or dropped ──┘
//! ```

mod check;
mod deadline;
mod strip;
mod trace;

use http::header::{CONTENT_LENGTH, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Uri, Version};
use kith_identity::SpiffeId;

pub(crate) use check::{MAX_HEADERS, checked, fits};
use strip::{strip, strip_hop, strip_own};

/// Which version the application spoke, between two sidecars of Kith whose session is always HTTP/2.
const PROTOCOL_HEADER: HeaderName = HeaderName::from_static("kith-protocol");
const HTTP1: HeaderValue = HeaderValue::from_static("1.1");
/// Whom the verified peer is; written by us alone.
const CLIENT_CERT_HEADER: HeaderName = HeaderName::from_static("x-forwarded-client-cert");

/// From the application to the session: absolute target, no header of this hop, no claimed identity, and the
/// version that the application spoke.
pub(crate) fn into_session(parts: &mut Parts, authority: Authority) {
    strip(&mut parts.headers);
    if parts.version != Version::HTTP_2 {
        parts.headers.insert(PROTOCOL_HEADER, HTTP1);
    }
    parts.headers.remove(HOST);
    parts.uri = absolute(&parts.uri, authority);
    parts.version = Version::HTTP_2;
}

/// The version in which the application is to be asked: the one that the caller spoke.
pub(crate) fn application_version(parts: &Parts, between_sidecars: bool) -> Version {
    let told = parts.headers.get(PROTOCOL_HEADER);
    match told {
        Some(value) if between_sidecars && *value == HTTP1 => Version::HTTP_11,
        _ if parts.version == Version::HTTP_2 => Version::HTTP_2,
        _ => Version::HTTP_11,
    }
}

/// From a session to the application, which learns from one header, ours, who calls. There is none for a caller that
/// proved nothing: `peer` is `None`.
pub(crate) fn into_application(
    parts: &mut Parts,
    authority: Authority,
    version: Version,
    own: &SpiffeId,
    peer: Option<&SpiffeId>,
) {
    strip(&mut parts.headers);
    // Neither identity can hold a character that this header would have to quote (X4).
    if let Some(peer) = peer
        && let Ok(value) = HeaderValue::from_str(&format!("By={own};URI={peer}"))
    {
        parts.headers.insert(CLIENT_CERT_HEADER, value);
    }
    parts.headers.remove(HOST);
    if version == Version::HTTP_2 {
        parts.uri = absolute(&parts.uri, authority);
    } else {
        if let Ok(value) = HeaderValue::from_str(authority.as_str()) {
            parts.headers.insert(HOST, value);
        }
        join_cookies(&mut parts.headers);
        parts.uri = Uri::from(path_and_query(&parts.uri));
    }
    parts.version = version;
}

/// HTTP/1.1 knows a body by its framing alone. One of unknown length needs it said, whatever the method: a client
/// library sends no body with a bare GET, and a lost body is a changed request.
pub(crate) fn frame_http1(parts: &mut Parts, has_body: bool) {
    if has_body && parts.version == Version::HTTP_11 && !parts.headers.contains_key(CONTENT_LENGTH) {
        parts.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

/// HTTP/2 may split them, HTTP/1.1 has one field (RFC 9113 §8.2.3, H40).
fn join_cookies(headers: &mut HeaderMap) {
    let all: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if all.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&all.join(b"; ".as_slice()))
    {
        headers.insert(COOKIE, joined);
    }
}

/// Of a response, in either direction. `keep_own` is for those of a sidecar: they carry denial ids.
pub(crate) fn response(headers: &mut HeaderMap, keep_own: bool) {
    // An answer that frames its body twice was read by its chunks; nobody behind us gets to read the other length
    // (RFC 9112 §6.3, H26).
    if headers.contains_key(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
    }
    strip_hop(headers);
    if !keep_own {
        strip_own(headers);
    }
}

/// Trailers are of one hop too, and an application that merges them into the headers must find no claim there (X1).
pub(crate) fn trailers(trailers: &mut HeaderMap) {
    strip(trailers);
}

fn path_and_query(uri: &Uri) -> PathAndQuery {
    uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"))
}

fn absolute(uri: &Uri, authority: Authority) -> Uri {
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(authority);
    parts.path_and_query = Some(path_and_query(uri));
    // All three are set, which is the only thing that can be wrong.
    Uri::from_parts(parts).unwrap_or_default()
}

#[cfg(test)]
mod tests;
