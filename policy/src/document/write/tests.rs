//! What is written is read back as the same policy, whatever it holds.

use std::collections::BTreeMap;

use kith_identity::SpiffeId;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::compile::PathTemplate;
use crate::document::{
    self, Action, AuthorizationPolicy, GrpcMethod, GrpcOperation, GrpcService, HttpOperation, Method, Name,
    OneOrMore, Operation, Rule, RuleName, Source, Target, Targets,
};

/// What readers of YAML take for something else, or stumble over.
const HOSTILE: [&str; 47] = [
    "",
    " ",
    " a",
    "a ",
    "y",
    "N",
    "no",
    "on",
    "Off",
    "true",
    "null",
    "Null",
    "NULL",
    "~",
    "0x1f",
    "0o17",
    "017",
    "1e3",
    "-1",
    ".5",
    ".inf",
    ".nan",
    "12:30:45",
    "2027-01-31",
    "-",
    "- a",
    "--- a",
    "...",
    "?",
    "? a",
    ":",
    "a: b",
    "a #b",
    "#a",
    "*alias",
    "&anchor",
    "!tag",
    "%",
    "@a",
    "`a`",
    "|",
    ">-",
    "[a, b]",
    "{id}",
    "'a'",
    "\"a\\\"",
    "<<",
];

/// Names as Kubernetes has them that a reader may take for something else.
const NAMES: [&str; 12] =
    ["y", "n", "no", "on", "null", "true", "0x1f", "1e3", "1.5", "12", "2027-01-31", "payments"];

fn name() -> impl Strategy<Value = Name> {
    prop_oneof![
        select(&NAMES[..]).prop_map(str::to_owned),
        "[a-z0-9]([a-z0-9.-]{0,8}[a-z0-9])?".prop_map(String::from),
    ]
    .prop_map(|text| Name::parse(&text).unwrap())
}

/// Any text at all, with what hurts more often than by chance.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => select(&HOSTILE[..]).prop_map(str::to_owned),
        1 => vec(select(&HOSTILE[..]), 2..4).prop_map(|texts| texts.concat()),
        1 => vec(any::<char>(), 0..8).prop_map(String::from_iter),
        1 => "[\\x00-\\x1f\\x7f\u{85}\u{a0}\u{2028}\u{202e}\u{feff}a]{1,4}",
    ]
}

/// Hostile texts, and arbitrary ones, as far as the language takes them for what is wanted.
fn accepted<T: std::fmt::Debug, E>(
    arbitrary: &'static str,
    parse: impl Fn(&str) -> Result<T, E> + 'static,
) -> impl Strategy<Value = T> {
    let hostile = select(&HOSTILE[..]).prop_map(str::to_owned);
    prop_oneof![hostile, arbitrary.prop_map(String::from)]
        .prop_filter_map("the language has no such text", move |text| parse(&text).ok())
}

fn one_or_more<T: std::fmt::Debug>(value: impl Strategy<Value = T>) -> impl Strategy<Value = OneOrMore<T>> {
    vec(value, 1..4).prop_map(|values| OneOrMore::new(values).unwrap())
}

