//! SPIFFE-ID, line by line of the standard.

use proptest::prelude::*;

use super::*;

fn demo() -> TrustDomain {
    TrustDomain::parse("demo.local").unwrap()
}

// Conforms: SPIFFE-ID 2 trust-domain, SPIFFE-ID 2.1 look-alike, SPIFFE-ID 2.2 alphabet
#[test]
fn valid_identities_are_split_into_trust_domain_and_path() {
    for (text, domain, path) in [
        ("spiffe://demo.local", "demo.local", ""),
        ("spiffe://demo.local/ns/shop/sa/web", "demo.local", "/ns/shop/sa/web"),
        ("spiffe://demo.local/a", "demo.local", "/a"),
        ("spiffe://demo.local/A.b-C_9", "demo.local", "/A.b-C_9"),
        ("spiffe://demo.local/...", "demo.local", "/..."),
        ("spiffe://demo.local/.a/b..", "demo.local", "/.a/b.."),
        // 2.1: a name that looks like an address or like DNS is a name.
        ("spiffe://127.0.0.1/a", "127.0.0.1", "/a"),
        ("spiffe://a_b-c.d/x", "a_b-c.d", "/x"),
        ("spiffe://.-_/x", ".-_", "/x"),
    ] {
        let identity = SpiffeId::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let parts = (identity.trust_domain().as_str(), identity.path(), identity.as_str());
        assert_eq!(parts, (domain, path, text));
        assert_eq!(identity.to_string(), text);
    }
}

/// What is wrong, whatever the text of the message.
fn kind(error: &SpiffeIdError) -> &'static str {
    match error {
        SpiffeIdError::Scheme { .. } => "scheme",
        SpiffeIdError::TooLong { .. } => "too long",
        SpiffeIdError::TrustDomain(TrustDomainError::Empty { .. }) => "no trust domain",
        SpiffeIdError::TrustDomain(_) => "trust domain",
        SpiffeIdError::EmptySegment { .. } => "empty segment",
        SpiffeIdError::RelativeSegment { .. } => "relative segment",
        SpiffeIdError::Byte { .. } => "byte",
        SpiffeIdError::Name { .. } => "name",
    }
}

// Conforms: SPIFFE-ID 2 scheme, SPIFFE-ID 2 trust-domain, SPIFFE-ID 2 query, SPIFFE-ID 2 fragment
// Conforms: SPIFFE-ID 2.1 empty, SPIFFE-ID 2.1 userinfo, SPIFFE-ID 2.1 port, SPIFFE-ID 2.1 lower-case
// Conforms: SPIFFE-ID 2.1 alphabet, SPIFFE-ID 2.1 percent
// Conforms: SPIFFE-ID 2.2 percent, SPIFFE-ID 2.2 empty-segment, SPIFFE-ID 2.2 relative, SPIFFE-ID 2.2 trailing-slash
// Conforms: SPIFFE-ID 2.2 alphabet
#[test]
fn every_must_not_of_the_standard_is_refused_for_its_own_reason() {
    for (text, want) in [
        // SPIFFE-ID 2: the scheme. 2.4 lets a reader fold case; what is presented to us is canonical or refused.
        ("", "scheme"),
        ("demo.local/a", "scheme"),
        ("https://demo.local/a", "scheme"),
        ("spiffe:/demo.local/a", "scheme"),
        ("spiffe:demo.local/a", "scheme"),
        ("SPIFFE://demo.local/a", "scheme"),
        (" spiffe://demo.local/a", "scheme"),
        ("\u{feff}spiffe://demo.local/a", "scheme"),
        // 2.1: the trust domain.
        ("spiffe://", "no trust domain"),
        ("spiffe:///a", "no trust domain"),
        ("spiffe://Demo.local/a", "trust domain"),
        ("spiffe://user@demo.local/a", "trust domain"),
        ("spiffe://demo.local:443/a", "trust domain"),
        ("spiffe://demo.local:/a", "trust domain"),
        ("spiffe://demo%2elocal/a", "trust domain"),
        ("spiffe://[::1]/a", "trust domain"),
        ("spiffe://d\u{e9}mo/a", "trust domain"),
        ("spiffe://demo.local?a", "trust domain"),
        ("spiffe://demo.local#a", "trust domain"),
        ("spiffe://demo.local\\a", "trust domain"),
        // 2: query and fragment. 2.2: the path.
        ("spiffe://demo.local/a?b", "byte"),
        ("spiffe://demo.local/a#b", "byte"),
        ("spiffe://demo.local/a%2fb", "byte"),
        ("spiffe://demo.local/%61", "byte"),
        ("spiffe://demo.local/a b", "byte"),
        ("spiffe://demo.local/a\0", "byte"),
        ("spiffe://demo.local/a\n", "byte"),
        ("spiffe://demo.local/a;b", "byte"),
        ("spiffe://demo.local/a\"", "byte"),
        ("spiffe://demo.local/a,b", "byte"),
        ("spiffe://demo.local/a\\b", "byte"),
        ("spiffe://demo.local/\u{ff41}", "byte"),
        ("spiffe://demo.local/a\u{202e}b", "byte"),
        ("spiffe://demo.local/", "empty segment"),
        ("spiffe://demo.local/a/", "empty segment"),
        ("spiffe://demo.local//a", "empty segment"),
        ("spiffe://demo.local/a//b", "empty segment"),
        ("spiffe://demo.local/.", "relative segment"),
        ("spiffe://demo.local/..", "relative segment"),
        ("spiffe://demo.local/a/../b", "relative segment"),
        ("spiffe://demo.local/a/./b", "relative segment"),
    ] {
        match SpiffeId::parse(text) {
            Ok(identity) => panic!("{text:?} became {identity:?}"),
            Err(error) => assert_eq!(kind(&error), want, "{text:?}: {error}"),
        }
    }
}

