//! What goes over the wire comes back as it was, and what could not have been sent is refused.

use kith_policy::document::{
    Action, AuthorizationPolicy, GrpcMethod, GrpcOperation, GrpcService, HttpOperation, Method, Name,
    OneOrMore, Operation, Rule, RuleName, Source, Targets,
};
use kith_policy::{At, Origin, PathTemplate};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use prost::Message;

use super::{policy_from_wire, policy_to_wire};
use crate::v1;

fn name() -> impl Strategy<Value = Name> {
    "[a-z0-9]{1,8}".prop_map(|text| Name::parse(&text).unwrap())
}

fn source() -> impl Strategy<Value = Source> {
    prop_oneof![
        (name(), name()).prop_map(|(namespace, name)| Source::ServiceAccount { namespace, name }),
        name().prop_map(|namespace| Source::AnyServiceAccount { namespace }),
        "spiffe://[a-z]{1,8}/[a-zA-Z]{1,8}".prop_map(|text| Source::Spiffe(text.parse().unwrap())),
    ]
}

fn some<T: std::fmt::Debug>(value: impl Strategy<Value = T>) -> impl Strategy<Value = Option<OneOrMore<T>>> {
    option::of(vec(value, 1..4).prop_map(|values| OneOrMore::new(values).unwrap()))
}

fn operation() -> impl Strategy<Value = Operation> {
    let methods = some("[A-Z]{1,8}".prop_map(|text| Method::parse(&text).unwrap()));
    let paths = select(&["/", "/a/{id}", "/a/**", "/x%20y/"][..]);
    let paths = some(paths.prop_map(|text| PathTemplate::parse(text).unwrap()));
    let service = "[a-z]{1,4}\\.[A-Z][a-z]{0,4}".prop_map(|text| GrpcService::parse(&text).unwrap());
    let grpc_methods = some("[A-Z][a-z]{0,6}".prop_map(|text| GrpcMethod::parse(&text).unwrap()));
    prop_oneof![
        (methods, paths).prop_map(|(methods, paths)| Operation::Http(HttpOperation { methods, paths })),
        (service, grpc_methods)
            .prop_map(|(service, methods)| Operation::Grpc(GrpcOperation { service, methods })),
    ]
}

fn origin() -> impl Strategy<Value = Option<Origin>> {
    let line = (1..=u32::MAX, any::<u32>(), "\\PC{0,20}").prop_map(|(line, column, text)| At::Line {
        line,
        column,
        text: text.into(),
    });
    let field = "\\PC{0,20}".prop_map(|field| At::Field(field.into()));
    option::of(
        ("\\PC{0,8}", prop_oneof![line, field]).prop_map(|(file, at)| Origin { file: file.into(), at }),
    )
}

fn rule() -> impl Strategy<Value = Rule> {
    let name = "[a-zA-Z0-9._-]{1,63}".prop_map(|text| RuleName::parse(&text).unwrap());
    (name, option::of(vec(source(), 0..4)), some(1..=u16::MAX), some(operation()), origin()).prop_map(
        |(name, sources, ports, operations, origin)| Rule { name, sources, ports, operations, origin },
    )
}

