//! A suggestion allows the call that it was made for, and no other. Beside it, the same for calls that nobody thought of.

mod any_call;

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use kith_identity::SpiffeId;

use super::{Carries, NoSuggestion, Place, Port, allow};
use crate::document::{self, AuthorizationPolicy};
use crate::tests::support::{REVISION, grpc, http, identity, own};
use crate::{Call, PolicySet, Quarantines, Request, Verdict, evaluate};

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
