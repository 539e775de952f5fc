//! The language, its errors as people see them, and its limits.

use std::collections::BTreeMap;

use super::{
    Action, GrpcMethod, GrpcOperation, GrpcService, HttpOperation, Method, Name, OneOrMore, Operation,
    Source, parse,
};
use crate::compile::PathTemplate;
use crate::origin::{At, Origin};
use crate::tests::support;

const HEAD: &str = "\
apiVersion: kith.dev/v1alpha1
kind: AuthorizationPolicy
metadata: { name: callers, namespace: shop }
";

fn refusal(rest: &str) -> String {
    parse("policies/shop.yaml", &format!("{HEAD}{rest}")).unwrap_err().to_string()
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn some<T>(values: Vec<T>) -> Option<OneOrMore<T>> {
    OneOrMore::new(values)
}

#[test]
fn every_field_of_a_rule_becomes_a_typed_value() {
    let text = format!(
        "{HEAD}{}",
        r#"spec:
  action: DENY
  rules:
  - name: create-charge
    sources:
    - { type: ServiceAccount, serviceAccount: { namespace: web, name: checkout } }
    - { type: ServiceAccount, serviceAccount: { name: "*" } }
    - { type: SPIFFE, spiffe: "spiffe://partner.example/ns/pay/sa/settle" }
    networkAttributes: { ports: [8443, 8080] }
    operations:
    - http: { methods: [POST], paths: ["/charges", "/charges/{id}"] }
    - grpc: { service: payments.v1.Charges, methods: [Create] }
  - {}
"#
    );
    let [policy] = <[_; 1]>::try_from(parse("p.yaml", &text).unwrap()).unwrap();
    assert_eq!((policy.namespace, policy.name, policy.action), (name("shop"), name("callers"), Action::Deny));
    let [rule, any] = <[_; 2]>::try_from(policy.rules).unwrap();
    assert_eq!(rule.name.as_str(), "create-charge");
    assert_eq!(
        rule.sources.unwrap(),
        [
            Source::ServiceAccount { namespace: name("web"), name: name("checkout") },
            Source::AnyServiceAccount { namespace: name("shop") },
            Source::Spiffe("spiffe://partner.example/ns/pay/sa/settle".parse().unwrap()),
        ]
    );
    assert_eq!(rule.ports, some(vec![8443, 8080]));
    let path = |text| PathTemplate::parse(text).unwrap();
    let http = HttpOperation {
        methods: some(vec![Method::parse("POST").unwrap()]),
        paths: some(vec![path("/charges"), path("/charges/{id}")]),
    };
    let grpc = GrpcOperation {
        service: GrpcService::parse("payments.v1.Charges").unwrap(),
        methods: some(vec![GrpcMethod::parse("Create").unwrap()]),
    };
    assert_eq!(rule.operations, some(vec![Operation::Http(http), Operation::Grpc(grpc)]));
    let at = At::Line { line: 7, column: 5, text: "  - name: create-charge".into() };
    assert_eq!(rule.origin, Some(Origin { file: "p.yaml".into(), at }));
    // Named by its place, counted from 1; what it leaves out matches anything.
    assert_eq!(any.name.as_str(), "rule-2");
    assert_eq!((any.sources, any.ports, any.operations), (None, None, None));
}

#[test]
fn what_may_be_left_out_has_the_meaning_of_gep_3779() {
    let policies = support::parse(
        &[support::yaml("a", "{}"), support::yaml("b", "{ rules: [{ sources: [] }] }")].concat(),
    );
    assert_eq!(policies[0].action, Action::Allow);
    assert!(policies[0].rules.is_empty());
    assert!(policies[1].rules[0].matches_nothing());
}

#[test]
fn labels_and_annotations_are_read_as_maps_and_ignored() {
    let text = "apiVersion: kith.dev/v1alpha1\nkind: AuthorizationPolicy\n\
                metadata: { name: a, namespace: b, labels: { c: d }, annotations: { e/f: g } }\nspec: {}\n";
    assert_eq!(parse("p.yaml", text).unwrap().len(), 1);
    for labels in ["[c, d]", "c", "~", "{ c: [d] }"] {
        assert!(parse("p.yaml", &text.replace("{ c: d }", labels)).is_err(), "{labels}");
        assert!(parse("p.yaml", &text.replace("{ e/f: g }", labels)).is_err(), "{labels}");
    }
}

#[test]
fn targets_select_by_label_by_service_account_or_the_namespace() {
    let spec = |refs: &str| support::parse(&support::yaml("a", &format!("{{ {refs} }}"))).remove(0).targets;
    let labels =
        BTreeMap::from([("app".to_owned(), "payments".to_owned()), ("tier".to_owned(), "back".to_owned())]);
    let pod =
        |labels: &str| spec(&format!("targetRefs: [{{ kind: Pod, selector: {{ matchLabels: {labels} }} }}]"));
    let account = spec("targetRefs: [{ kind: ServiceAccount, name: payments }]");

    assert!(spec("").selects("demo", "any", &BTreeMap::new()));
    assert!(!spec("").selects("other", "any", &labels));
    assert!(pod("{ app: payments }").selects("demo", "any", &labels));
    assert!(!pod("{ app: payments, tier: front }").selects("demo", "any", &labels));
    assert!(!pod("{ app: payments }").selects("other", "any", &labels));
    assert!(account.selects("demo", "payments", &BTreeMap::new()));
    assert!(!account.selects("demo", "orders", &labels));
    assert!(!account.selects("other", "payments", &labels));
}

#[test]
fn a_target_of_another_kind_is_refused_with_what_is_supported() {
    for target in
        ["{ kind: Service, name: x }", "{ group: apps, kind: Pod, selector: { matchLabels: { a: b } } }"]
    {
        let error = refusal(&format!("spec: {{ targetRefs: [{target}] }}\n"));
        assert!(error.contains("is not supported"), "{error}");
    }
    assert!(refusal("spec: { targetRefs: [{ kind: Service, name: x }] }\n").contains("Pod, ServiceAccount"));
}

#[test]
fn what_would_widen_or_disarm_a_rule_by_accident_is_refused() {
    let rows = [
        // A field without a value is not a field left out.
        ("{ rules: [{ sources: }] }", "sources has no value"),
        ("{ rules: [~] }", "an entry of rules has no value"),
        ("{ rules: }", "rules has no value"),
        ("{ action: ~ }", "action has no value"),
        ("{ rules: [{ sources: [~] }] }", "an entry of sources has no value"),
        ("{ rules: [{ operations: [{ http: { methods: [~] } }] }] }", "an entry of methods has no value"),
        // Empty lists (P42).
        ("{ rules: [{ operations: [] }] }", "operations is empty"),
        ("{ rules: [{ operations: [{ http: { paths: [] } }] }] }", "paths is empty"),
        ("{ rules: [{ operations: [{ http: { methods: [] } }] }] }", "methods is empty"),
        ("{ rules: [{ operations: [{ grpc: { service: a.B, methods: [] } }] }] }", "methods is empty"),
        ("{ rules: [{ networkAttributes: { ports: [] } }] }", "ports is empty"),
        ("{ rules: [{ networkAttributes: {} }] }", "ports is missing"),
        ("{ targetRefs: [] }", "targetRefs is empty"),
        ("{ targetRefs: [{ kind: Pod, selector: { matchLabels: {} } }] }", "matchLabels is empty"),
        ("{ targetRefs: [{ kind: Pod }] }", "selected by a selector"),
        ("{ targetRefs: [{ kind: ServiceAccount }] }", "selected by a name"),
        // A DENY that denies nothing.
        ("{ action: DENY }", "a DENY policy without rules"),
        ("{ action: DENY, rules: [] }", "a DENY policy without rules"),
        ("{ action: DENY, rules: [{ sources: [] }] }", "this DENY rule denies nothing"),
        // One thing or the other.
        ("{ rules: [{ operations: [{}] }] }", "either http or grpc"),
        ("{ rules: [{ operations: [{ http: {}, grpc: { service: a.B } }] }] }", "two entries"),
        ("{ rules: [{ sources: [{ type: ServiceAccount }] }] }", "wants serviceAccount"),
        ("{ rules: [{ sources: [{ type: SPIFFE, serviceAccount: { name: a } }] }] }", "wants spiffe"),
        ("{ rules: [{ sources: [{ type: Namespace }] }] }", "\"Namespace\" is not supported"),
        ("{ rules: [{ sources: [{ type: SPIFFE, spiffe: \"/ns/x/sa/y\" }] }] }", "is no SPIFFE ID"), // F12
        (
            "{ rules: [{ sources: [{ type: ServiceAccount, serviceAccount: { name: A/b } }] }] }",
            "is not a name",
        ),
        // Values that could never match.
        ("{ rules: [{ operations: [{ http: { methods: [get] } }] }] }", "write GET"), // P50
        ("{ rules: [{ operations: [{ http: { methods: [\"*\"] } }] }] }", "is not an HTTP method"),
        ("{ rules: [{ operations: [{ grpc: { service: /a.B } }] }] }", "is not a gRPC service"),
        (
            "{ rules: [{ operations: [{ grpc: { service: a.B, methods: [\"*\"] } }] }] }",
            "is not a gRPC method",
        ),
        ("{ rules: [{ networkAttributes: { ports: [0] } }] }", "0 is not a port"),
        ("{ rules: [{ networkAttributes: { ports: [65536] } }] }", "wanted a port number"),
        ("{ rules: [{ networkAttributes: { ports: [http] } }] }", "wanted a port number"),
        ("{ rules: [{ name: \"a b\" }] }", "is not a rule's name"),
        ("{ rules: [{ name: a }, { name: a }] }", "already called a"),
        ("{ rules: [{ name: rule-2 }, {}] }", "already called rule-2"),
        // Of the language, and not of this version.
        ("{ mode: Shadow }", "the mode \"Shadow\" is not supported"),
        ("{ mode: enforce }", "did you mean \"Enforce\"?"),
        ("{ rules: [{ when: x }] }", "unknown field \"when\""),
    ];
    for (spec, expected) in rows {
        let error = refusal(&format!("spec: {spec}\n"));
        assert!(error.contains(expected), "{spec}: {error}");
        assert!(error.starts_with("policies/shop.yaml:4:"), "{spec}: {error}");
    }
}

#[test]
fn a_regular_expression_is_refused_with_a_hint_to_templates() {
    // P40: as a field, as Gateway API writes it, and as a text.
    for paths in [
        "regex: ^/a",
        "pathRegex: ^/a",
        "paths: [{ type: RegularExpression, value: x }]",
        "paths: [\"^/a.*\"]",
    ] {
        let error = refusal(&format!("spec: {{ rules: [{{ operations: [{{ http: {{ {paths} }} }}] }}] }}\n"));
        assert!(error.contains("path template"), "{error}");
    }
}

#[test]
fn a_document_of_another_kind_or_version_is_refused_and_not_skipped() {
    let text = |version: &str, kind: &str| format!("apiVersion: {version}\nkind: {kind}\ndata: {{}}\n");
    let error = |text: &str| parse("p.yaml", text).unwrap_err().to_string();
    assert!(error(&text("v1", "AuthorizationPolicy")).contains("supported: kith.dev/v1alpha1"));
    assert!(error(&text("kith.dev/v1alpha1", "ConfigMap")).contains("supported: AuthorizationPolicy"));
    assert!(error("kind: AuthorizationPolicy\n").contains("apiVersion is missing"));
    // A good document does not excuse a bad one after it.
    let second = format!("{HEAD}spec: {{}}\n---\n{}", text("kith.dev/v1alpha1", "Secret"));
    assert!(error(&second).starts_with("p.yaml:7:7:"), "{}", error(&second));
}

#[test]
fn a_file_may_hold_several_documents_or_none() {
    assert_eq!(parse("p.yaml", "").unwrap(), []);
    assert_eq!(parse("p.yaml", "---\n# nothing\n---\n").unwrap(), []);
    let two = support::parse(&[support::yaml("a", "{}"), support::yaml("b", "{}")].concat());
    assert_eq!(two.iter().map(|policy| policy.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let twice = [support::yaml("a", "{}"), support::yaml("a", "{}")].concat();
    let error = parse("p.yaml", &twice).unwrap_err().to_string();
    assert!(error.contains("the policy demo/a is already defined in line 2"), "{error}");
}

#[test]
fn abuse_of_yaml_meets_a_limit() {
    let rows = [
        ("spec: { action: &a ALLOW }\n".to_owned(), "anchors (&) and aliases (*)"),
        ("spec: { <<: { action: ALLOW } }\n".to_owned(), "merge keys"),
        ("spec: { action: !secret ALLOW }\n".to_owned(), "unsupported tag"),
        (format!("spec: {}\n", "[".repeat(100)), "recursion limit exceeded"),
        (format!("# {}\n", "x".repeat(1024 * 1024)), "more than 1 MiB"),
    ];
    for (rest, expected) in rows {
        let error = refusal(&rest);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn an_error_keeps_no_more_than_a_part_of_a_long_line() {
    let error = refusal(&format!("spec: {{ x: \"{}\" }}\n", "y".repeat(5000)));
    assert!(error.len() < 1500, "{}", error.len());
}

#[test]
fn an_unknown_field_is_shown_with_its_line_and_what_was_probably_meant() {
    insta::assert_snapshot!(refusal("spec:\n  rules:\n  - sourcs: []\n"), @r#"
    policies/shop.yaml:6:5: unknown field "sourcs"; did you mean "sources"?
     6 |   - sourcs: []
       |     ^
    "#);
    insta::assert_snapshot!(refusal("spec:\n  rules:\n  - whatever: []\n"), @r#"
    policies/shop.yaml:6:5: unknown field "whatever"; known here: name, sources, networkAttributes, operations
     6 |   - whatever: []
       |     ^
    "#);
}

#[test]
fn a_bad_word_is_shown_with_its_line_and_what_was_probably_meant() {
    insta::assert_snapshot!(refusal("spec:\n  action: allow\n"), @r#"
    policies/shop.yaml:5:11: the action "allow" is not supported; did you mean "ALLOW"?
     5 |   action: allow
       |           ^
    "#);
}

#[test]
fn a_key_written_twice_is_shown_where_it_is_repeated() {
    insta::assert_snapshot!(refusal("spec:\n  rules:\n  - name: x\n    name: y\n"), @r#"
    policies/shop.yaml:7:5: "name" is written twice
     7 |     name: y
       |     ^
    "#);
}

#[test]
fn a_value_of_the_wrong_type_is_shown_with_what_is_wanted() {
    insta::assert_snapshot!(refusal("spec:\n  rules: all\n"), @r"
    policies/shop.yaml:5:10: wanted a list here
     5 |   rules: all
       |          ^
    ");
}

#[test]
fn a_tab_is_shown_with_the_caret_below_it() {
    let error = refusal("spec:\n  rules:\n\t- name: x\n");
    assert_eq!(
        error,
        "policies/shop.yaml:6:2: tabs disallowed within this context (block indentation)\n \
         6 | \t- name: x\n   | \t^"
    );
}