fn policy() -> impl Strategy<Value = AuthorizationPolicy> {
    let action = select(&[Action::Allow, Action::Deny][..]);
    (name(), name(), action, vec(rule(), 0..4), origin()).prop_map(
        |(namespace, name, action, rules, origin)| {
            let targets = Targets::namespace(namespace.clone());
            AuthorizationPolicy { namespace, name, targets, action, rules, origin }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_policy_comes_back_as_it_was_sent(policy in policy()) {
        let bytes = policy_to_wire(&policy).encode_to_vec();
        let received = v1::Policy::decode(&bytes[..]).unwrap();
        prop_assert_eq!(policy_from_wire(&received), Ok(policy));
    }

    #[test]
    fn no_bytes_make_the_conversion_panic(bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(policy) = v1::Policy::decode(&bytes[..]) {
            let _ = policy_from_wire(&policy);
        }
    }
}

/// A policy that is fine, for a test to spoil.
fn valid() -> v1::Policy {
    v1::Policy {
        namespace: "demo".to_owned(),
        name: "callers".to_owned(),
        action: v1::Action::Allow.into(),
        rules: vec![v1::Rule { name: "rule-1".to_owned(), ..v1::Rule::default() }],
        origin: None,
    }
}

fn refusal(spoil: impl Fn(&mut v1::Policy)) -> String {
    let mut policy = valid();
    assert!(policy_from_wire(&policy).is_ok());
    spoil(&mut policy);
    policy_from_wire(&policy).unwrap_err().to_string()
}

#[test]
fn what_could_not_have_been_written_is_refused_with_its_field() {
    let rule = |spoil: fn(&mut v1::Rule)| refusal(|policy| spoil(&mut policy.rules[0]));
    let operation = |kind: Option<v1::operation::Kind>| {
        refusal(|policy| {
            let any_of = vec![v1::Operation { kind: kind.clone() }];
            policy.rules[0].operations = Some(v1::Operations { any_of });
        })
    };
    let http = |methods: &[&str], paths: &[&str]| {
        let strings =
            |texts: &[&str]| v1::Strings { any_of: texts.iter().map(ToString::to_string).collect() };
        let (methods, paths) = (Some(strings(methods)), Some(strings(paths)));
        Some(v1::operation::Kind::Http(v1::HttpOperation { methods, paths }))
    };
    let rows = [
        (refusal(|policy| policy.action = 0), ".action: is unknown: 0"),
        (refusal(|policy| policy.action = 7), ".action: is unknown: 7"),
        (refusal(|policy| policy.name = "a/b".to_owned()), ".name: \"a/b\" is not a name"),
        (refusal(|policy| policy.namespace = String::new()), ".namespace: \"\" is not a name"),
        (rule(|rule| rule.name = String::new()), ".rules[0].name: \"\" is not a rule's name"),
        (rule(|rule| rule.ports = Some(v1::Ports::default())), ".rules[0].ports: is present and empty"),
        (rule(|rule| rule.ports = Some(v1::Ports { any_of: vec![80, 0] })), ".ports[1]: is not a port"),
        (rule(|rule| rule.ports = Some(v1::Ports { any_of: vec![65_616] })), ".ports[0]: is not a port"),
        (rule(|rule| rule.operations = Some(v1::Operations::default())), ".operations: is present and empty"),
        // A kind that a newer sender knows: dropped, it would widen an ALLOW rule's list or empty a DENY's.
        (
            rule(|rule| rule.sources = Some(v1::Sources { any_of: vec![v1::Source { kind: None }] })),
            ".sources[0]: is of a kind that is not known here",
        ),
        (operation(None), ".operations[0]: is of a kind that is not known here"),
        (operation(http(&[], &["/a"])), ".operations[0].methods: is present and empty"),
        (operation(http(&["GET"], &[])), ".operations[0].paths: is present and empty"),
        (operation(http(&["get"], &["/a"])), ".operations[0].methods[0]: \"get\" is not upper case"),
        (operation(http(&["GET"], &["/a", "/b*"])), ".operations[0].paths[1]: '*' may only stand"),
    ];
    for (error, expected) in rows {
        assert!(error.starts_with("policies["), "{error}");
        assert!(error.contains(expected), "{error} should contain {expected}");
    }
}

#[test]
fn a_list_of_sources_that_is_present_and_empty_still_matches_nobody() {
    // P42: proto3 must not turn "nobody" into "anybody".
    let mut sent = policy_from_wire(&valid()).unwrap();
    sent.rules[0].sources = Some(Vec::new());
    let bytes = policy_to_wire(&sent).encode_to_vec();
    let received = policy_from_wire(&v1::Policy::decode(&bytes[..]).unwrap()).unwrap();
    assert!(received.rules[0].matches_nothing());
}
