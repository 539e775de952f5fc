//! The P rows about reading a path, and the borrowing.

use std::borrow::Cow;

use super::{AmbiguousPath, canonical_path, equal_when_decoded};

#[test]
fn a_path_has_one_reading_or_none() {
    // None: refused. What becomes of the read ones is a rule's matter (evaluate/tests.rs).
    let rows: &[(&str, &str, Option<&str>)] = &[
        ("P1", "/admin", Some("/admin")),
        ("P2", "//admin", None),
        ("P3", "/./admin", None),
        ("P4", "/app/../admin", None),
        ("P5", "/app/%2e%2e/admin", None),
        ("P6", "/app/%2E./admin", None),
        ("P7", "/%61dmin", Some("/admin")),
        ("P8", "/admi%6E", Some("/admin")),
        ("P9", "/ADMIN", Some("/ADMIN")),
        ("P10", "/admin%2fx", None),
        ("P11", "/app%2f..%2fadmin", None),
        ("P12", "/app%5c..%5cadmin", None),
        ("P13", "/app\\..\\admin", None),
        ("P14", "/app/..;/admin", None),
        ("P14 encoded", "/app/..%3b/admin", None),
        ("P15", "/admin;x=1", None),
        ("P16", "/app;/../admin", None),
        ("P17", "/admin%00", None),
        ("P18", "/admin%0d%0aX:y", None),
        ("P19", "/admin#f", None),
        ("P20", "/admin?x=/app", None),
        ("P22", "/admin/", Some("/admin/")),
        ("P23", "/app/%252e%252e/admin", Some("/app/%252e%252e/admin")),
        ("P24", "/app/%c0%ae%c0%ae/admin", None),
        ("P25", "/app/%u002e%u002e/admin", None),
        ("P26", "/app/%zz", None),
        ("P27", "/app/%", None),
        ("P27", "/app/%2", None),
        ("P28", "/app/%e2%80%ae", Some("/app/%E2%80%AE")),
        ("P29", "/app/x%20y", Some("/app/x%20y")),
        ("P30", "http://svc/admin", None),
        ("P31", "/app/../../../../etc/passwd", None),
        ("P35", "/app/.", None),
        ("P35", "/app/..", None),
        ("P36", "/.//admin", None),
        ("P37", "/app/..%2fadmin", None),
        ("P39", "/app/%2a", Some("/app/%2A")),
        ("P46", "pkg.Svc/Method", None),
        ("root", "/", Some("/")),
        ("empty", "", None),
        ("three dots", "/...", Some("/...")),
        ("delete", "/a%7f", None),
        ("raw delete", "/a\u{7f}", None),
        ("raw space", "/a b", None),
        ("raw tab", "/a\tb", None),
        ("raw non-ASCII", "/caf\u{e9}", None),
        ("half a character", "/a%e2%80", None),
        ("a character of raw and escaped bytes", "/a%e2%80x", None),
        ("surrogate", "/a%ed%a0%80", None),
        ("continuation alone", "/a%80", None),
        ("two trailing slashes", "/a//", None),
    ];
    for (id, path, expected) in rows {
        let found = canonical_path("GET", path).ok();
        assert_eq!(found.as_deref(), *expected, "{id}: {path:?}");
    }
}

#[test]
fn the_star_is_a_path_for_options_alone() {
    // P32
    assert_eq!(canonical_path("OPTIONS", "*"), Ok(Cow::Borrowed("*")));
    assert_eq!(canonical_path("GET", "*"), Err(AmbiguousPath::NotAbsolute));
    assert_eq!(canonical_path("OPTIONS", "/*"), Ok(Cow::Borrowed("/*")));
}

#[test]
fn a_path_over_8_kib_is_refused_unread() {
    // P33, P34
    let longest = format!("/{}", "a".repeat(8191));
    assert!(canonical_path("GET", &longest).is_ok());
    let longer = format!("{longest}a");
    assert_eq!(canonical_path("GET", &longer), Err(AmbiguousPath::TooLong { length: 8193 }));
    let climbing = format!("/{}", "../".repeat(10_000));
    assert_eq!(canonical_path("GET", &climbing), Err(AmbiguousPath::TooLong { length: 30_001 }));
}

#[test]
fn a_canonical_path_is_borrowed() {
    for path in ["/", "/app/x%20y/", "/%E2%80%AE", "/a:b@c,(d)"] {
        assert!(matches!(canonical_path("GET", path), Ok(Cow::Borrowed(_))), "{path}");
    }
}

#[test]
fn what_a_server_decodes_further_compares_as_equal() {
    assert!(equal_when_decoded("a:b", "a%3Ab"));
    assert!(equal_when_decoded("%C3%A9", "%C3%A9"));
    assert!(!equal_when_decoded("a:b", "a%3A"));
    // Once only: %25 is a percent sign, not the start of another escape.
    assert!(!equal_when_decoded("a:b", "a%253Ab"));
}