fn source() -> impl Strategy<Value = Source> {
    let identity = "spiffe://[a-z0-9._-]{1,8}(/[A-Za-z0-9_-]{1,4}){0,3}";
    prop_oneof![
        (name(), name()).prop_map(|(namespace, name)| Source::ServiceAccount { namespace, name }),
        name().prop_map(|namespace| Source::AnyServiceAccount { namespace }),
        identity.prop_map(|text| Source::Spiffe(SpiffeId::parse(&text).unwrap())),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    let methods = one_or_more(accepted("[A-Z0-9!#$%&'*+.^_`|~-]{1,6}", Method::parse));
    let paths = one_or_more(accepted("/([a-z%!$&'(),+=:@.-]{1,4}/|\\{[a-z]\\}/|%2[ABD]/){0,4}(\\*\\*)?", {
        |text| PathTemplate::parse(text)
    }));
    let grpc_methods = one_or_more(accepted("[A-Za-z_][A-Za-z0-9_]{0,4}", GrpcMethod::parse));
    let service = accepted("[A-Za-z_]{1,4}(\\.[A-Za-z_]{1,4}){0,2}", GrpcService::parse);
    prop_oneof![
        (option::of(methods), option::of(paths))
            .prop_map(|(methods, paths)| Operation::Http(HttpOperation { methods, paths })),
        (service, option::of(grpc_methods))
            .prop_map(|(service, methods)| Operation::Grpc(GrpcOperation { service, methods })),
    ]
}

fn rule() -> impl Strategy<Value = Rule> {
    let name = accepted("rule-[1-3]|[A-Za-z0-9._-]{1,6}", RuleName::parse);
    let sources = option::of(vec(source(), 0..3));
    let ports = option::of(one_or_more(1..=u16::MAX));
    let operations = option::of(one_or_more(operation()));
    (name, sources, ports, operations).prop_map(|(name, sources, ports, operations)| Rule {
        name,
        sources,
        ports,
        operations,
        origin: None,
    })
}

fn targets() -> impl Strategy<Value = Option<Vec<Target>>> {
    let target = prop_oneof![
        btree_map(text(), text(), 1..4).prop_map(Target::Labels),
        name().prop_map(Target::ServiceAccount),
    ];
    option::of(vec(target, 1..4))
}

fn policy() -> impl Strategy<Value = AuthorizationPolicy> {
    let action = select(&[Action::Allow, Action::Deny][..]);
    (name(), name(), targets(), action, vec(rule(), 0..4)).prop_map(
        |(namespace, name, any_of, action, rules)| {
            let targets = Targets { namespace: namespace.clone(), any_of };
            AuthorizationPolicy { namespace, name, targets, action, rules, origin: None }
        },
    )
}

/// What the language refuses however it is written.
fn is_document(policy: &AuthorizationPolicy) -> bool {
    let mut names: Vec<&str> = policy.rules.iter().map(|rule| rule.name.as_str()).collect();
    names.sort_unstable();
    let unique = names.windows(2).all(|pair| pair[0] != pair[1]);
    let denies_nothing = policy.rules.is_empty() || policy.rules.iter().any(Rule::matches_nothing);
    unique && !(policy.action == Action::Deny && denies_nothing)
}

/// Reads exactly one policy, and forgets where.
fn read_back(text: &str) -> AuthorizationPolicy {
    let mut read = document::parse("p.yaml", text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(read.len(), 1, "{text}");
    placeless(read.remove(0))
}

/// As Kubernetes stores it.
fn stored(text: &str) -> serde_json::Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn placeless(mut policy: AuthorizationPolicy) -> AuthorizationPolicy {
    policy.origin = None;
    policy.rules.iter_mut().for_each(|rule| rule.origin = None);
    policy
}

fn with_label(key: &str, value: &str) -> AuthorizationPolicy {
    let namespace = Name::parse("demo").unwrap();
    let labels = BTreeMap::from([(key.to_owned(), value.to_owned())]);
    AuthorizationPolicy {
        targets: Targets { namespace: namespace.clone(), any_of: Some(vec![Target::Labels(labels)]) },
        name: namespace.clone(),
        namespace,
        action: Action::Allow,
        rules: Vec::new(),
        origin: None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_policy_is_read_back_as_it_was(policy in policy().prop_filter("a document", is_document)) {
        let text = policy.to_yaml();
        prop_assert!(text.bytes().all(|b| b == b'\n' || b == b' ' || b.is_ascii_graphic()), "{text}");
        prop_assert_eq!(read_back(&text), policy);
    }

    #[test]
    fn every_policy_is_the_same_in_an_object_as_in_a_file(policy in policy().prop_filter("a document", is_document)) {
        let object = stored(&policy.to_yaml());
        let read = document::object::parse(&object).unwrap_or_else(|error| panic!("{error}\n{object}"));
        prop_assert_eq!(placeless(read), policy);
    }

    #[test]
    fn two_policies_in_one_file_stay_two(
        (first, second) in (policy(), policy()).prop_filter("two documents", |(first, second)| {
            is_document(first) && is_document(second)
                && (&first.namespace, &first.name) != (&second.namespace, &second.name)
        }),
    ) {
        let text = format!("{}---\n{}", first.to_yaml(), second.to_yaml());
        let read = document::parse("p.yaml", &text).unwrap();
        let names: Vec<_> = read.iter().map(|policy| policy.name.clone()).collect();
        prop_assert_eq!(names, [first.name, second.name]);
    }
}

#[test]
fn each_hostile_text_is_read_back_as_key_and_as_value() {
    for text in HOSTILE {
        for policy in [with_label(text, "x"), with_label("x", text)] {
            let written = policy.to_yaml();
            assert_eq!(read_back(&written), policy, "{text:?}");
            // Our reader wants text and takes most of them for it; others, such as kubectl, would not.
            assert!(written.contains('"'), "{written}");
        }
    }
}

#[test]
fn a_key_too_long_for_one_line_is_read_back() {
    for length in [1000, 1022, 1023, 1024, 1025, 5000] {
        for key in ["k".repeat(length), "\"".repeat(length)] {
            let policy = with_label(&key, "x");
            assert_eq!(read_back(&policy.to_yaml()), policy, "{length}");
        }
    }
}

#[test]
fn it_reads_as_people_write_it() {
    let written = r#"apiVersion: kith.dev/v1alpha1
kind: AuthorizationPolicy
metadata:
  name: payments-callers
  namespace: shop
spec:
  targetRefs:
  - kind: Pod
    selector:
      matchLabels:
        app: payments
        enabled: "true"
  - kind: ServiceAccount
    name: payments
  action: ALLOW
  rules:
  - name: create-charge
    sources:
    - type: ServiceAccount
      serviceAccount:
        namespace: shop
        name: "*"
    - type: SPIFFE
      spiffe: "spiffe://partner.example/ns/pay/sa/settle"
    networkAttributes:
      ports: [8443, 8444]
    operations:
    - http:
        methods: [POST, PUT]
        paths: ["/charges", "/charges/{id}"]
    - http: {}
    - grpc:
        service: payments.v1.Charges
        methods: [Create]
  - {}
  - sources: []
"#;
    assert_eq!(read_back(written).to_yaml(), written);
}

#[test]
fn a_policy_without_rules_says_so() {
    let text = with_label("a", "b").to_yaml();
    assert!(text.ends_with("  action: ALLOW\n  rules: []\n"), "{text}");
}
