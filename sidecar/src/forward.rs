//! What a proxy must change in a message's head, and nothing more.
//!
//! Owns the headers of one hop, the headers that claim an identity, and the authority of a request. The path and
//! the query go through byte for byte.

use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, TE,
    TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, StatusCode, Uri, Version};
use kith_identity::SpiffeId;

use crate::refusal::Refusal;

/// Which version the application spoke, between two sidecars of Kith whose session is always HTTP/2.
const PROTOCOL_HEADER: HeaderName = HeaderName::from_static("kith-protocol");
/// Of one head, as HTTP/2 counts. Less than a session takes, so that what fits here fits there.
const MAX_HEAD_BYTES: usize = 56 * 1024;
/// Fields in one head.
pub(crate) const MAX_HEADERS: usize = 128;
/// Path and query.
const MAX_TARGET_BYTES: usize = 32 * 1024;
const HTTP1: HeaderValue = HeaderValue::from_static("1.1");
/// Whom the verified peer is; written by us alone.
const CLIENT_CERT_HEADER: HeaderName = HeaderName::from_static("x-forwarded-client-cert");
/// Headers by which this mesh or another tells an application who calls (X7).
const IDENTITY_HEADERS: [&str; 2] = ["x-forwarded-client-cert", "x-spiffe-id"];
/// All headers of this mesh and of others that speak to applications (H24).
const MESH_PREFIXES: [&str; 3] = [OWN_PREFIX, "l5d-", "x-envoy-"];
const OWN_PREFIX: &str = "kith-";
/// Headers that frame a message. A name that only looks like one of them is dropped.
const FRAMING_HEADERS: [&str; 3] = ["content-length", "transfer-encoding", "host"];
/// Of one hop whether `connection` names them or not.
const HOP_HEADERS: [HeaderName; 5] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TRANSFER_ENCODING,
    UPGRADE,
];

/// What every request is held against before it is judged or sent: its line, its size, its one authority.
pub(crate) fn checked(parts: &Parts) -> Result<Authority, Refusal> {
    check_request_line(parts)?;
    check_size(parts)?;
    authority(parts)
}

/// The authority of a request: of its target in HTTP/2 and in absolute form, else of its one `Host`.
fn authority(parts: &Parts) -> Result<Authority, Refusal> {
    let bad = |detail: &str| Refusal::bad_request("bad_authority", detail);
    let mut hosts = parts.headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(bad("two Host headers")); // H4
    }
    let host = match host {
        None => None,
        Some(value) => {
            Some(Authority::try_from(value.as_bytes()).map_err(|_| bad("Host is not an authority"))?)
        }
    };
    let authority = match (parts.uri.authority().cloned(), host) {
        (Some(target), Some(host)) if target != host => return Err(bad("Host differs from the target")), // H5
        (Some(target), _) => target,
        (None, Some(host)) => host,
        (None, None) => return Err(bad("no Host")), // H8
    };
    if authority.as_str().contains('@') {
        return Err(bad("userinfo in the authority")); // H6
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~[]:".contains(c);
    let port = authority.as_str().len() > authority.host().len();
    if !authority.as_str().chars().all(plain) || (port && authority.port_u16().is_none()) {
        return Err(bad("Host is not a name or address with a port")); // H7
    }
    Ok(authority)
}

/// What a proxy must not carry: TRACE echoes headers (H35), CONNECT asks for a tunnel (H32), in whatever case a
/// server might take them; and a target that is no path, but for OPTIONS.
fn check_request_line(parts: &Parts) -> Result<(), Refusal> {
    let method = parts.method.as_str();
    if ["CONNECT", "TRACE", "TRACK"].iter().any(|refused| method.eq_ignore_ascii_case(refused)) {
        let detail = format!("{} is not carried", parts.method);
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_carried", detail));
    }
    if parts.uri.path() == "*" && parts.method != Method::OPTIONS {
        return Err(Refusal::bad_request("bad_target", "the target \"*\" is for OPTIONS"));
    }
    Ok(())
}

/// Whether a head is small enough for every hop, counted as HTTP/2 counts it (H20). A session ends over a head that
/// is too large for it, and takes the calls beside it along: so none is sent.
pub(crate) fn fits(headers: &HeaderMap) -> bool {
    const PER_FIELD: usize = 32;
    let bytes: usize =
        headers.iter().map(|(name, value)| name.as_str().len() + value.len() + PER_FIELD).sum();
    headers.len() <= MAX_HEADERS && bytes <= MAX_HEAD_BYTES
}

/// Refuses a request whose head is too large.
fn check_size(parts: &Parts) -> Result<(), Refusal> {
    let target = parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if fits(&parts.headers) && target <= MAX_TARGET_BYTES {
        return Ok(());
    }
    let detail = format!(
        "the head has {} fields; at most {MAX_HEADERS} with {MAX_HEAD_BYTES} bytes and a target of {MAX_TARGET_BYTES} are carried",
        parts.headers.len()
    );
    Err(Refusal::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "head_too_large", detail))
}

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

/// From a session to the application, which learns from one header, ours, who calls.
pub(crate) fn into_application(
    parts: &mut Parts,
    authority: Authority,
    version: Version,
    own: &SpiffeId,
    peer: &SpiffeId,
) {
    strip(&mut parts.headers);
    // Neither identity can hold a character that this header would have to quote (X4).
    if let Ok(value) = HeaderValue::from_str(&format!("By={own};URI={peer}")) {
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
    strip_hop(headers);
    if !keep_own {
        strip_own(headers);
    }
}

/// Trailers are of one hop too, and an application that merges them into the headers must find no claim there (X1).
pub(crate) fn trailers(trailers: &mut HeaderMap) {
    strip(trailers);
}

fn strip(headers: &mut HeaderMap) {
    strip_hop(headers);
    headers.remove(EXPECT);
    remove_where(headers, |name| {
        let folded = fold(name);
        let claims = IDENTITY_HEADERS.contains(&folded.as_str());
        let disguised = folded != name && FRAMING_HEADERS.contains(&folded.as_str());
        claims || disguised || MESH_PREFIXES.iter().any(|prefix| folded.starts_with(prefix))
    });
}

/// Many applications cannot tell these characters apart (X2).
fn fold(name: &str) -> String {
    name.replace(['_', '.'], "-")
}

fn remove_where(headers: &mut HeaderMap, unwanted: impl Fn(&str) -> bool) {
    let names: Vec<HeaderName> = headers.keys().filter(|name| unwanted(name.as_str())).cloned().collect();
    names.iter().for_each(|name| drop(headers.remove(name)));
}

fn strip_own(headers: &mut HeaderMap) {
    remove_where(headers, |name| fold(name).starts_with(OWN_PREFIX));
}

/// `connection` may name further headers of this hop; it may not name what other rules read (H17, H18).
fn strip_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::try_from(name.trim()).ok())
        .filter(|name| *name == TE || HOP_HEADERS.contains(name) || *name == "http2-settings")
        .collect();
    let wants_trailers =
        headers.get(TE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"trailers"));
    named.iter().chain(&HOP_HEADERS).for_each(|name| drop(headers.remove(name)));
    headers.remove(TE);
    if wants_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
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
