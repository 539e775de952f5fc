//! What is taken out of every head: the headers of one hop, those that claim an identity or speak for a mesh, and
//! those that only look like a header that frames a message.

use http::header::{CONNECTION, EXPECT, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE};

use super::{deadline, trace};

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

/// Of a request, in either direction: nothing of this hop, no claim, and no hint that nobody can use.
pub(super) fn strip(headers: &mut HeaderMap) {
    strip_hop(headers);
    headers.remove(EXPECT);
    remove_where(headers, |name| {
        let claims = IDENTITY_HEADERS.iter().any(|header| reads_as(name, header));
        let disguised = FRAMING_HEADERS.iter().any(|header| name != *header && reads_as(name, header));
        claims || disguised || MESH_PREFIXES.iter().any(|prefix| begins_as(name, prefix))
    });
    trace::drop_unusable(headers);
    deadline::bound(headers);
}

/// Whether an application that cannot tell `_` and `.` from `-` takes one name for the other (X2).
fn reads_as(name: &str, header: &str) -> bool {
    name.len() == header.len() && begins_as(name, header)
}

/// The same of the beginning of a name.
fn begins_as(name: &str, prefix: &str) -> bool {
    let folded = name.bytes().map(|byte| if matches!(byte, b'_' | b'.') { b'-' } else { byte });
    name.len() >= prefix.len() && folded.zip(prefix.bytes()).all(|(found, wanted)| found == wanted)
}

fn remove_where(headers: &mut HeaderMap, unwanted: impl Fn(&str) -> bool) {
    let names: Vec<HeaderName> = headers.keys().filter(|name| unwanted(name.as_str())).cloned().collect();
    names.iter().for_each(|name| drop(headers.remove(name)));
}

/// What only a sidecar may say.
pub(super) fn strip_own(headers: &mut HeaderMap) {
    remove_where(headers, |name| begins_as(name, OWN_PREFIX));
}

/// `connection` may name further headers of this hop; it may not name what other rules read (H17, H18).
pub(super) fn strip_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::try_from(name.trim()).ok())
        .filter(|name| *name == TE || HOP_HEADERS.contains(name) || *name == "http2-settings")
        .collect();
    let wants_trailers = wants_trailers(headers);
    named.iter().chain(&HOP_HEADERS).for_each(|name| drop(headers.remove(name)));
    headers.remove(TE);
    if wants_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

/// Of all that `te` may offer, the only thing that goes from end to end (H19).
fn wants_trailers(headers: &HeaderMap) -> bool {
    let values = headers.get_all(TE).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|token| token.trim().eq_ignore_ascii_case("trailers"))
}
