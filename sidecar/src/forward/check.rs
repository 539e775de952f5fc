//! What a request must be before it is judged or sent: one authority, a method that a proxy carries, a size that
//! every hop takes. Owns the refusals; it changes nothing.

use http::header::{HOST, HeaderMap};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery};
use http::{Method, StatusCode};

use super::trace;
use crate::refusal::Refusal;

/// Of one head, as HTTP/2 counts. Less than a session takes, so that what fits here fits there.
const MAX_HEAD_BYTES: usize = 56 * 1024;
/// Fields in one head.
pub(crate) const MAX_HEADERS: usize = 128;
/// Path and query.
pub(super) const MAX_TARGET_BYTES: usize = 32 * 1024;

/// What every request is held against before it is judged or sent: its line, its size, its one authority.
pub(crate) fn checked(parts: &Parts) -> Result<Authority, Refusal> {
    check_request_line(parts)?;
    check_size(parts)?;
    authority(parts)
}

/// The authority of a request: of its target in HTTP/2 and in absolute form, else of its one `Host`.
pub(super) fn authority(parts: &Parts) -> Result<Authority, Refusal> {
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
pub(super) fn check_request_line(parts: &Parts) -> Result<(), Refusal> {
    let method = parts.method.as_str();
    if ["CONNECT", "TRACE", "TRACK"].iter().any(|refused| method.eq_ignore_ascii_case(refused)) {
        let detail = format!("{} is not carried", parts.method);
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_carried", detail));
    }
    match parts.uri.path_and_query().map(PathAndQuery::as_str) {
        Some("*") if parts.method != Method::OPTIONS => {
            Err(Refusal::bad_request("bad_target", "the target \"*\" is for OPTIONS"))
        }
        // P46: it is judged as "/", and servers read what they like in it.
        Some(target) if target != "*" && !target.starts_with('/') => {
            Err(Refusal::bad_request("bad_target", "the target does not start with '/'"))
        }
        _ => Ok(()),
    }
}

/// Whether a head is small enough for every hop, counted as HTTP/2 counts it (H20). A session ends over a head that
/// is too large for it, and takes the calls beside it along: so none is sent.
pub(crate) fn fits(headers: &HeaderMap) -> bool {
    const PER_FIELD: usize = 32;
    let bytes: usize =
        headers.iter().map(|(name, value)| name.as_str().len() + value.len() + PER_FIELD).sum();
    headers.len() <= MAX_HEADERS && bytes <= MAX_HEAD_BYTES
}

/// Refuses a request whose head is too large. A trace context that is dropped anyway does not make it so (X11).
pub(super) fn check_size(parts: &Parts) -> Result<(), Refusal> {
    let target = parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if target <= MAX_TARGET_BYTES && (fits(&parts.headers) || fits_without_trace(&parts.headers)) {
        return Ok(());
    }
    let detail = format!(
        "the head has {} fields; at most {MAX_HEADERS} with {MAX_HEAD_BYTES} bytes and a target of {MAX_TARGET_BYTES} are carried",
        parts.headers.len()
    );
    Err(Refusal::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "head_too_large", detail))
}

/// Copies the headers, so it is asked last.
fn fits_without_trace(headers: &HeaderMap) -> bool {
    let mut kept = headers.clone();
    trace::drop_unusable(&mut kept) && fits(&kept)
}
