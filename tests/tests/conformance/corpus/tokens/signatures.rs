//! Who signed a token, and which keys of a bundle may have.

use kith_identity::svid::KeyHash;

use super::super::keys::Key;
use super::{ACCEPT, Case, DOMAIN, NOW, case, claims_of, jwk, refuse};

/// Signatures that do not hold, then the choice of the key.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = forged();
    cases.extend(confused());
    cases.extend(choice());
    cases.extend(domains());
    cases
}

fn forged() -> Vec<Case> {
    let forged = |id, change| case(id, "JWT-SVID 4 signature", refuse("Signature"), change);
    vec![
        forged("by-a-stranger", |d, keys| d.signer = keys.stranger),
        forged("by-a-stranger-without-kid", |d, keys| {
            d.header = r#"{"alg":"ES256"}"#.into();
            d.signer = keys.stranger;
        }),
        forged("one-bit-changed", |d, _| {
            d.spoil = |token| {
                let place = token.len() - 40;
                let other = if token.as_bytes()[place] == b'A' { "B" } else { "A" };
                format!("{}{other}{}", &token[..place], &token[place + 1..])
            };
        }),
        forged("claims-changed", |d, _| {
            d.spoil = |token| {
                let parts: Vec<&str> = token.split('.').collect();
                let claims = claims_of("spiffe://corpus.example/ns/shop/sa/admin", r#""reports""#, NOW + 300);
                format!("{}.{}.{}", parts[0], encode(claims.as_bytes()), parts[2])
            };
        }),
        forged("header-changed", |d, _| {
            d.spoil = |token| {
                let (_, rest) = token.split_once('.').expect("three parts");
                format!("{}.{rest}", encode(br#"{"alg":"ES256"}"#))
            };
        }),
        forged("cut-short", |d, _| d.spoil = |token| token[..token.len() - 2].to_owned()),
        forged("of-zeros", |d, _| d.spoil = |token| resigned(&token, &[0; 64])),
        forged("as-certificates-carry-it", |d, keys| {
            // ASN.1 in place of the two numbers: some libraries take either, and so two tokens for one.
            d.signer = keys.es256;
            d.spoil = |token| {
                resigned(&token, &[&[0x30, 0x44, 2, 0x20][..], &[7; 32], &[2, 0x20], &[7; 32]].concat())
            };
        }),
        forged("of-one-octet", |d, _| d.spoil = |token| resigned(&token, &[1])),
    ]
}

fn encode(octets: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(octets)
}

fn resigned(token: &str, signature: &[u8]) -> String {
    let (signed, _) = token.rsplit_once('.').expect("three parts");
    format!("{signed}.{}", encode(signature))
}

/// The algorithm of one key with the name of another.
fn confused() -> Vec<Case> {
    let other = |id, change| case(id, "JWT-SVID 4 signature", refuse("KeyForOtherAlgorithm"), change);
    vec![
        other("rsa-key-as-ecdsa", |d, keys| {
            d.sign(keys.es256, "ES256", "rsa");
        }),
        other("ecdsa-key-as-rsa", |d, keys| d.sign(keys.rsa, "RS256", "es256")),
        other("p384-key-as-es256", |d, keys| d.sign(keys.es256, "ES256", "es384")),
        case("pkcs1-as-pss", "JWT-SVID 4 signature", refuse("Signature"), |d, keys| {
            d.sign(keys.rsa, "RS256", "rsa");
            d.header = r#"{"alg":"PS256","kid":"rsa"}"#.into();
        }),
        case("sha256-as-sha384", "JWT-SVID 4 signature", refuse("Signature"), |d, keys| {
            d.sign(keys.rsa, "RS256", "rsa");
            d.header = r#"{"alg":"RS384","kid":"rsa"}"#.into();
        }),
        other("key-published-for-another-algorithm", |d, keys| {
            let key = jwk::token_key(keys.rsa, "rsa").replace("\"use\"", "\"alg\":\"PS256\",\"use\"");
            d.bundles = vec![(DOMAIN, jwk::set(&[key]))];
            d.sign(keys.rsa, "RS256", "rsa");
        }),
        case("key-published-for-this-algorithm", "JWT-SVID 4 signature", ACCEPT, |d, keys| {
            let key = jwk::token_key(keys.rsa, "rsa").replace("\"use\"", "\"alg\":\"PS256\",\"use\"");
            d.bundles = vec![(DOMAIN, jwk::set(&[key]))];
            d.sign(keys.rsa, "PS256", "rsa");
        }),
    ]
}

fn choice() -> Vec<Case> {
    let extract = "JWT-SVID 6.2 extract";
    vec![
        case("key-of-another-use", extract, refuse("NoKeys"), |d, keys| {
            let key = jwk::token_key(keys.es256, "es256").replace("jwt-svid", "x509-svid");
            d.bundles = vec![(DOMAIN, jwk::set(&[key]))];
        }),
        case("key-of-use-sig", extract, refuse("NoKeys"), |d, keys| {
            let key = jwk::token_key(keys.es256, "es256").replace("jwt-svid", "sig");
            d.bundles = vec![(DOMAIN, jwk::set(&[key]))];
        }),
        case("key-of-a-wit", extract, refuse("NoKeys"), |d, keys| {
            let key = jwk::token_key(keys.es256, "es256").replace("jwt-svid", "wit-svid");
            d.bundles = vec![(DOMAIN, jwk::set(&[key]))];
        }),
        case("no-keys", "Bundle 4.1.3 none", refuse("NoKeys"), |d, _| {
            d.bundles = vec![(DOMAIN, jwk::set(&[]))]
        }),
        case("second-key-without-kid", "JWT-SVID 2.2 kid", ACCEPT, |d, keys| {
            let set = [jwk::token_key(keys.stranger, "a"), jwk::token_key(keys.es256, "b")];
            d.bundles = vec![(DOMAIN, jwk::set(&set))];
            d.header = r#"{"alg":"ES256"}"#.into();
        }),
        case("other-key-by-kid", "JWT-SVID 2.2 kid", refuse("Signature"), |d, keys| {
            let set = [jwk::token_key(keys.stranger, "es256"), jwk::token_key(keys.es256, "b")];
            d.bundles = vec![(DOMAIN, jwk::set(&set))];
        }),
        case("key-that-is-distrusted", "Kith", refuse("DistrustedKey"), |d, keys| {
            d.distrusted = vec![KeyHash::of_public_key_info(&keys.es256.public_key_info())];
        }),
        case("another-key-that-is-distrusted", "Kith", ACCEPT, |d, keys| {
            d.distrusted = vec![KeyHash::of_public_key_info(&keys.stranger.public_key_info())];
        }),
        case("after-its-time", "JWT-SVID 4 expired", refuse("Expired"), |d, _| {
            d.at = super::at(3600);
        }),
    ]
}

/// Whose bundle judges.
fn domains() -> Vec<Case> {
    let subject = "Workload-API 6.3 bundle-of-subject";
    vec![
        case("no-bundle-at-all", subject, refuse("NoBundle"), |d, _| d.bundles.clear()),
        case("key-only-in-another-domain's-bundle", subject, refuse("Signature"), |d, keys| {
            let stranger = jwk::set(&[jwk::token_key(Key::p256(), "es256")]);
            d.bundles =
                vec![(DOMAIN, stranger), ("other.example", jwk::set(&[jwk::token_key(keys.es256, "es256")]))];
        }),
        case("each-domain-its-own", subject, ACCEPT, |d, keys| {
            d.claims = claims_of("spiffe://other.example/a", r#""reports""#, NOW + 300);
            d.signer = keys.stranger;
            d.bundles.push(("other.example", jwk::set(&[jwk::token_key(keys.stranger, "es256")])));
        }),
        case("one-key-of-two-domains", "Federation 4.2 apart", ACCEPT, |d, _| {
            let set = d.bundles[0].1.clone();
            d.bundles.push(("other.example", set));
        }),
    ]
}
