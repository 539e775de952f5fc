//! Tokens as strangers may send them. None of these reaches the API server.

use serde_json::{Value, json};

use super::*;

const EXPIRES: u64 = 1_800_000_600;

/// What the API server puts into a projected token.
fn claims() -> Value {
    json!({
        "aud": ["kith.dev/ca"],
        "exp": EXPIRES,
        "iat": 1_800_000_000_u64,
        "iss": "https://kubernetes.default.svc.cluster.local",
        "jti": "5c0f5f9d-56a5-4f40-a1a5-4d1e0a1c9a10",
        "kubernetes.io": {
            "namespace": "shop",
            "node": { "name": "node-a", "uid": "6c1a1f0e-3e4f-4a53-8f0c-3c8b7a5d4e21" },
            "pod": { "name": "web-7d4b9c-x2x7p", "uid": "0e5d9c5e-7c0b-4b0a-9d7a-1f5e6b7c8d90" },
            "serviceaccount": { "name": "web", "uid": "c1d2e3f4-0000-4000-8000-000000000001" },
            "warnafter": 1_800_003_607_u64,
        },
        "nbf": 1_800_000_000_u64,
        "sub": "system:serviceaccount:shop:web",
    })
}

fn token(claims: &Value) -> Token {
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let (header, payload) = (part(br#"{"alg":"RS256","kid":"k"}"#), part(claims.to_string().as_bytes()));
    Token::new(format!("{header}.{payload}.{}", part(&[0xa5; 256])))
}

fn with(pointer: &str, value: Value) -> Value {
    let mut claims = claims();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    claims.pointer_mut(parent).unwrap()[key] = value;
    claims
}

fn refused(claims: &Value) -> PodTokenError {
    Claims::read(&token(claims)).unwrap_err()
}

#[test]
fn a_projected_token_is_read() {
    let claims = Claims::read(&token(&claims())).unwrap();
    assert_eq!((claims.namespace.as_str(), claims.pod.as_str()), ("shop", "web-7d4b9c-x2x7p"));
    assert_eq!((claims.service_account.as_str(), claims.node.as_deref()), ("web", Some("node-a")));
    let identity = claims.identity(&TrustDomain::parse("demo.local").unwrap()).unwrap();
    assert_eq!(identity.as_str(), "spiffe://demo.local/ns/shop/sa/web");
}

#[test]
fn a_token_of_an_older_api_server_names_no_node() {
    let mut claims = claims();
    claims["kubernetes.io"].as_object_mut().unwrap().remove("node");
    assert_eq!(Claims::read(&token(&claims)).unwrap().node, None);
}

// U1
#[test]
fn only_a_token_for_our_audience_is_taken() {
    let nine: Vec<_> = std::iter::repeat_n("kith.dev/ca", 9).collect();
    for audience in [
        json!("https://kubernetes.default.svc"),
        json!(["https://kubernetes.default.svc.cluster.local"]),
        json!("kith.dev/ca "),
        json!("kith.dev/c"),
        json!("kith.dev/ca/x"),
        json!([]),
        json!(null),
        json!(nine),
    ] {
        assert_eq!(refused(&with("/aud", audience.clone())), PodTokenError::Audience, "{audience}");
    }
    for audience in [json!("kith.dev/ca"), json!(["vault", "kith.dev/ca"])] {
        assert!(Claims::read(&token(&with("/aud", audience))).is_ok());
    }
}

// U4
#[test]
fn a_token_that_is_not_bound_to_a_pod_and_a_time_is_refused() {
    for missing in ["/kubernetes.io", "/exp", "/kubernetes.io/pod", "/kubernetes.io/serviceaccount"] {
        assert_eq!(refused(&with(missing, Value::Null)), PodTokenError::NotBound, "{missing}");
    }
    // As secrets of type service-account-token have it.
    let legacy = json!({
        "iss": "kubernetes/serviceaccount",
        "aud": "kith.dev/ca",
        "kubernetes.io/serviceaccount/namespace": "shop",
        "kubernetes.io/serviceaccount/service-account.name": "web",
        "sub": "system:serviceaccount:shop:web",
    });
    assert_eq!(refused(&legacy), PodTokenError::NotBound);
}

// U7
#[test]
fn our_own_clock_says_when_a_token_has_expired() {
    let claims = Claims::read(&token(&claims())).unwrap();
    let end = UNIX_EPOCH + Duration::from_secs(EXPIRES);
    assert!(!claims.has_expired(end - Duration::from_secs(1)) && claims.has_expired(end));
    for exp in [json!(-1), json!(1.5), json!("soon"), json!(u64::MAX)] {
        assert!(matches!(refused(&with("/exp", exp.clone())), PodTokenError::Malformed(_)), "{exp}");
    }
}

// U8
#[test]
fn what_is_no_token_is_refused_by_its_form() {
    let good = token(&claims()).expose().to_owned();
    let (rest, signature) = good.rsplit_once('.').unwrap();
    let (header, payload) = rest.split_once('.').unwrap();
    for text in [
        String::new(),
        "x".repeat(1024 * 1024),
        format!("{good}\n"),
        format!(" {good}"),
        format!("Bearer {good}"),
        format!("{good}="),
        format!("{good}.{signature}"),
        rest.to_owned(),
        format!("{header}..{signature}"),
        format!(".{payload}.{signature}"),
        format!("{header}.{payload}."),
        format!("{header}.{payload}\".{signature}"),
        format!("{header}.aGVsbG8.{signature}"),
        format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode("[".repeat(4000))),
        format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode([0xff, 0xfe])),
    ] {
        let refused = Claims::read(&Token::new(text.clone())).unwrap_err();
        let shown: String = text.chars().take(80).collect();
        assert!(matches!(refused, PodTokenError::Malformed(_)), "{shown}: {refused}");
    }
}

