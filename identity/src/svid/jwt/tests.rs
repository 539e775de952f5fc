//! Tokens, rule by rule. Every refused one differs from an accepted one in the rule that it is about.

use std::sync::LazyLock;
use std::time::Duration;

use proptest::prelude::*;

use super::testing::{NOW, TestKey, bundle_with, claims, encoded, now};
use super::*;
use crate::json::JsonError;
use crate::spiffe_id::SpiffeIdError;
use crate::trust_domain::TrustDomain;

mod bundles;
mod forms;

const ES256: &str = r#"{"alg":"ES256","kid":"one"}"#;

/// One key, and the bundles that know it as `one`.
struct Mesh {
    key: TestKey,
    bundles: BundleSet,
}

static MESH: LazyLock<Mesh> = LazyLock::new(|| {
    let key = TestKey::p256();
    let bundles = BundleSet::from_iter([bundle_with("demo.local", [key.authority("one")])]);
    Mesh { key, bundles }
});

fn verify(token: &str) -> Result<JwtSvid, JwtError> {
    JwtSvid::verify(token, &MESH.bundles, "reports", now())
}

fn with_header(header: &str) -> Result<JwtSvid, JwtError> {
    verify(&MESH.key.token("ES256", header, &claims()))
}

fn with_claims(claims: &str) -> Result<JwtSvid, JwtError> {
    verify(&MESH.key.token("ES256", ES256, claims))
}