#[test]
fn an_error_points_at_the_byte_of_the_whole_text_and_names_the_section() {
    let long = format!("spiffe://{}/a", "a".repeat(256));
    for (text, offset, section) in [
        ("", 0, "SPIFFE-ID 2"),
        ("spiffe:/demo.local", 8, "SPIFFE-ID 2"),
        ("spiffE://demo.local", 5, "SPIFFE-ID 2"),
        ("spiffe", 6, "SPIFFE-ID 2"),
        ("spiffe:///a", 9, "SPIFFE-ID 2.1"),
        ("spiffe://demo.Local/a", 14, "SPIFFE-ID 2.1"),
        ("spiffe://d\u{e9}mo/a", 10, "SPIFFE-ID 2.1"),
        (&long, 264, "SPIFFE-ID 2.3"),
        ("spiffe://demo.local/ns/s%68op", 24, "SPIFFE-ID 2.2"),
        ("spiffe://demo.local/ns/\u{e9}", 23, "SPIFFE-ID 2.2"),
        ("spiffe://demo.local/ns//sa", 23, "SPIFFE-ID 2.2"),
        ("spiffe://demo.local/ns/..", 23, "SPIFFE-ID 2.2"),
        ("spiffe://demo.local/ns/", 23, "SPIFFE-ID 2.2"),
    ] {
        let error = SpiffeId::parse(text).unwrap_err();
        assert_eq!((error.offset(), error.section()), (offset, section), "{text:?}: {error}");
        assert!(error.to_string().contains(&offset.to_string()), "{error}");
    }
}

// Conforms: SPIFFE-ID 2.3 support, SPIFFE-ID 2.3 generate
#[test]
fn an_identity_has_at_most_2048_bytes() {
    let prefix = "spiffe://demo.local/";
    let longest = format!("{prefix}{}", "a".repeat(2048 - prefix.len()));
    assert_eq!(SpiffeId::parse(&longest).unwrap().as_str(), longest);
    let error = SpiffeId::parse(&format!("{longest}a")).unwrap_err();
    assert_eq!(error, SpiffeIdError::TooLong { length: 2049, offset: 2048 });
}

// Conforms: SPIFFE-ID 2.4 one-spelling
#[test]
fn an_identity_has_one_spelling() {
    for text in
        ["SPIFFE://demo.local/a", "Spiffe://demo.local/a", "spiffe://DEMO.local/a", "spiffe://demo.locaL/a"]
    {
        assert!(SpiffeId::parse(text).is_err(), "{text}");
    }
}

// Conforms: SPIFFE-ID 2.4 path-case
#[test]
fn paths_differ_by_case() {
    assert_ne!(SpiffeId::parse("spiffe://demo.local/a"), SpiffeId::parse("spiffe://demo.local/A"));
}

