//! What a proxy must change in a message's head, and nothing more.
//!
//! Owns the headers of one hop, the headers that claim an identity, and the authority of a request. The path and
//! the query go through byte for byte.

use http::header::{
    CONNECTION, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Uri, Version};
use kith_identity::SpiffeId;

use crate::refusal::Refusal;

/// Which version the application spoke, between two sidecars of Kith whose session is always HTTP/2.
const PROTOCOL_HEADER: HeaderName = HeaderName::from_static("kith-protocol");
const HTTP1: HeaderValue = HeaderValue::from_static("1.1");
/// Whom the verified peer is; written by us alone.
const CLIENT_CERT_HEADER: HeaderName = HeaderName::from_static("x-forwarded-client-cert");
/// Headers by which this mesh or another tells an application who calls. Underscores count as hyphens: many
/// applications cannot tell them apart (X2).
const IDENTITY_HEADERS: [&str; 3] = ["x-forwarded-client-cert", "l5d-client-id", "x-spiffe-id"];
const OWN_PREFIX: &str = "kith-";
/// Of one hop whether `connection` names them or not.
const HOP_HEADERS: [HeaderName; 5] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TRANSFER_ENCODING,
    UPGRADE,
];

/// The authority of a request: of its target in HTTP/2 and in absolute form, else of its one `Host`.
pub(crate) fn authority(parts: &Parts) -> Result<Authority, Refusal> {
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
    Ok(authority)
}

/// Methods that a proxy must not carry: TRACE echoes headers (H35), CONNECT asks for a tunnel (H32).
pub(crate) fn check_method(method: &Method) -> Result<(), Refusal> {
    if *method == Method::CONNECT || *method == Method::TRACE || method.as_str() == "TRACK" {
        let detail = format!("{method} is not carried");
        return Err(Refusal::new(http::StatusCode::METHOD_NOT_ALLOWED, "method_not_carried", detail));
    }
    Ok(())
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
        parts.uri = Uri::from(path_and_query(&parts.uri));
    }
    parts.version = version;
}

/// Of a response, in either direction. `keep_own` is for those of a sidecar: they carry denial ids.
pub(crate) fn response(headers: &mut HeaderMap, keep_own: bool) {
    strip_hop(headers);
    if !keep_own {
        strip_own(headers);
    }
}

fn strip(headers: &mut HeaderMap) {
    strip_hop(headers);
    headers.remove(EXPECT);
    let claims: Vec<HeaderName> = headers.keys().filter(|name| claims_identity(name)).cloned().collect();
    claims.iter().for_each(|name| drop(headers.remove(name)));
    strip_own(headers);
}

fn claims_identity(name: &HeaderName) -> bool {
    let name = name.as_str().replace('_', "-");
    IDENTITY_HEADERS.contains(&name.as_str())
}

fn strip_own(headers: &mut HeaderMap) {
    let own: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().replace('_', "-").starts_with(OWN_PREFIX))
        .cloned()
        .collect();
    own.iter().for_each(|name| drop(headers.remove(name)));
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
