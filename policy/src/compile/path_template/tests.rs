//! The grammar of templates, and what they match.

use super::{PathTemplate, PathTemplateError};
use crate::truth::Truth::{self, False, True, Unknown};

#[test]
fn a_template_matches_by_segment() {
    let rows: &[(&str, &str, Truth)] = &[
        ("/charges", "/charges", True),
        ("/charges", "/charges/7", False),
        ("/charges", "/charge", False),
        // P22: a trailing slash is a segment more.
        ("/charges", "/charges/", False),
        ("/charges/", "/charges/", True),
        ("/charges/", "/charges", False),
        // P9
        ("/charges", "/CHARGES", False),
        ("/charges/{id}", "/charges/7", True),
        ("/charges/{id}", "/charges/", False),
        ("/charges/{id}", "/charges/7/lines", False),
        ("/charges/{id}/lines", "/charges/7/lines", True),
        ("/{a}/{b}", "/x/y", True),
        // P38
        ("/app/**", "/application", False),
        ("/app/**", "/app", True),
        ("/app/**", "/app/", True),
        ("/app/**", "/app/x/y/z", True),
        ("/app/**", "/ap", False),
        ("/app/{id}/**", "/app", False),
        ("/app/{id}/**", "/app/7", True),
        ("/**", "/", True),
        ("/**", "/x", True),
        ("/", "/", True),
        ("/", "/x", False),
        // P32
        ("/**", "*", False),
        // P39: an encoded star is a text like any other.
        ("/app/{x}", "/app/%2A", True),
        ("/app/lit", "/app/%2A", False),
        // A server that decodes further than RFC 3986 allows would see the same: neither yes nor no.
        ("/users/7:delete", "/users/7%3Adelete", Unknown),
        ("/users/7:delete", "/users/7:delete", True),
        ("/a%20b", "/a%20b", True),
        ("/users/7:delete/x", "/users/7%3Adelete/y", False),
    ];
    for (template, path, expected) in rows {
        let parsed = PathTemplate::parse(template).unwrap();
        assert_eq!(parsed.matches(path), *expected, "{template} against {path}");
        assert_eq!(parsed.as_str(), *template);
    }
}

#[test]
fn what_is_no_template_is_refused() {
    for text in [
        "",
        "charges",
        "/a/*",
        "/a*",
        "*",
        "**",
        "/**/a",
        "/a**",
        "/a/***",
        "/a/**/",
        "/{id",
        "/id}",
        "/x{id}",
        "/{id}x",
        "/{}",
        "/{a/b}",
        "/{a b}",
        "/{{a}}",
        "/%",
        "/%zz",
        "/a%2fb",
        "/a?b",
        "/a#b",
        "/a;b",
        "/a\\b",
        "//a",
        "/a//b",
        "/a//**",
        "/a/../b",
        "/./a",
        "/a b",
        "/caf\u{e9}",
        "/{..}",
    ] {
        assert!(PathTemplate::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn a_regular_expression_is_refused_with_a_hint_to_templates() {
    // P40
    for text in ["^/admin", "~ ^/admin", "/admin.*", "/admin/.+", "/(a|b)", "/[a-z]+", "/a\\d", "/a$|x", ".*"]
    {
        let error = PathTemplate::parse(text).unwrap_err().to_string();
        assert!(error.contains("path templates"), "{error}");
    }
}

#[test]
fn a_literal_is_written_in_canonical_form() {
    let canonical = |text| match PathTemplate::parse(text) {
        Err(PathTemplateError::NotCanonical { canonical, .. }) => canonical,
        other => panic!("{other:?}"),
    };
    assert_eq!(canonical("/%61dmin"), "admin");
    assert_eq!(canonical("/caf%c3%a9"), "caf%C3%A9");
}
