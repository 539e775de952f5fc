//! A suggestion allows the call that it was made for, and no other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use kith_identity::SpiffeId;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::{Carries, NoSuggestion, Place, Port, allow};
use crate::compile::PathTemplate;
use crate::document::{self, AuthorizationPolicy};
use crate::tests::support::{REVISION, grpc, http, identity, own};
use crate::{Call, PolicySet, Quarantines, Request, Verdict, canonical_path, evaluate};

const PORT: u16 = 8080;

fn spiffe(text: &str) -> SpiffeId {
    SpiffeId::parse(text).unwrap()
}

/// Where nothing stands in the way of a suggestion.
fn named() -> Place<'static> {
    static NONE: BTreeSet<&str> = BTreeSet::new();
    Place { port: Port::Named, carries: Carries::OpaqueOnly, taken: &NONE }
}

/// For a call to payments.
fn suggested(source: &SpiffeId, request: Request<'_>) -> Result<AuthorizationPolicy, NoSuggestion> {
    allow(&Call { source, destination: &identity("payments"), port: PORT, request }, &named())
}

/// As it comes back from the person who put it into a file.
fn in_force(policy: &AuthorizationPolicy) -> PolicySet {
    let read = document::parse("p.yaml", &policy.to_yaml()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(read.len(), 1);
    PolicySet::compile(&own(), &read, REVISION).unwrap()
}

fn allows(set: &PolicySet, source: &SpiffeId, port: u16, request: Request<'_>) -> bool {
    let call = Call { source, destination: &identity("payments"), port, request };
    evaluate(set, &Quarantines::default(), &call, SystemTime::UNIX_EPOCH).is_allow()
}

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

#[test]
fn an_http_call_gets_its_method_and_its_path_from_its_source_at_its_destination() {
    let policy = suggested(&identity("web"), http("POST", "/charge/7")).unwrap();
    insta::assert_snapshot!(policy.to_yaml(), @r#"
    apiVersion: kith.dev/v1alpha1
    kind: AuthorizationPolicy
    metadata:
      name: allow-web-to-payments
      namespace: demo
    spec:
      targetRefs:
      - kind: ServiceAccount
        name: payments
      action: ALLOW
      rules:
      - sources:
        - type: ServiceAccount
          serviceAccount:
            namespace: demo
            name: web
        networkAttributes:
          ports: [8080]
        operations:
        - http:
            methods: [POST]
            paths: ["/charge/7"]
    "#);
    let labels = BTreeMap::new();
    assert!(policy.targets.selects("demo", "payments", &labels));
    assert!(!policy.targets.selects("demo", "orders", &labels));
    assert!(!policy.targets.selects("ops", "payments", &labels));
}

#[test]
fn a_grpc_call_gets_its_service_and_method() {
    let policy = suggested(&identity("web"), grpc("/pay.v1.Charges/Create")).unwrap();
    let text = policy.to_yaml();
    assert!(
        text.ends_with("    - grpc:\n        service: pay.v1.Charges\n        methods: [Create]\n"),
        "{text}"
    );
    let set = in_force(&policy);
    assert!(!allows(&set, &identity("web"), PORT, grpc("/pay.v1.Charges/Refund")));
    assert!(!allows(&set, &identity("web"), PORT, http("POST", "/pay.v1.Charges/Create")));
}

#[test]
fn a_call_that_does_not_say_it_is_grpc_gets_its_method_and_path() {
    // A gRPC rule would not allow it.
    let request = http("POST", "/pay.v1.Charges/Create");
    let policy = suggested(&identity("web"), request).unwrap();
    assert!(allows(&in_force(&policy), &identity("web"), PORT, request), "{}", policy.to_yaml());
}

#[test]
fn what_calls_itself_grpc_but_is_not_gets_its_method_and_path() {
    for (method, path) in [("GET", "/a.B/M"), ("POST", "/a.B/M/x"), ("POST", "/a-b/M"), ("POST", "/health")] {
        let request = Request::Http { method, path, grpc: true };
        let policy = suggested(&identity("web"), request).unwrap();
        assert!(policy.to_yaml().contains("    - http:\n"), "{method} {path}");
        assert!(allows(&in_force(&policy), &identity("web"), PORT, request), "{method} {path}");
    }
}

#[test]
fn an_opaque_call_gets_its_port_where_nothing_else_comes_there() {
    let policy = suggested(&identity("web"), Request::Opaque).unwrap();
    assert!(policy.to_yaml().ends_with("    networkAttributes:\n      ports: [8080]\n"));
    // The same rule lets in every HTTP call, where they are told apart.
    assert!(allows(&in_force(&policy), &identity("web"), PORT, http("DELETE", "/all")));
    let (source, destination) = (identity("web"), identity("payments"));
    let call = |request| Call { source: &source, destination: &destination, port: PORT, request };
    for port in [Port::Named, Port::Only] {
        let mixed = Place { port, carries: Carries::Anything, ..named() };
        let because = allow(&call(Request::Opaque), &mixed).unwrap_err();
        let told = because.to_string();
        assert!(told.contains("would allow every call of spiffe://") && told.contains("/sa/web;"), "{told}");
        assert!(told.contains("declare protocol: tcp for spiffe://"), "{told}");
        assert!(allow(&call(http("GET", "/")), &mixed).is_ok());
    }
}

#[test]
fn a_name_that_is_taken_gets_the_first_number_that_is_not() {
    let (source, destination) = (identity("web"), identity("payments"));
    let call = Call { source: &source, destination: &destination, port: PORT, request: http("GET", "/") };
    let plain = "allow-web-to-payments";
    let (two, three) = (format!("{plain}-2"), format!("{plain}-3"));
    let name = |taken: &[&str]| {
        let taken = taken.iter().copied().collect();
        allow(&call, &Place { taken: &taken, ..named() }).unwrap().name.to_string()
    };
    assert_eq!(name(&["allow-web-to-orders", &two]), plain);
    assert_eq!(name(&[plain]), two);
    assert_eq!(name(&[plain, &two]), three);
    assert_eq!(name(&[plain, &three]), two);
}

#[test]
fn a_source_is_named_in_full_unless_it_is_a_service_account_of_our_own() {
    let named = |source| suggested(&spiffe(source), Request::Opaque).unwrap().to_yaml();
    assert!(named("spiffe://demo.local/ns/ops/sa/web").contains("type: ServiceAccount"));
    for source in [
        "spiffe://far.example/ns/ops/sa/web",
        "spiffe://demo.local/ns/ops/sa/Web",
        "spiffe://demo.local/ns/ops/sa/web/x",
        "spiffe://demo.local",
    ] {
        assert!(named(source).contains(&format!("spiffe: \"{source}\"")), "{source}");
    }
}

#[test]
fn a_path_that_a_template_would_read_otherwise_has_no_suggestion() {
    for path in
        ["/orders/{id}", "/a/**", "/a*", "/{", "/a\"b", "/a|b", "/<a>", "/[a]", "/a^b", "/`a`", "/a.+"]
    {
        let because = suggested(&identity("web"), http("GET", path)).unwrap_err();
        assert_eq!(because, NoSuggestion::Path { path: path.to_owned() });
    }
    let star = suggested(&identity("web"), http("OPTIONS", "*")).unwrap_err();
    assert!(star.to_string().starts_with("no path template matches \"*\" and nothing else"), "{star}");
}

#[test]
fn an_encoded_brace_is_a_text_like_any_other() {
    let policy = suggested(&identity("web"), http("GET", "/orders/%7bid%7D")).unwrap();
    let set = in_force(&policy);
    assert!(policy.to_yaml().contains("paths: [\"/orders/%7Bid%7D\"]"));
    assert!(allows(&set, &identity("web"), PORT, http("GET", "/orders/%7Bid%7D")));
    assert!(!allows(&set, &identity("web"), PORT, http("GET", "/orders/7")));
    assert!(!allows(&set, &identity("web"), PORT, http("GET", "/orders/{id}")));
}

#[test]
fn what_no_rule_can_name_has_no_suggestion_and_a_reason() {
    let told = |source: &SpiffeId, destination: &SpiffeId, port, request| {
        allow(&Call { source, destination, port, request }, &named()).unwrap_err().to_string()
    };
    let web = identity("web");
    let rows = [
        (told(&web, &web, PORT, http("GET", "/a/../b")), "the path can be read in more than one way"),
        (told(&web, &web, PORT, grpc("/a.B/%4d")), "a gRPC path must not need decoding"),
        (told(&web, &web, PORT, http("get", "/")), "no rule can name the method \"get\""),
        (told(&web, &web, 0, Request::Opaque), "no rule can name the port 0"),
        (
            told(&web, &spiffe("spiffe://demo.local/vm/7"), PORT, Request::Opaque),
            "no policy can target spiffe://",
        ),
        (told(&web, &spiffe("spiffe://demo.local/ns/a/sa/B"), PORT, Request::Opaque), "no policy can target"),
    ];
    for (told, expected) in rows {
        assert!(told.contains(expected), "{told}");
    }
}

#[test]
fn a_reason_is_of_bounded_length() {
    for request in [http("GET", &format!("/{}", "{".repeat(8000))), http(&"x".repeat(8000), "/")] {
        assert!(suggested(&identity("web"), request).unwrap_err().to_string().len() < 500);
    }
}

#[test]
fn the_name_of_a_suggestion_is_always_a_name() {
    let named = |source: &str, destination: &str| {
        let destination = format!("spiffe://demo.local/ns/demo/sa/{destination}");
        let (source, destination) = (spiffe(source), spiffe(&destination));
        let call = Call { source: &source, destination: &destination, port: 1, request: Request::Opaque };
        allow(&call, &named()).unwrap().name.to_string()
    };
    assert_eq!(named("spiffe://demo.local/ns/ops/sa/web", "payments"), "allow-web-to-payments");
    assert_eq!(named("spiffe://far.example/x/Web_1", "pay.v1"), "allow-web-1-to-pay-v1");
    assert_eq!(named("spiffe://far.example", "a"), "allow-far-example-to-a");
    assert_eq!(named("spiffe://far.example/---", "a"), "allow-----to-a");
    let (long, dashed) = ("a".repeat(253), format!("{}-{}", "b".repeat(109), "b".repeat(60)));
    let name = named(&format!("spiffe://demo.local/ns/demo/sa/{long}"), &dashed);
    assert_eq!(name, format!("allow-{}-to-{}", "a".repeat(110), "b".repeat(109)));
}

#[test]
fn a_suggestion_beside_what_refused_the_call_lets_it_pass() {
    let refusing = crate::tests::support::parse(&crate::tests::support::yaml(
        "strict",
        r#"{ rules: [{ sources: [{ type: ServiceAccount, serviceAccount: { name: orders } }] }] }"#,
    ));
    let web = identity("web");
    let policy = suggested(&web, http("GET", "/a")).unwrap();
    let both = PolicySet::compile(&own(), &[refusing[0].clone(), policy], REVISION).unwrap();
    let call =
        Call { source: &web, destination: &identity("payments"), port: PORT, request: http("GET", "/a") };
    let verdict = evaluate(&both, &Quarantines::default(), &call, SystemTime::UNIX_EPOCH);
    let Verdict::Allow { by } = verdict else { panic!("{verdict:?}") };
    assert_eq!((by.policy(), by.rule()), ("demo/allow-web-to-payments", "rule-1"));
}

#[test]
fn the_only_port_of_a_workload_is_not_named() {
    let (source, destination) = (identity("web"), identity("payments"));
    let request = Request::Http { method: "GET", path: "/", grpc: false };
    let call = |port| Call { source: &source, destination: &destination, port, request };
    let only = Place { port: Port::Only, ..named() };
    assert!(allow(&call(PORT), &named()).unwrap().to_yaml().contains("ports"));
    assert!(!allow(&call(PORT), &only).unwrap().to_yaml().contains("ports"));
    assert_eq!(allow(&call(1), &only), allow(&call(2), &only));
}
