//! The answers that a sidecar writes itself. The caller learns the denial id and nothing more (G12).

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use crate::body::Body;
use crate::refusal::{DENIAL_HEADER, DenialId, Refusal};

const GRPC_PERMISSION_DENIED: &str = "7";
const GRPC_INVALID_ARGUMENT: &str = "3";
const GRPC_UNAVAILABLE: &str = "14";

/// The answer to a refused call, in the form that the caller's protocol wants.
pub(crate) fn refused(refusal: &Refusal, id: &DenialId, grpc: bool) -> Response<Body> {
    let id_text = id.to_string();
    let text = format!("refused, denial {id_text}");
    let mut response = if grpc {
        grpc_response(refusal.status, &text)
    } else {
        let mut response = Response::new(Body::text(Bytes::from(text + "\n")));
        *response.status_mut() = refusal.status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        response
    };
    if let Ok(value) = HeaderValue::from_str(&id_text) {
        response.headers_mut().insert(DENIAL_HEADER, value);
    }
    response
}

/// The answer to a call that was sent on and came to nothing.
pub(crate) fn bad_gateway() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
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
    fn the_caller_reads_the_id_and_nothing_else() {
        // G12
        let refusal = Refusal::new(StatusCode::FORBIDDEN, "default_deny", "no rule names orders");
        let id = DenialId::random();
        let response = refused(&refusal, &id, false);
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert_eq!(response.headers()[DENIAL_HEADER], id.to_string());
        assert!(!format!("{response:?}").contains("orders"));
    }

    #[test]
    fn a_grpc_caller_reads_a_grpc_status() {
        let refusal = Refusal::new(StatusCode::FORBIDDEN, "default_deny", "no rule names orders");
        let response = refused(&refusal, &DenialId::random(), true);
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["grpc-status"], "7");
        assert!(response.headers().contains_key(DENIAL_HEADER));
    }
}
