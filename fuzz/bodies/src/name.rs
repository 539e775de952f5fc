//! Names: whatever is accepted is of the standard's alphabet and is written back byte for byte.

use kith_identity::{SpiffeId, TrustDomain};

/// A SPIFFE ID and a trust domain.
pub fn spiffe_id(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    if let Ok(name) = TrustDomain::parse(text) {
        check_trust_domain(text, &name);
    }
    let Ok(identity) = SpiffeId::parse(text) else { return false };
    assert_eq!(identity.as_str(), text, "written back as it was read");
    assert!(text.len() <= 2048, "SPIFFE-ID 2.3");
    check_trust_domain(identity.trust_domain().as_str(), identity.trust_domain());
    check_path(identity.path());
    let again = format!("spiffe://{}{}", identity.trust_domain(), identity.path());
    assert_eq!(again, text, "made of these two and nothing else");
    if let Some(account) = identity.service_account() {
        let made = SpiffeId::for_service_account(identity.trust_domain(), account.namespace, account.name);
        assert!(made.is_err() || made.as_ref() == Ok(&identity), "one identity of one service account");
    }
    true
}

fn check_trust_domain(text: &str, name: &TrustDomain) {
    assert_eq!(name.as_str(), text, "written back as it was read");
    assert!((1..=255).contains(&text.len()), "SPIFFE-ID 2.3");
    let allowed = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_');
    assert!(text.bytes().all(allowed), "SPIFFE-ID 2.1");
}

fn check_path(path: &str) {
    let Some(segments) = path.strip_prefix('/') else {
        assert!(path.is_empty(), "a path begins with a slash");
        return;
    };
    for segment in segments.split('/') {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        assert!(segment.bytes().all(allowed), "SPIFFE-ID 2.2");
        assert!(!matches!(segment, "" | "." | ".."), "SPIFFE-ID 2.2");
    }
}
