//! Calls that nobody thought of: each has a suggestion that allows it alone, or a reason why there is none.

use kith_identity::SpiffeId;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::{allow, allows, in_force, named, spiffe};
use crate::analysis::suggest::NoSuggestion;
use crate::compile::PathTemplate;
use crate::document::{self, AuthorizationPolicy};
use crate::tests::support::identity;
use crate::{Call, Request, canonical_path};

fn source() -> impl Strategy<Value = SpiffeId> {
    let known = select(
        &[
            "spiffe://demo.local/ns/demo/sa/web",
            "spiffe://demo.local/ns/ops/sa/web",
            "spiffe://demo.local/ns/null/sa/y",
            "spiffe://demo.local/ns/1e3/sa/0x1f",
            "spiffe://demo.local/ns/demo/sa/Web_1",
            "spiffe://demo.local/ns/demo/sa/web/x",
            "spiffe://demo.local",
            "spiffe://far.example/ns/demo/sa/web",
            "spiffe://far.example",
            "spiffe://null/---",
        ][..],
    );
    let any = "spiffe://(demo\\.local|[a-z._-]{1,6})(/ns/[a-z0-9._-]{1,6}/sa/[A-Za-z0-9_-]{1,6}|(/[A-Za-z0-9_-]{1,4}){0,4})";
    prop_oneof![
        known.prop_map(spiffe),
        any.prop_filter_map("an identity", |text| SpiffeId::parse(&text).ok())
    ]
}

fn method() -> impl Strategy<Value = String> {
    let known = select(
        &[
            "GET", "POST", "OPTIONS", "NULL", "Y", "!T", "*A", "&A", "#A", "%", "'", "`", "|", "~", "-",
            "get", "*",
        ][..],
    );
    prop_oneof![
        4 => known.prop_map(str::to_owned),
        1 => "[A-Z!#$%&'*+.^_`|~-]{1,6}",
        1 => "\\PC{0,4}",
        1 => Just("X".repeat(65)),
    ]
}

fn path() -> impl Strategy<Value = String> {
    let segment = select(
        &[
            "", "a", "charge", "7", "{id}", "{", "}", "*", "**", "%2F", "%2A", "%7Bid%7D", "%61", "%3a", ":",
            "a.B", "M", ".", "..", ".+", ";v", "'", "\"", "`", "|", "@", "!t", "&a", ",", "[x]", "#", "?",
            "~", "-", "%", "\n", "é", "null", "0x1f", "1e3", "a:b", "%C3%A9", "$x", "(a)", "=", "\\",
        ][..],
    );
    let segments = vec(vec(segment, 1..3).prop_map(|parts| parts.concat()), 1..4);
    prop_oneof![
        8 => segments.prop_map(|segments| format!("/{}", segments.join("/"))),
        1 => Just("*".to_owned()),
        1 => "\\PC{0,6}",
    ]
}

#[derive(Debug, Clone)]
struct Asked {
    source: SpiffeId,
    port: u16,
    /// None: opaque.
    http: Option<(String, String, bool)>,
}

impl Asked {
    fn request(&self) -> Request<'_> {
        match &self.http {
            Some((method, path, grpc)) => Request::Http { method, path, grpc: *grpc },
            None => Request::Opaque,
        }
    }

    /// The same request to every rule: one reading of the path, and the same method.
    fn is_same_request(&self, other: &Self) -> bool {
        match (&self.http, &other.http) {
            (Some((method, path, grpc)), Some((other_method, other_path, other_grpc))) => {
                let reading = |path| canonical_path(method, path).ok();
                (method, grpc) == (other_method, other_grpc) && reading(path) == reading(other_path)
            }
            (None, None) => true,
            _ => false,
        }
    }
}

fn asked() -> impl Strategy<Value = Asked> {
    let http = option::weighted(0.9, (method(), path(), any::<bool>()));
    (source(), 1..=u16::MAX, http).prop_map(|(source, port, http)| Asked { source, port, http })
}

fn suggested_for(asked: &Asked) -> Result<AuthorizationPolicy, NoSuggestion> {
    let (destination, request) = (identity("payments"), asked.request());
    allow(&Call { source: &asked.source, destination: &destination, port: asked.port, request }, &named())
}

/// So that each case is one of a suggestion.
fn suggestible() -> impl Strategy<Value = Asked> {
    asked().prop_filter("the call has a suggestion", |asked| suggested_for(asked).is_ok())
}

/// A call that differs from another in one thing, which `with` has.
fn differing(from: &Asked, with: &Asked, which: usize) -> Asked {
    let mut other = from.clone();
    match (which, &mut other.http, &with.http) {
        (0, _, _) => other.source = with.source.clone(),
        (1, _, _) => other.port = with.port,
        (2, Some((method, _, _)), Some((with, _, _))) => method.clone_from(with),
        (3, Some((_, path, _)), Some((_, with, _))) => path.clone_from(with),
        (4, Some((_, path, _)), _) => path.push_str("/x"),
        (5, Some((_, path, _)), _) => path.push('x'),
        (6, Some((_, path, _)), _) => path.push('/'),
        (7, Some((_, path, _)), _) => drop(path.pop()),
        (8, Some((_, path, _)), _) => *path = path.to_ascii_uppercase(),
        (9, Some((method, _, _)), _) => *method = method.to_ascii_lowercase(),
        (10, Some(_), _) => other.http = None,
        _ => {}
    }
    other
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_suggestion_allows_the_call_and_none_that_differs_in_anything(asked in suggestible(), with in asked()) {
        let policy = suggested_for(&asked).unwrap();
        let set = in_force(&policy);
        prop_assert!(allows(&set, &asked.source, asked.port, asked.request()), "{}", policy.to_yaml());
        for which in 0..=10 {
            let other = differing(&asked, &with, which);
            let is_other =
                other.source != asked.source || other.port != asked.port || !other.is_same_request(&asked);
            let is_allowed = allows(&set, &other.source, other.port, other.request());
            prop_assert!(!(is_other && is_allowed), "{other:?}\n{}", policy.to_yaml());
        }
    }

    #[test]
    fn there_is_none_only_where_the_language_has_no_words(asked in asked()) {
        let Err(because) = suggested_for(&asked) else { return Ok(()) };
        let Some((method, path, grpc)) = &asked.http else { panic!("an opaque call: {because}") };
        let reading = canonical_path(method, path);
        match because {
            NoSuggestion::AmbiguousPath { .. } => {
                prop_assert!(reading.as_ref().ok().is_none_or(|reading| *grpc && reading != path));
            }
            NoSuggestion::Method { .. } => prop_assert!(document::Method::parse(method).is_err()),
            NoSuggestion::Path { .. } => {
                let reading = reading.unwrap();
                let matches_more = reading.contains(['{', '*']);
                prop_assert!(matches_more || PathTemplate::parse(&reading).is_err(), "{path}");
            }
            NoSuggestion::Destination { .. } | NoSuggestion::Port { .. } | NoSuggestion::Unread { .. } => {
                panic!("{because}")
            }
        }
    }
}
