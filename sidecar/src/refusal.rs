//! A refusal: why, and under which id. The reason goes to the log of the side that refused; what the caller gets to
//! read is `answer`'s.

use std::fmt;

use http::StatusCode;
use http::header::{HeaderName, HeaderValue};
use kith_proto::quarantined::UNDER_WAY;

use crate::random;

/// Carries the id in every refusal that we write.
pub(crate) const DENIAL_HEADER: HeaderName = HeaderName::from_static("kith-denial-id");

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

    /// One of the two ends is cut off.
    pub(crate) fn quarantined(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "quarantined", detail)
    }

    /// Nobody is answered in the clear in this posture.
    pub(crate) fn plaintext(posture: &str) -> Self {
        let detail = format!(
            "the caller speaks in the clear, so it has no sidecar, and this namespace is {posture}; \
             inject the caller, or set the posture to Observe until it is"
        );
        Self::new(StatusCode::FORBIDDEN, "plaintext", detail)
    }

    /// The destination has no sidecar, and the namespace's calls stay in the mesh.
    pub(crate) fn egress_denied(to: &str) -> Self {
        let detail = format!(
            "{to} is outside the mesh, and egress of this namespace is Deny; \
             inject the destination, or set kith.dev/egress to Allow"
        );
        Self::new(StatusCode::FORBIDDEN, "egress_denied", detail)
    }

    /// The session's proof is over, and with it the session.
    pub(crate) fn svid_expired() -> Self {
        Self::unavailable("svid_expired", "the session ended with the first of its svids")
    }

    /// The same, for a call that may have reached its destination: whoever repeats it should know.
    pub(crate) fn under_way(mut self) -> Self {
        self.detail.push_str(UNDER_WAY);
        self
    }

    /// The process stops, and its time to finish is over.
    pub(crate) fn drained() -> Self {
        Self::unavailable("drained", "the sidecar stops, and its time to finish is over")
    }

    /// Whether the mesh forbids the call, as opposed to not being able to carry it now.
    pub(crate) fn forbids(&self) -> bool {
        self.status == StatusCode::FORBIDDEN
    }

    /// The request itself is malformed or can be read in two ways.
    pub(crate) fn bad_request(reason: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, reason, detail)
    }
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
}