#[test]
fn a_claim_that_is_said_twice_is_refused() {
    let text = claims().to_string();
    let twice = text.replacen('{', r#"{"aud":"kith.dev/ca","#, 1);
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let token = Token::new(format!("{}.{}.{}", part(b"{}"), part(twice.as_bytes()), part(b"s")));
    assert!(matches!(Claims::read(&token), Err(PodTokenError::Malformed(_))));
}

// U12
#[test]
fn names_that_kubernetes_does_not_give_never_become_an_identity() {
    let long = "a".repeat(254);
    for name in
        ["", "Web", "web/../admin", "system:admin", "web ", "-web", "web.", "w\u{e9}b", "web\n", &long]
    {
        for place in ["pod/name", "serviceaccount/name", "node/name"] {
            let refused = refused(&with(&format!("/kubernetes.io/{place}"), json!(name)));
            assert!(matches!(refused, PodTokenError::Malformed(_)), "{place} {name:?}: {refused}");
        }
    }
    for namespace in ["a.b", "", "Shop", &"a".repeat(64)] {
        let refused = refused(&with("/kubernetes.io/namespace", json!(namespace)));
        assert!(matches!(refused, PodTokenError::Malformed(_)), "{namespace:?}: {refused}");
    }
    for uid in ["", "A", "a/b", &"a".repeat(65)] {
        let refused = refused(&with("/kubernetes.io/pod/uid", json!(uid)));
        assert!(matches!(refused, PodTokenError::Malformed(_)), "{uid:?}: {refused}");
    }
    let longest = format!("{}.a", "a".repeat(251));
    assert!(Claims::read(&token(&with("/kubernetes.io/serviceaccount/name", json!(longest)))).is_ok());
}

#[test]
fn the_control_planes_own_identity_is_not_granted() {
    let mut claims = with("/kubernetes.io/namespace", json!("kith"));
    claims["kubernetes.io"]["serviceaccount"]["name"] = json!("kith-control-plane");
    let claims = Claims::read(&token(&claims)).unwrap();
    let refused = claims.identity(&TrustDomain::parse("demo.local").unwrap()).unwrap_err();
    assert!(matches!(refused, PodTokenError::Reserved(_)), "{refused}");
}

// U9
#[test]
fn a_token_is_never_shown() {
    let token = token(&claims());
    assert_eq!(format!("{token:?}"), "Token(..)");
    let wrong = Token::new(format!("{}x!", token.expose()));
    let error = Claims::read(&wrong).unwrap_err();
    for shown in [error.to_string(), format!("{error:?}")] {
        assert!(!token.expose().split('.').any(|part| shown.contains(part)), "{shown}");
    }
}
