//! The full account of one call. That its verdict is `evaluate`'s is a property (`crate::tests::properties`).

use kith_identity::SpiffeId;

use super::{Check, Explanation, explain};
use crate::tests::support::{http, identity, set};
use crate::{Call, Denial, Field, PolicySet, Quarantines, Request, Truth, Verdict};

/// With nobody quarantined.
fn asked(set: &PolicySet, source: &SpiffeId, request: Request<'_>) -> Explanation {
    let call = Call { source, destination: &identity("callee"), port: 80, request };
    explain(set, &Quarantines::default(), &call)
}

fn check(field: Field, outcome: Truth, got: &str, wanted: &str) -> Check {
    Check { field, outcome, got: got.to_owned(), wanted: wanted.to_owned() }
}

#[test]
fn every_rule_is_accounted_for_field_by_field() {
    let set = set(&[
        r#"{ rules: [{ name: charge, sources: [{ type: ServiceAccount, serviceAccount: { name: "*" } }],
             networkAttributes: { ports: [80] }, operations: [{ http: { methods: [POST], paths: ["/c/{id}"] } },
                                                              { grpc: { service: a.B, methods: [M] } }] }] }"#,
        "{ action: DENY, rules: [{ networkAttributes: { ports: [81] } }, { operations: [{ http: { methods: [PUT] } }] }] }",
    ]);
    let source = identity("web");
    let explanation = asked(&set, &source, http("GET", "/c/7"));
    assert!(!explanation.verdict.is_allow());

    let told: Vec<_> = explanation
        .considered
        .iter()
        .map(|rule| (&*rule.policy, rule.action.as_str(), &*rule.rule, rule.matched))
        .collect();
    let expected = [
        ("demo/p2", "DENY", "rule-1", false),
        ("demo/p2", "DENY", "rule-2", false),
        ("demo/p1", "ALLOW", "charge", false),
    ];
    assert_eq!(told, expected);
    assert_eq!(
        explanation.considered[2].checks,
        [
            check(Field::Source, Truth::True, source.as_str(), "any service account in namespace demo"),
            check(Field::Port, Truth::True, "80", "80"),
            check(Field::Method, Truth::False, "GET", "POST"),
            check(Field::Path, Truth::True, "/c/7", "/c/{id}"),
        ]
    );
    assert_eq!(explanation.considered[2].origin.as_ref().unwrap().to_string(), "p.yaml:5");
}

#[test]
fn what_cannot_be_seen_is_unknown_and_matches_a_deny_only() {
    let rule = "rules: [{ operations: [{ grpc: { service: a.B, methods: [M] } }] }]";
    let set = set(&[&format!("{{ {rule} }}"), &format!("{{ action: DENY, {rule} }}")]);
    let source = identity("web");
    let explanation = asked(&set, &source, Request::Opaque);
    let checks = [
        check(Field::GrpcService, Truth::Unknown, "an opaque connection", "a.B"),
        check(Field::GrpcMethod, Truth::Unknown, "an opaque connection", "M"),
    ];
    let [deny, allow] = &explanation.considered[..] else { panic!("{explanation:?}") };
    assert!(deny.matched && !allow.matched);
    assert_eq!((&deny.checks[..], &allow.checks[..]), (&checks[..], &checks[..]));
}

#[test]
fn an_ambiguous_path_is_unknown_in_every_rule_that_asks_for_it() {
    let set = set(&["{ rules: [{ operations: [{ http: { paths: [/a] } }] }] }"]);
    let source = identity("web");
    let explanation = asked(&set, &source, http("GET", "//a"));
    assert_eq!(explanation.considered[0].checks, [check(Field::Path, Truth::Unknown, "//a", "/a")]);
}

#[test]
fn a_set_that_refuses_everything_considers_nothing() {
    let explanation = asked(&PolicySet::refuse_all("starting"), &identity("web"), Request::Opaque);
    assert!(!explanation.verdict.is_allow() && explanation.considered.is_empty());
}

#[test]
fn a_quarantined_call_shows_the_rules_that_were_not_asked() {
    let set = set(&["{ rules: [{ name: all }] }"]);
    let (source, destination) = (identity("web"), identity("callee"));
    let call = Call { source: &source, destination: &destination, port: 80, request: Request::Opaque };
    let explanation = explain(&set, &Quarantines::from_iter([destination.clone()]), &call);
    assert_eq!(
        explanation.verdict,
        Verdict::Deny { because: Denial::Quarantined { identity: destination.clone() } }
    );
    assert!(explanation.considered[0].matched, "the rule would have allowed it");
}

#[test]
fn the_nearest_miss_may_name_another_source_and_is_the_first_with_the_most_fields() {
    let rule = |name: &str, source: &str, method: &str| {
        format!(
            r#"{{ rules: [{{ name: {name}, sources: [{{ type: ServiceAccount, serviceAccount: {{ name: {source} }} }}],
                 operations: [{{ http: {{ methods: [{method}], paths: ["/c"] }} }}] }}] }}"#
        )
    };
    let deny = "{ action: DENY, rules: [{ operations: [{ http: { methods: [GET], paths: [/c/d] } }] }] }";
    let rules = [rule("far", "orders", "PUT"), rule("near", "wbe", "GET"), rule("equal", "orders", "GET")];
    let set = set(&[deny, &rules[0], &rules[1], &rules[2]]);
    let source = identity("web");
    let miss = asked(&set, &source, http("GET", "/c")).nearest_miss().unwrap();
    assert_eq!((miss.by.rule(), miss.field, miss.got.as_str()), ("near", Field::Source, source.as_str()));
    assert!(miss.wants.ends_with("/sa/wbe") && miss.origin.is_some(), "{miss}");
    // One that holds in full was not missed.
    assert_eq!(asked(&set, &identity("wbe"), http("GET", "/c")).nearest_miss().unwrap().by.rule(), "equal");
    assert_eq!(asked(&PolicySet::refuse_all("starting"), &source, http("GET", "/c")).nearest_miss(), None);
}
