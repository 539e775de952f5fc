//! Tokens as a person sees them.

use super::*;
use crate::svid::jwt::testing::{TestKey, claims, encoded};

fn inspect(header: &str, claims: &str) -> TokenInspection {
    token(&format!("{}.{}.AAAA", encoded(header.as_bytes()), encoded(claims.as_bytes())))
}

#[test]
fn a_sound_token_is_shown_and_breaks_no_rule() {
    let key = TestKey::p256();
    let seen = token(&key.token("ES256", r#"{"kid":"one","typ":"JWT","alg":"ES256"}"#, &claims()));
    assert_eq!(seen.broken, []);
    assert_eq!(seen.header.as_deref(), Some(r#"{"alg":"ES256","kid":"one","typ":"JWT"}"#));
    assert_eq!(seen.subject.as_deref(), Some("spiffe://demo.local/ns/shop/sa/web"));
    assert_eq!(seen.identity.map(|it| it.to_string()), seen.subject);
    assert_eq!((seen.audiences, seen.signature_length), (vec!["reports".to_owned()], Some(64)));
    assert!(seen.expires_at.is_some() && seen.not_before.is_none());
}

#[test]
fn every_broken_rule_is_listed_and_not_the_first_alone() {
    let seen = inspect(
        r#"{"alg":"none","crit":[],"kid":1,"typ":"wit+jwt"}"#,
        r#"{"sub":"https://a","aud":[],"nbf":"soon","iat":-1}"#,
    );
    let sections: Vec<_> = seen.broken.iter().filter_map(JwtError::section).collect();
    assert_eq!(
        sections,
        [
            "JWT-SVID 2.1",
            "JWT-SVID 2",
            "JWT-SVID 2.2",
            "JWT-SVID 2.3",
            "JWT-SVID 3.1",
            "JWT-SVID 3.2",
            "RFC 7519 2",
            "RFC 7519 2",
            "JWT-SVID 3.3",
        ]
    );
    assert!(
        seen.broken.iter().all(|it| it.section().is_some_and(|section| it.to_string().contains(section)))
    );
    assert_eq!(seen.algorithm.as_deref(), Some("none"));
    assert_eq!(seen.subject.as_deref(), Some("https://a"));
    assert_eq!(seen.identity, None);
}

#[test]
fn a_part_that_cannot_be_read_does_not_hide_the_others() {
    let seen = token(&format!("!.{}.AB", encoded(claims().as_bytes())));
    assert_eq!(seen.broken.len(), 2);
    assert_eq!((seen.header, seen.signature_length), (None, None));
    assert!(seen.identity.is_some());
    assert_eq!(token("no token").broken, [JwtError::NotCompact]);
}
