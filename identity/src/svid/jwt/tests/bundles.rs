//! Whose keys verify whose tokens.

use super::*;
use crate::bundle::Bundle;
use crate::testing::{authority, der};

// Conforms: Workload-API 6.3 bundle-of-subject
// F1.
#[test]
fn a_token_is_verified_by_the_bundle_of_its_subjects_trust_domain_alone() {
    let (ours, theirs) = (TestKey::p256(), TestKey::p256());
    let bundles = BundleSet::from_iter([
        bundle_with("demo.local", [ours.authority("one")]),
        bundle_with("other.example", [theirs.authority("one")]),
    ]);
    let verify = |key: &TestKey, trust_domain: &str| {
        let claims = claims().replace("demo.local", trust_domain);
        JwtSvid::verify(&key.token("ES256", ES256, &claims), &bundles, "reports", now())
    };
    assert!(verify(&ours, "demo.local").is_ok());
    assert!(verify(&theirs, "other.example").is_ok());
    assert_eq!(verify(&theirs, "demo.local"), Err(JwtError::Signature { trust_domain: demo() }));
    assert!(matches!(verify(&ours, "other.example"), Err(JwtError::Signature { .. })));
    assert!(matches!(verify(&ours, "third.example"), Err(JwtError::NoBundle { .. })));
}

// Conforms: JWT-SVID 6.2 extract
#[test]
fn a_key_for_certificates_verifies_no_token() {
    let pair = rcgen::KeyPair::generate().unwrap();
    let anchor = authority("spiffe://demo.local").self_signed(&pair).unwrap().der().to_vec();
    let jwks = Bundle::parse(demo(), &[anchor]).unwrap().to_jwks();
    let signer = aws_lc_rs::signature::EcdsaKeyPair::from_pkcs8(
        &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING,
        &pair.serialize_der(),
    );
    let token = TestKey::Ec(signer.unwrap()).token("ES256", r#"{"alg":"ES256"}"#, &claims());
    let read = |jwks: &str| BundleSet::from_iter([Bundle::from_jwks(demo(), jwks.as_bytes()).unwrap()]);
    let jwks = String::from_utf8(jwks).unwrap();
    let refused = JwtSvid::verify(&token, &read(&jwks), "reports", now());
    assert_eq!(refused, Err(JwtError::NoKeys { trust_domain: demo() }));
    let republished = jwks.replace("x509-svid", "jwt-svid").replace("\"kty\"", "\"kid\":\"one\",\"kty\"");
    assert!(
        JwtSvid::verify(&token, &read(&republished), "reports", now()).is_ok(),
        "it is the key, not the use"
    );
}

#[test]
fn a_key_that_is_published_for_one_algorithm_verifies_no_other() {
    let key = TestKey::rsa();
    let jwks = String::from_utf8(bundle_with("demo.local", [key.authority("one")]).to_jwt_jwks()).unwrap();
    let jwks = jwks.replace("\"kid\"", "\"alg\":\"PS256\",\"kid\"");
    let bundles = BundleSet::from_iter([Bundle::from_jwks(demo(), jwks.as_bytes()).unwrap()]);
    let verify = |alg: &str| {
        let token = key.token(alg, &format!(r#"{{"alg":"{alg}","kid":"one"}}"#), &claims());
        JwtSvid::verify(&token, &bundles, "reports", now())
    };
    assert!(verify("PS256").is_ok());
    assert_eq!(verify("RS256"), Err(JwtError::KeyForOtherAlgorithm { trust_domain: demo() }));
}

#[test]
fn a_distrusted_key_vouches_for_nobody() {
    let bundles = MESH.bundles.clone().distrusting([MESH.key.authority("any").key_hash()]);
    let key = MESH.key.authority("any").key_hash();
    for header in [ES256, r#"{"alg":"ES256"}"#] {
        let token = MESH.key.token("ES256", header, &claims());
        let refused = JwtSvid::verify(&token, &bundles, "reports", now());
        assert_eq!(refused, Err(JwtError::DistrustedKey { key }));
    }
    let other = TestKey::p256().authority("any").key_hash();
    let token = MESH.key.token("ES256", ES256, &claims());
    assert!(JwtSvid::verify(&token, &MESH.bundles.clone().distrusting([other]), "reports", now()).is_ok());
}

#[test]
fn a_token_without_kid_costs_a_bounded_number_of_signatures() {
    let keys: Vec<TestKey> = (0..MAX_TRIED + 1).map(|_| TestKey::p256()).collect();
    let authorities = keys.iter().enumerate().map(|(at, key)| key.authority(&at.to_string()));
    let bundles = BundleSet::from_iter([bundle_with("demo.local", authorities)]);
    let verify = |at: usize, header: &str| {
        JwtSvid::verify(&keys[at].token("ES256", header, &claims()), &bundles, "reports", now())
    };
    assert!(verify(MAX_TRIED - 1, r#"{"alg":"ES256"}"#).is_ok());
    assert!(matches!(verify(MAX_TRIED, r#"{"alg":"ES256"}"#), Err(JwtError::Signature { .. })));
    assert!(verify(MAX_TRIED, &format!(r#"{{"alg":"ES256","kid":"{MAX_TRIED}"}}"#)).is_ok());
}

// Conforms: Bundle 4.1.3 none
// F10.
#[test]
fn a_bundle_without_a_key_makes_every_token_of_its_trust_domain_invalid() {
    let empty = Bundle::from_jwks(demo(), br#"{"keys":[]}"#).unwrap();
    let bundles = BundleSet::from_iter([bundle_with("demo.local", [MESH.key.authority("one")]), empty]);
    let refused = JwtSvid::verify(&MESH.key.token("ES256", ES256, &claims()), &bundles, "reports", now());
    assert_eq!(refused, Err(JwtError::NoKeys { trust_domain: demo() }));
    let certificates = Bundle::parse(demo(), &[der(&authority("spiffe://demo.local"))]).unwrap();
    assert_eq!(certificates.jwt_authorities(), []);
}

// RFC 7515 A.3, RFC 7517 A.1: what others made, read by us. The example is no svid, so its signature alone is asked.
#[test]
fn the_examples_of_the_standards_verify() {
    let jwks = r#"{"keys":[
        {"kty":"EC","crv":"P-256","use":"jwt-svid","kid":"7515",
         "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
        {"kty":"EC","crv":"P-256","use":"jwt-svid","kid":"7517",
         "x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}"#;
    let bundle = Bundle::from_jwks(demo(), jwks.as_bytes()).unwrap();
    assert_eq!(bundle.ignored(), []);
    let token = "eyJhbGciOiJFUzI1NiJ9.\
        eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.\
        DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    let parts = Parts::split(token).unwrap();
    let by = |kid| {
        let key = bundle.jwt_authority(kid).unwrap();
        key.verifies(Algorithm::Es256, parts.signed.as_bytes(), &parts.signature().unwrap())
    };
    assert!(by("7515") && !by("7517"));
}
