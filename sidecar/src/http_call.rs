//! What both directions read from a request's head.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, Version};

/// `application/grpc`, alone or with a subtype such as `+proto`. Several types, or one that cannot be read, are not
/// plainly gRPC: a rule that allows gRPC then does not match, and one that denies it still does.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let Ok(value) = value.to_str() else { return false };
    let kind = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/grpc" || kind.starts_with("application/grpc+")
}

/// The version as OpenTelemetry writes it.
pub(crate) fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "2",
        Version::HTTP_10 => "1.0",
        _ => "1.1",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_is_told_by_its_content_type_alone() {
        for (value, grpc) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("Application/GRPC; charset=utf-8", true),
            ("application/grpc-web", false),
            ("application/json", false),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, value.parse().unwrap())]);
            assert_eq!(is_grpc(&headers), grpc, "{value}");
        }
        assert!(!is_grpc(&HeaderMap::new()));
        let mut twice = HeaderMap::from_iter([(CONTENT_TYPE, "application/grpc".parse().unwrap())]);
        twice.append(CONTENT_TYPE, "text/plain".parse().unwrap());
        assert!(!is_grpc(&twice));
    }
}
