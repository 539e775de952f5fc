//! A token and the bundle that it is held against: whoever is accepted breaks no rule, speaks to this audience, and is of the
//! trust domain whose key signed.
//!
//! An input is a token, a line feed, and a JWK set.

use std::time::{Duration, UNIX_EPOCH};

use kith_identity::svid::{JwtSvid, inspect};
use kith_identity::{Bundle, BundleSet, TrustDomain};

const AUDIENCE: &str = "reports";

/// A token, looked at and verified.
pub fn token(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let (token, set) = text.split_once('\n').unwrap_or((text, r#"{"keys":[]}"#));
    let seen = inspect::token(token);
    let name = TrustDomain::parse("corpus.example").expect("of the alphabet");
    let Ok(bundle) = Bundle::from_jwks(name.clone(), set.as_bytes()) else { return false };
    let bundles: BundleSet = [bundle].into_iter().collect();
    let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    for error in
        [JwtSvid::verify(token, &bundles, "", now).err(), JwtSvid::verify(token, &bundles, "x", now).err()]
    {
        // Nobody's audience, and another's: the inputs are for one alone or none of these.
        assert!(error.is_some() || seen.audiences.iter().any(|it| it == "x"), "JWT-SVID 3.2");
    }
    let verified = match JwtSvid::verify(token, &bundles, AUDIENCE, now) {
        Ok(verified) => verified,
        Err(error) => {
            let sentence = error.to_string();
            let secret = token.len() > 40 && sentence.contains(token);
            assert!(!secret, "a refusal repeats the token");
            return false;
        }
    };
    assert!(seen.broken.is_empty(), "accepted, and yet {:?}", seen.broken);
    assert_eq!(verified.identity().trust_domain(), &name, "Workload-API 6.3");
    assert!(!verified.identity().path().is_empty(), "JWT-SVID 3.1");
    assert!(verified.audiences().iter().any(|it| it == AUDIENCE), "JWT-SVID 3.2");
    assert!(verified.expires_at() > now, "JWT-SVID 4");
    assert_eq!(seen.identity.as_ref(), Some(verified.identity()), "people see who it is");
    let nobody = BundleSet::default();
    assert!(JwtSvid::verify(token, &nobody, AUDIENCE, now).is_err(), "no key verifies nothing");
    true
}