/// The good claims with one of them replaced, or put there.
fn with_claim(name: &str, value: &str) -> Result<JwtSvid, JwtError> {
    let mut all = vec![
        ("sub", r#""spiffe://demo.local/ns/shop/sa/web""#.to_owned()),
        ("aud", r#""reports""#.to_owned()),
        ("exp", (NOW + 300).to_string()),
    ];
    all.retain(|(known, _)| *known != name);
    let mut written: Vec<String> = all.iter().map(|(name, value)| format!("{name:?}:{value}")).collect();
    if !value.is_empty() {
        written.push(format!("{name:?}:{value}"));
    }
    with_claims(&format!("{{{}}}", written.join(",")))
}

fn demo() -> TrustDomain {
    TrustDomain::parse("demo.local").unwrap()
}

// Conforms: JWT-SVID 2.1 alg, JWT-SVID 4 signature
#[test]
fn every_algorithm_of_the_standard_verifies_with_its_key_and_no_other() {
    let rsa = TestKey::rsa();
    let (p256, p384, p521) = (TestKey::p256(), TestKey::p384(), TestKey::p521());
    let keys = [&rsa, &p256, &p384, &p521];
    let all = keys.iter().enumerate().map(|(at, key)| key.authority(&at.to_string()));
    let bundles = BundleSet::from_iter([bundle_with("demo.local", all)]);
    for (algorithm, at) in [
        ("RS256", 0),
        ("RS384", 0),
        ("RS512", 0),
        ("PS256", 0),
        ("PS384", 0),
        ("PS512", 0),
        ("ES256", 1),
        ("ES384", 2),
        ("ES512", 3),
    ] {
        for kid in [format!(r#","kid":"{at}""#), String::new()] {
            let token = keys[at].token(algorithm, &format!(r#"{{"alg":"{algorithm}"{kid}}}"#), &claims());
            let svid = JwtSvid::verify(&token, &bundles, "reports", now()).expect(algorithm);
            assert_eq!(svid.identity().as_str(), "spiffe://demo.local/ns/shop/sa/web");
            assert_eq!(svid.authority(), keys[at].authority("any").key_hash());
        }
        let other = (at + 1) % keys.len();
        let header = format!(r#"{{"alg":"{algorithm}","kid":"{other}"}}"#);
        let refused =
            JwtSvid::verify(&keys[at].token(algorithm, &header, &claims()), &bundles, "reports", now());
        assert_eq!(refused, Err(JwtError::KeyForOtherAlgorithm { trust_domain: demo() }), "{algorithm}");
    }
    // The key that the hash of RS256 was signed with does not make it RS384, nor PKCS#1 PSS.
    for (signed, said) in [("RS256", "RS384"), ("RS256", "PS256"), ("PS256", "RS256"), ("PS256", "PS512")] {
        let token = rsa.token(signed, &format!(r#"{{"alg":"{said}","kid":"0"}}"#), &claims());
        let refused = JwtSvid::verify(&token, &bundles, "reports", now());
        assert_eq!(refused, Err(JwtError::Signature { trust_domain: demo() }), "{signed} as {said}");
    }
}

// Conforms: JWT-SVID 2.1 alg, JWT-SVID 4 alg-first
#[test]
fn an_algorithm_outside_the_standard_is_refused_before_anything_else_is_read() {
    for alg in [
        "\"none\"",
        "\"None\"",
        "\"NONE\"",
        "\"\"",
        "\"HS256\"",
        "\"HS512\"",
        "\"EdDSA\"",
        "\"ES256K\"",
        "\"es256\"",
        "\"RS1\"",
        "\"RSA-OAEP\"",
        "\"ES256 \"",
        "null",
        "256",
        "[\"ES256\"]",
    ] {
        let header = format!(r#"{{"alg":{alg},"kid":"one","crit":["exp"]}}"#);
        assert_eq!(with_header(&header), Err(JwtError::Algorithm { offset: 7 }), "{alg}");
        let spoilt = format!("{}.!.!", encoded(header.as_bytes()));
        assert_eq!(
            verify(&spoilt),
            Err(JwtError::Algorithm { offset: 7 }),
            "{alg}, and nothing else is read"
        );
    }
    assert_eq!(with_header(r#"{"kid":"one"}"#), Err(JwtError::AlgorithmMissing));
    assert_eq!(verify(&format!("{}..", encoded(br#"{"alg":"none"}"#))), Err(JwtError::NotCompact));
}

// Conforms: JWT-SVID 2 other-headers
#[test]
fn a_header_beside_alg_kid_and_typ_is_refused() {
    for (name, value) in [
        ("crit", "[]"),
        ("crit", "[\"alg\"]"),
        ("jwk", "{}"),
        ("jku", "\"https://a.example\""),
        ("x5u", "\"https://a.example\""),
        ("x5c", "[]"),
        ("x5t", "\"a\""),
        ("x5t#S256", "\"a\""),
        ("cty", "\"JWT\""),
        ("b64", "true"),
        ("zip", "\"DEF\""),
        ("enc", "\"A128GCM\""),
        ("ALG", "\"ES256\""),
        ("", "null"),
        ("private", "1"),
    ] {
        let start = format!(r#"{{"alg":"ES256","kid":"one","{name}":"#);
        let refused = with_header(&format!("{start}{value}}}"));
        assert_eq!(refused, Err(JwtError::OtherHeader { offset: start.len() }), "{name}");
    }
}

// Conforms: JWT-SVID 2.3 typ
#[test]
fn typ_is_jwt_or_jose_or_absent() {
    for typ in ["JWT", "JOSE"] {
        assert!(with_header(&format!(r#"{{"typ":"{typ}","alg":"ES256","kid":"one"}}"#)).is_ok(), "{typ}");
    }
    for typ in ["\"jwt\"", "\"wit+jwt\"", "\"at+jwt\"", "\"\"", "null", "[\"JWT\"]", "\"JWT \""] {
        let refused = with_header(&format!(r#"{{"typ":{typ},"alg":"ES256","kid":"one"}}"#));
        assert_eq!(refused, Err(JwtError::Type { offset: 7 }), "{typ}");
    }
}

// Conforms: JWT-SVID 2.2 kid
#[test]
fn without_kid_the_keys_are_tried_and_with_one_it_alone() {
    assert!(with_header(r#"{"alg":"ES256"}"#).is_ok());
    for kid in ["two", "", "ONE", "one "] {
        let refused = with_header(&format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#));
        assert_eq!(refused, Err(JwtError::UnknownKey { trust_domain: demo() }), "{kid}");
    }
    for kid in ["null", "1", "[\"one\"]"] {
        let refused = with_header(&format!(r#"{{"alg":"ES256","kid":{kid}}}"#));
        assert_eq!(refused, Err(JwtError::KeyId { offset: 21 }), "{kid}");
    }
}

// Conforms: JWT-SVID 3.1 sub
#[test]
fn sub_is_the_identity_of_a_workload() {
    assert_eq!(with_claim("sub", ""), Err(JwtError::SubjectMissing));
    for sub in ["null", "1", "[\"spiffe://demo.local/a\"]", "{}"] {
        assert_eq!(with_claim("sub", sub), Err(JwtError::SubjectMissing), "{sub}");
    }
    for sub in ["", "web", "https://demo.local/a", "SPIFFE://demo.local/a", "spiffe:/demo.local/a"] {
        let refused = with_claim("sub", &format!("{sub:?}"));
        assert!(
            matches!(refused, Err(JwtError::Subject(SpiffeIdError::Scheme { .. }))),
            "{sub}: {refused:?}"
        );
    }
    for sub in [
        "spiffe:///a",
        "spiffe://Demo.local/a",
        "spiffe://demo.local:80/a",
        "spiffe://u@demo.local/a",
        "spiffe://demo.local/a/",
        "spiffe://demo.local//a",
        "spiffe://demo.local/a/../b",
        "spiffe://demo.local/a%2fb",
        "spiffe://demo.local/a?b",
        "spiffe://demo.local/a#b",
        "spiffe://demo.local/a\u{0}",
        "spiffe://demo.local/\u{e9}",
    ] {
        let escaped: String = sub.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
        let refused = with_claim("sub", &format!("\"{escaped}\""));
        assert!(matches!(refused, Err(JwtError::Subject(_))), "{sub}: {refused:?}");
    }
    assert_eq!(with_claim("sub", "\"spiffe://demo.local\""), Err(JwtError::SubjectPath));
    let longest = format!("spiffe://demo.local/{}", "a".repeat(2048 - 20));
    assert!(with_claim("sub", &format!("{longest:?}")).is_ok());
    assert!(with_claim("sub", &format!("\"{longest}a\"")).is_err());
}

// Conforms: JWT-SVID 3.2 aud, JWT-SVID 3.2 other-aud
// X6.
#[test]
fn aud_is_there_and_names_the_validator() {
    for aud in ["\"reports\"", "[\"reports\"]", "[\"a\",\"reports\"]", "\"\\u0072eports\""] {
        assert!(with_claim("aud", aud).is_ok(), "{aud}");
    }
    for aud in ["", "[]"] {
        assert_eq!(with_claim("aud", aud), Err(JwtError::AudienceMissing), "{aud}");
    }
    for aud in ["null", "1", "{\"reports\":1}", "[1]", "[\"reports\",1]", "[[\"reports\"]]", "[null]"] {
        assert!(matches!(with_claim("aud", aud), Err(JwtError::Audience { .. })), "{aud}");
    }
    for aud in ["\"Reports\"", "\"report\"", "\"reports \"", "\"reports/\"", "\"\"", "\"*\"", "[\"a\",\"b\"]"]
    {
        assert_eq!(with_claim("aud", aud), Err(JwtError::OtherAudience), "{aud}");
    }
    let token = MESH.key.token("ES256", ES256, &claims().replace("\"reports\"", "\"\""));
    assert_eq!(JwtSvid::verify(&token, &MESH.bundles, "", now()), Err(JwtError::NobodyAsks));
}

// W8.
#[test]
fn a_thousand_audiences_are_refused() {
    let several = |count: usize| format!("[{}\"reports\"]", "\"a\",".repeat(count - 1));
    assert!(with_claim("aud", &several(64)).is_ok());
    assert_eq!(with_claim("aud", &several(1000)), Err(JwtError::TooManyAudiences { count: 1000, limit: 64 }));
}

// Conforms: JWT-SVID 3.3 exp, JWT-SVID 4 expired
#[test]
fn exp_is_there_and_lies_in_the_future_without_leeway() {
    assert_eq!(with_claim("exp", ""), Err(JwtError::ExpiryMissing));
    for (exp, want) in [
        ((NOW + 1).to_string(), None),
        (format!("{NOW}.000000001"), None),
        (format!("{NOW}.0000000009"), Some(JwtError::Expired)),
        (NOW.to_string(), Some(JwtError::Expired)),
        (format!("{NOW}.0"), Some(JwtError::Expired)),
        ((NOW - 1).to_string(), Some(JwtError::Expired)),
        ("0".to_owned(), Some(JwtError::Expired)),
        ("253402300799".to_owned(), None),
    ] {
        assert_eq!(with_claim("exp", &exp).err(), want, "{exp}");
    }
    let svid = with_claim("exp", &format!("{}.5", NOW + 1)).unwrap();
    assert_eq!(svid.expires_at(), now() + Duration::from_millis(1500));
}

#[test]
fn a_time_is_seconds_in_plain_digits() {
    for time in [
        "null",
        "true",
        "\"1900000000\"",
        "[1900000000]",
        "-1",
        "-0",
        "1.9e9",
        "19e8",
        "1900000000e0",
        "253402300800",
        "1900000000000",
        "18446744073709551616",
        "99999999999999999999999999",
    ] {
        for claim in ["exp", "nbf", "iat"] {
            let refused = with_claim(claim, time);
            assert!(
                matches!(refused, Err(JwtError::Time { claim: found, .. }) if found == claim),
                "{claim} {time}: {refused:?}"
            );
        }
    }
}

#[test]
fn nbf_and_iat_may_run_a_minute_ahead_and_no_more() {
    for claim in ["nbf", "iat"] {
        for time in [0, NOW, NOW + 60] {
            assert!(with_claim(claim, &time.to_string()).is_ok(), "{claim} {time}");
        }
        for time in [format!("{}.1", NOW + 60), (NOW + 61).to_string()] {
            assert_eq!(with_claim(claim, &time), Err(JwtError::NotYet { claim }), "{time}");
        }
    }
}

#[test]
fn other_claims_are_the_issuers_own_and_are_handed_on_as_they_were_signed() {
    let written = claims().replace('{', "{ \"jti\":\"1\", \"n\":1.50, \"o\":{\"a\":[null]},");
    assert_eq!(with_claims(&written).unwrap().claims(), written);
}

// Conforms: JWT-SVID 4 signature
#[test]
fn a_signature_of_another_key_or_another_form_is_refused() {
    let forged = TestKey::p256().token("ES256", ES256, &claims());
    assert_eq!(verify(&forged), Err(JwtError::Signature { trust_domain: demo() }));
    let good = MESH.key.token("ES256", ES256, &claims());
    let (signed, _) = good.rsplit_once('.').unwrap();
    for signature in [vec![0; 64], vec![0xff; 64], vec![0; 63], vec![0; 65], vec![0x30, 6, 2, 1, 1, 2, 1, 1]]
    {
        let token = format!("{signed}.{}", encoded(&signature));
        assert_eq!(verify(&token), Err(JwtError::Signature { trust_domain: demo() }));
    }
}

#[test]
fn neither_an_error_nor_debug_shows_a_part_of_the_token() {
    let secret = claims().replace('{', r#"{"secret":"hunter2","#);
    let token = MESH.key.token("ES256", ES256, &secret);
    let parts: Vec<_> = token.split('.').chain(["hunter2", "secret"]).collect();
    let shown = format!("{:?}", verify(&token).unwrap());
    assert!(parts.iter().all(|part| !shown.contains(part)), "{shown}");
    for spoilt in [
        token.replacen('.', "", 1),
        format!("{token}="),
        MESH.key.token("ES256", r#"{"alg":"hunter2"}"#, &secret),
        MESH.key.token("ES256", r#"{"alg":"ES256","hunter2":"hunter2"}"#, &secret),
        MESH.key.token("ES256", r#"{"alg":"ES256","kid":"hunter2"}"#, &secret),
        MESH.key.token("ES256", ES256, &secret.replace("reports", "hunter2")),
        MESH.key.token("ES256", ES256, &secret.replace("spiffe:", "hunter2:")),
        MESH.key.token("ES256", ES256, &secret.replace("\"exp\"", "\"hunter2\"")),
        MESH.key.token("ES256", ES256, &secret.replace('}', ",\"secret\":1}")),
        TestKey::p256().token("ES256", ES256, &secret),
    ] {
        let error = verify(&spoilt).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(spoilt.split('.').chain(["hunter2"]).all(|part| !shown.contains(part)), "{shown}");
    }
}
