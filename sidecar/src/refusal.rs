//! A refusal: why, under which id, and what the caller gets to read.
//!
//! Owns the denial id and the forms of the answer. The caller learns the id alone; the reason goes to the log of
//! the side that refused.

use std::fmt;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use crate::body::Body;
use crate::random;

/// Carries the id in every refusal that we write.
pub(crate) const DENIAL_HEADER: HeaderName = HeaderName::from_static("kith-denial-id");

const GRPC_PERMISSION_DENIED: &str = "7";
const GRPC_INVALID_ARGUMENT: &str = "3";
const GRPC_UNAVAILABLE: &str = "14";

/// 128 random bits that name one refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DenialId([u8; 16]);

impl DenialId {
    pub(crate) fn random() -> Self {
        Self(random::bytes())
    }

    /// The id in a peer's answer, if it is one.
    pub(crate) fn of_peer(value: &HeaderValue) -> Option<Self> {
        let text = value.to_str().ok().filter(|text| text.len() == 32)?;
        let lower_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let number = u128::from_str_radix(text, 16).ok().filter(|_| lower_hex)?;
        Some(Self(number.to_be_bytes()))
    }
}

impl fmt::Display for DenialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Why a call is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// What the caller gets, when it speaks HTTP.
    pub(crate) status: StatusCode,
    /// A stable code.
    pub(crate) reason: &'static str,
    /// One sentence for the log.
    pub(crate) detail: String,
    /// The policy that decided, when one did.
    pub(crate) policy: Option<String>,
    /// The rule that decided, when one did.
    pub(crate) rule: Option<String>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, reason: &'static str, detail: impl Into<String>) -> Self {
        Self { status, reason, detail: detail.into(), policy: None, rule: None }
    }

    /// The mesh cannot carry the call now: nothing that the caller did.
    pub(crate) fn unavailable(reason: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, reason, detail)
    }

    /// The request itself is malformed or can be read in two ways.
    pub(crate) fn bad_request(reason: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, reason, detail)
    }

    /// The answer, in the form that the caller's protocol wants.
    pub(crate) fn response(&self, id: &DenialId, grpc: bool) -> Response<Body> {
        let id_text = id.to_string();
        let text = format!("refused, denial {id_text}");
        let mut response = if grpc {
            grpc_response(self.status, &text)
        } else {
            let mut response = Response::new(Body::text(Bytes::from(text + "\n")));
            *response.status_mut() = self.status;
            response
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
            response
        };
        if let Ok(value) = HeaderValue::from_str(&id_text) {
            response.headers_mut().insert(DENIAL_HEADER, value);
        }
        response
    }
}

/// A gRPC answer that is trailers only: clients read status and denial id from the same block.
fn grpc_response(status: StatusCode, message: &str) -> Response<Body> {
    let code = match status {
        StatusCode::SERVICE_UNAVAILABLE => GRPC_UNAVAILABLE,
        StatusCode::BAD_REQUEST => GRPC_INVALID_ARGUMENT,
        _ => GRPC_PERMISSION_DENIED,
    };
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(HeaderName::from_static("grpc-status"), HeaderValue::from_static(code));
    if let Ok(value) = HeaderValue::from_str(message) {
        headers.insert(HeaderName::from_static("grpc-message"), value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denial_ids_are_128_bits_and_differ() {
        let (one, two) = (DenialId::random(), DenialId::random());
        assert_eq!(one.to_string().len(), 32);
        assert!(one != two);
    }

    #[test]
    fn the_id_of_a_peer_is_read_back_and_anything_else_is_none() {
        let id = DenialId::random();
        let read = |text: &str| DenialId::of_peer(&HeaderValue::from_str(text).unwrap());
        assert!(read(&id.to_string()) == Some(id));
        for text in ["", "1", "+0000000000000000000000000000001", &"F".repeat(32), &"0".repeat(33)] {
            assert!(read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn the_caller_reads_the_id_and_nothing_else() {
        // G12
        let refusal = Refusal::new(StatusCode::FORBIDDEN, "default_deny", "no rule names orders");
        let id = DenialId::random();
        let response = refusal.response(&id, false);
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert_eq!(response.headers()[DENIAL_HEADER], id.to_string());
        assert!(!format!("{response:?}").contains("orders"));
    }

    #[test]
    fn a_grpc_caller_reads_a_grpc_status() {
        let refusal = Refusal::new(StatusCode::FORBIDDEN, "default_deny", "no rule names orders");
        let response = refusal.response(&DenialId::random(), true);
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["grpc-status"], "7");
        assert!(response.headers().contains_key(DENIAL_HEADER));
    }
}
