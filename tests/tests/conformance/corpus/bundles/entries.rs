//! Entries of a set: which are used, and which are ignored alone while the rest counts.

use super::super::certificate::Certificate;
use super::super::keys::Key;
use super::{Case, entries, jwk, read};

/// Uses and types, certificates, token keys.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = uses_and_types();
    cases.extend(certificates());
    cases.extend(token_keys());
    cases
}

fn uses_and_types() -> Vec<Case> {
    let (kty, use_) = ("Bundle 4.2.1 kty", "Bundle 4.2.2 use");
    vec![
        entries("one-authority", "X509-SVID 6.1 use", read(1, 0), |p| vec![p.x509()]),
        entries("one-token-key", "JWT-SVID 6.1 use", read(0, 1), |p| vec![p.jwt()]),
        entries("one-of-each", "Bundle 4.2.2 use", read(1, 1), |p| vec![p.jwt(), p.x509()]),
        entries("two-authorities", "X509-SVID 6.1 x5c", read(2, 0), |p| {
            vec![p.x509(), jwk::authority(p.second.0, &p.second.1)]
        }),
        entries("no-use", use_, read(1, 0), |p| vec![p.x509(), p.jwt().replace(r#","use":"jwt-svid""#, "")]),
        entries("unknown-use", "Bundle 4.1.3 unknown", read(1, 0), |p| {
            vec![p.jwt().replace("jwt-svid", "sig"), p.x509()]
        }),
        entries("use-of-a-wit", "Bundle 4.1.3 unknown", read(1, 0), |p| {
            vec![p.jwt().replace("jwt-svid", "wit-svid"), p.x509()]
        }),
        entries("use-in-upper-case", "Bundle 4.2.2 case", read(0, 0), |p| {
            vec![p.jwt().replace("jwt-svid", "JWT-SVID"), p.x509().replace("x509-svid", "X509-SVID")]
        }),
        entries("use-a-number", use_, read(0, 0), |p| vec![p.jwt().replace(r#""jwt-svid""#, "7")]),
        entries("no-kty", kty, read(0, 1), |p| vec![p.x509().replace(r#""kty":"EC","#, ""), p.jwt()]),
        entries("unknown-kty", "Bundle 4.1.3 unknown", read(0, 1), |p| {
            vec![p.x509().replace(r#""kty":"EC""#, r#""kty":"AKP""#), p.jwt()]
        }),
        entries("kty-in-lower-case", kty, read(0, 0), |p| {
            vec![p.jwt().replace(r#""kty":"EC""#, r#""kty":"ec""#)]
        }),
        entries("kty-of-a-secret", "Bundle 4.1.3 unknown", read(0, 1), |p| {
            vec![r#"{"kty":"oct","k":"AAAA","use":"jwt-svid","kid":"secret"}"#.into(), p.jwt()]
        }),
        entries("kty-of-edwards", "Bundle 4.1.3 unknown", read(0, 1), |p| {
            vec![jwk::token_key(Key::ed25519(), "edwards"), p.jwt()]
        }),
        entries("empty-entry", kty, read(0, 1), |p| vec!["{}".into(), p.jwt()]),
        entries("further-members", "Bundle 4.1 unknown-parameters", read(1, 1), |p| {
            let more = |entry: String| entry.replace(r#""use""#, r#""note":{"a":[1,null]},"use""#);
            vec![more(p.x509()), more(p.jwt())]
        }),
    ]
}

fn with_certificates(entry: &str, values: &str) -> String {
    let (before, rest) = entry.split_once(r#""x5c":["#).expect("the correct entry has it");
    let (_, after) = rest.split_once(']').expect("its array ends");
    format!(r#"{before}"x5c":{values}{after}"#)
}

fn certificates() -> Vec<Case> {
    let (none, first) = ("X509-SVID 6.2 no-x5c", "X509-SVID 6.2 first-x5c");
    vec![
        entries("no-x5c", none, read(0, 1), |p| vec![p.jwt().replace("jwt-svid", "x509-svid"), p.jwt()]),
        entries("x5c-empty", none, read(0, 0), |p| vec![with_certificates(&p.x509(), "[]")]),
        entries("x5c-text", none, read(0, 0), |p| {
            vec![with_certificates(&p.x509(), &format!(r#""{}""#, jwk::certificate(&p.authority)))]
        }),
        entries("x5c-of-two", first, read(1, 0), |p| {
            let (one, two) = (jwk::certificate(&p.authority), jwk::certificate(&p.second.1));
            vec![with_certificates(&p.x509(), &format!(r#"["{one}","{two}"]"#))]
        }),
        entries("x5c-of-a-good-one-and-rubbish", first, read(1, 0), |p| {
            vec![with_certificates(&p.x509(), &format!(r#"["{}","?"]"#, jwk::certificate(&p.authority)))]
        }),
        entries("x5c-of-rubbish-and-a-good-one", first, read(0, 0), |p| {
            vec![with_certificates(&p.x509(), &format!(r#"["?","{}"]"#, jwk::certificate(&p.authority)))]
        }),
        entries("x5c-in-url-alphabet", "RFC 7517 4.7", read(0, 0), |p| {
            // No two keys spell alike; the two characters are put where neither alphabet is in doubt.
            let text = jwk::certificate(&p.authority);
            vec![with_certificates(&p.x509(), &format!(r#"["{}-_"]"#, &text[..text.len() - 2]))]
        }),
        entries("x5c-no-certificate", "X509-SVID 6.1 x5c", read(0, 1), |p| {
            vec![with_certificates(&p.x509(), r#"["AAAA"]"#), p.jwt()]
        }),
        entries("x5c-a-leaf", "X509-SVID 6.1 x5c", read(1, 0), |p| {
            vec![jwk::authority(p.leaf.0, &p.leaf.1), p.x509()]
        }),
        entries("x5c-of-another-domain", "SPIFFE-ID 3.1 authority-domain", read(1, 0), |p| {
            vec![jwk::authority(p.foreign.0, &p.foreign.1), p.x509()]
        }),
        entries("x5c-of-another-key", "RFC 7517 4.7", read(0, 0), |p| {
            vec![jwk::authority(p.key, &p.second.1)]
        }),
        entries("x5c-without-the-key-beside", "RFC 7517 4.7", read(1, 0), |p| {
            let text = jwk::certificate(&p.authority);
            vec![format!(r#"{{"kty":"EC","use":"x509-svid","x5c":["{text}"]}}"#)]
        }),
        entries("x5c-of-a-weak-key", "Kith", read(1, 0), |p| {
            let key = Key::ed25519();
            let weak = Certificate::authority("weak root", key);
            vec![jwk::authority(key, &weak.signed_by(&weak.subject, key)), p.x509()]
        }),
        entries("x5c-of-rsa", "X509-SVID 6.1 x5c", read(1, 0), |_| {
            let key = Key::rsa2048();
            let root = Certificate::authority("root of rsa", key);
            vec![jwk::authority(key, &root.signed_by(&root.subject, key))]
        }),
        entries("kid-on-a-certificate", "X509-SVID 6.1 kid", read(1, 0), |p| {
            vec![p.x509().replace(r#""use""#, r#""kid":"x","use""#)]
        }),
    ]
}

fn token_keys() -> Vec<Case> {
    let kid = "JWT-SVID 6.1 kid";
    vec![
        entries("no-kid", kid, read(1, 0), |p| vec![p.jwt().replace(r#","kid":"first""#, ""), p.x509()]),
        entries("kid-empty", kid, read(0, 0), |p| vec![p.jwt().replace(r#""first""#, r#""""#)]),
        entries("kid-a-number", kid, read(0, 0), |p| vec![p.jwt().replace(r#""first""#, "7")]),
        entries("kid-twice", "RFC 7517 4.5", read(0, 1), |p| vec![p.jwt(), jwk::token_key(p.key, "first")]),
        entries("kid-twice-in-other-letters", "RFC 7517 4.5", read(0, 2), |p| {
            vec![p.jwt(), jwk::token_key(p.key, "First")]
        }),
        entries("point-off-the-curve", "RFC 7518 6.2", read(0, 1), |p| {
            let (x, _) = p.key.numbers();
            let off = jwk::described(p.key).replace(&encoded(&x), &encoded(&[7; 32]));
            vec![format!(r#"{{{off},"use":"jwt-svid","kid":"off"}}"#), p.jwt()]
        }),
        entries("point-on-another-curve", "RFC 7518 6.2", read(0, 0), |p| {
            vec![p.jwt().replace("P-256", "P-384")]
        }),
        entries("point-of-an-unknown-curve", "RFC 7518 6.2", read(0, 0), |p| {
            vec![p.jwt().replace("P-256", "secp256k1")]
        }),
        entries("point-without-y", "RFC 7518 6.2", read(0, 0), |p| {
            vec![p.jwt().replace(r#""y":"#, r#""z":"#)]
        }),
        entries("padded-number", "RFC 7518 2", read(0, 0), |p| {
            let (x, _) = p.token_key.numbers();
            vec![p.jwt().replace(&encoded(&x), &format!("{}=", encoded(&x)))]
        }),
        entries("rsa-token-key", "JWT-SVID 2.1 alg", read(0, 1), |_| {
            vec![jwk::token_key(Key::rsa2048(), "rsa")]
        }),
        entries("rsa-of-1024-bits", "Kith", read(0, 0), |_| {
            let n = encoded(&[0xc7; 128]);
            vec![format!(r#"{{"kty":"RSA","n":"{n}","e":"AQAB","use":"jwt-svid","kid":"weak"}}"#)]
        }),
        entries("rsa-of-exponent-three", "Kith", read(0, 0), |_| {
            let n = encoded(&[0xc7; 256]);
            vec![format!(r#"{{"kty":"RSA","n":"{n}","e":"Aw","use":"jwt-svid","kid":"weak"}}"#)]
        }),
        entries("private-key", "Kith", read(0, 0), |p| {
            vec![p.jwt().replace(r#""use""#, r#""d":"AAAA","use""#)]
        }),
    ]
}

fn encoded(octets: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(octets)
}
