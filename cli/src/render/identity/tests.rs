//! From messages made by hand.

use std::time::{Duration, UNIX_EPOCH};

use unicode_width::UnicodeWidthStr as _;

use super::*;
use crate::render::{escape, json};

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_000_000)
}

fn identity(name: &str) -> Identity {
    Identity {
        name: name.into(),
        identity: format!("spiffe://demo.local/ns/demo/sa/{name}"),
        serial: "5c1e".repeat(8),
        not_before_ms: 999_983_000,
        not_after_ms: 1_000_043_000,
        renew_from_ms: 1_000_010_000,
        renew_until_ms: 1_000_022_000,
        issued: 3,
        connected: true,
        quarantined: false,
        key_sha256: "4f9a".repeat(16),
    }
}

fn answer() -> IdentitiesResponse {
    let new = Identity { name: "late".into(), identity: identity("late").identity, ..Identity::default() };
    let cut = Identity { quarantined: true, ..identity("intruder\u{202e}") };
    IdentitiesResponse { identities: vec![identity("orders"), cut, new] }
}

fn plain(text: &str) -> String {
    let text = anstream::adapter::strip_str(text).to_string();
    assert!(!text.lines().any(|line| line.chars().any(escape::deceives)), "G1, G2: {text}");
    text
}

#[test]
fn the_list() {
    insta::assert_snapshot!(plain(&list(&answer(), now(), None)));
}

#[test]
fn the_list_is_as_narrow_as_its_terminal() {
    let two = IdentitiesResponse { identities: vec![identity("orders"), identity("payments")] };
    for (width, whole_identity, whole_serial) in [(140, true, true), (110, true, false), (80, false, false)] {
        let text = plain(&list(&two, now(), Some(width)));
        assert!(text.lines().all(|line| line.width() <= width), "{text}");
        assert_eq!(text.contains("spiffe://demo.local/ns/demo/sa/orders"), whole_identity, "{text}");
        assert_eq!(text.contains(&"5c1e".repeat(8)), whole_serial, "{text}");
        assert!(text.contains("demo/sa/orders") && text.contains("5c1e5c1e"), "{text}");
    }
}

#[test]
fn the_json_of_the_list() {
    insta::assert_snapshot!(json::pretty(&IdentitiesJson::new(&answer())).unwrap());
}

#[test]
fn one_identity() {
    insta::assert_snapshot!(plain(&show(&identity("orders"), now())));
}

#[test]
fn an_identity_without_an_svid_and_one_that_is_cut_off_say_so() {
    let answer = answer();
    assert!(plain(&show(&answer.identities[2], now())).contains("svid      none yet"));
    assert!(plain(&show(&answer.identities[1], now())).contains("state     quarantined, connected"));
}

#[test]
fn the_json_of_one_identity() {
    insta::assert_snapshot!(json::pretty(&IdentityJson::from(&identity("orders"))).unwrap());
}

#[test]
fn a_rotation_names_the_old_serial_and_the_new() {
    let answer = RotateResponse {
        identity: identity("orders").identity,
        previous_serial: "5c1e".into(),
        serial: "7ea0".into(),
        not_after_ms: 1_000_060_000,
    };
    assert_eq!(
        plain(&rotated(&answer, now())),
        "ROTATED  spiffe://demo.local/ns/demo/sa/orders\n  5c1e -> 7ea0, expires in 60s"
    );
    insta::assert_snapshot!(json::pretty(&RotatedJson::from(&answer)).unwrap());
}