#[test]
fn a_service_account_is_read_back_from_the_identity_minted_for_it() {
    let identity = SpiffeId::for_service_account(&demo(), "shop", "web.v-1").unwrap();
    assert_eq!(identity.as_str(), "spiffe://demo.local/ns/shop/sa/web.v-1");
    assert_eq!(identity.service_account(), Some(ServiceAccount { namespace: "shop", name: "web.v-1" }));
}

#[test]
fn other_paths_are_no_service_account() {
    for path in ["", "/ns/shop", "/ns/shop/sa", "/ns/shop/sa/web/x", "/x/ns/shop/sa/web", "/ns/a/b/sa/web"] {
        let identity = SpiffeId::parse(&format!("spiffe://demo.local{path}")).unwrap();
        assert_eq!(identity.service_account(), None, "{path}");
    }
}

// A namespace or a name must never add a segment (A9, C2).
#[test]
fn names_that_are_not_kubernetes_names_mint_nothing() {
    let long = "a".repeat(254);
    for name in
        ["", "a/b", "a/sa/b", "..", ".", "-a", "a-", ".a", "A", "a_b", "a%2fb", "a b", "\u{e9}", &long]
    {
        let as_name = SpiffeId::for_service_account(&demo(), "shop", name);
        let as_namespace = SpiffeId::for_service_account(&demo(), name, "web");
        for result in [as_name, as_namespace] {
            assert_eq!(result, Err(SpiffeIdError::Name { name: name.to_owned() }));
        }
    }
    assert!(SpiffeId::for_service_account(&demo(), &long[1..], "a").is_ok());
}

#[test]
fn exactly_the_control_planes_identity_is_reserved_in_every_trust_domain() {
    assert!(SpiffeId::control_plane(&demo()).is_reserved());
    assert!(SpiffeId::for_service_account(&demo(), "kith", "kith-control-plane").unwrap().is_reserved());
    assert!(SpiffeId::parse("spiffe://other.example/ns/kith/sa/kith-control-plane").unwrap().is_reserved());
    for path in ["/ns/kith/sa/kith-control-plane2", "/ns/shop/sa/kith-control-plane", "/ns/kith/sa/web"] {
        assert!(!SpiffeId::parse(&format!("spiffe://demo.local{path}")).unwrap().is_reserved(), "{path}");
    }
}

#[test]
fn the_reserved_identity_is_one_that_the_parser_accepts() {
    let reserved = SpiffeId::control_plane(&demo());
    assert_eq!(SpiffeId::parse(reserved.as_str()), Ok(reserved));
}

proptest! {
    /// And what an error points at is a byte of the text, or the end of it.
    #[test]
    fn parsing_never_panics(text in ".{0,300}", path in "[a-z%/.\u{e9}]{0,20}") {
        for text in [&text, &format!("spiffe://{text}"), &format!("spiffe://a/{path}")] {
            if let Err(error) = SpiffeId::parse(text) {
                prop_assert!(error.offset() <= text.len());
            }
        }
    }

    /// Whatever is accepted has the standard's alphabet, reads back the same and is split without loss.
    #[test]
    fn what_is_accepted_is_canonical(text in "spiffe://[a-zA-Z0-9._%:@-]{0,8}(/[a-zA-Z0-9._%?#-]{0,4}){0,4}") {
        if let Ok(identity) = SpiffeId::parse(&text) {
            prop_assert_eq!(identity.as_str(), &text);
            prop_assert_eq!(format!("spiffe://{}{}", identity.trust_domain(), identity.path()), text);
            prop_assert!(!identity.as_str()["spiffe://".len()..].contains(['%', '?', '#', ':', '@']));
            prop_assert!(!identity.path().ends_with('/'));
            prop_assert_eq!(SpiffeId::parse(identity.as_str()), Ok(identity));
        }
    }

    #[test]
    fn every_valid_identity_is_accepted(
        domain in "[a-z0-9._-]{1,40}",
        segments in proptest::collection::vec("[a-zA-Z0-9_-][a-zA-Z0-9._-]{0,12}", 0..6),
    ) {
        let path: String = segments.iter().flat_map(|segment| ["/", segment]).collect();
        let text = format!("spiffe://{domain}{path}");
        let identity = SpiffeId::parse(&text).unwrap();
        prop_assert_eq!((identity.trust_domain().as_str(), identity.path()), (&*domain, &*path));
    }
}
