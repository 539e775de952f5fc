//! Entries of a JWK set, as bundles of every case are put together from: correct ones, as text that a case can change.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::keys::Key;

/// The members that describe a key: `kty` and its numbers.
pub(crate) fn described(key: Key) -> String {
    let (first, second) = key.numbers();
    let (first, second) = (URL_SAFE_NO_PAD.encode(first), URL_SAFE_NO_PAD.encode(second));
    match key {
        Key::Rsa(_) => format!(r#""kty":"RSA","n":"{first}","e":"{second}""#),
        Key::Ed25519(_) => format!(r#""kty":"OKP","crv":"Ed25519","x":"{first}""#),
        Key::P256(_) => curve("P-256", &first, &second),
        Key::P384(_) => curve("P-384", &first, &second),
        Key::P521(_) => curve("P-521", &first, &second),
    }
}

fn curve(name: &str, x: &str, y: &str) -> String {
    format!(r#""kty":"EC","crv":"{name}","x":"{x}","y":"{y}""#)
}

/// A token key.
pub(crate) fn token_key(key: Key, id: &str) -> String {
    format!(r#"{{{},"use":"jwt-svid","kid":"{id}"}}"#, described(key))
}

/// A signing certificate and its key.
pub(crate) fn authority(key: Key, der: &[u8]) -> String {
    format!(r#"{{{},"use":"x509-svid","x5c":["{}"]}}"#, described(key), certificate(der))
}

/// A certificate as `x5c` holds it.
pub(crate) fn certificate(der: &[u8]) -> String {
    STANDARD.encode(der)
}

/// A set of these entries.
pub(crate) fn set(entries: &[String]) -> String {
    format!(r#"{{"keys":[{}]}}"#, entries.join(","))
}
