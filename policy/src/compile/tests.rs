//! What does not make a set, and what a set knows of itself.

use super::{CompileError, PolicySet};
use crate::AuthorizationPolicy;
use crate::document::Action;
use crate::tests::support::{REVISION, decide, identity, own, parse, set, yaml};
use crate::{Request, Revision};

fn refusal(policies: &[AuthorizationPolicy]) -> CompileError {
    PolicySet::compile(&own(), policies, REVISION).unwrap_err()
}

fn policy(spec: &str) -> AuthorizationPolicy {
    parse(&yaml("a", spec)).remove(0)
}

#[test]
fn two_policies_of_one_name_are_refused_with_both_places() {
    let error = refusal(&[policy("{}"), policy("{ rules: [{}] }")]);
    assert_eq!(
        error.to_string(),
        "the policy demo/a is defined twice, at p.yaml:2 and at p.yaml:2; give one of them another name"
    );
}

#[test]
fn two_rules_of_one_name_are_refused() {
    // The document refuses it too; this is what came over the wire.
    let mut twice = policy("{ rules: [{}, {}] }");
    twice.rules[1].name = twice.rules[0].name.clone();
    assert!(matches!(refusal(&[twice]), CompileError::DuplicateRule { .. }));
}

#[test]
fn a_deny_that_denies_nothing_is_refused() {
    // P42, for what came over the wire.
    for spec in ["{}", "{ rules: [{}, { sources: [] }] }"] {
        let mut empty = policy(spec);
        empty.action = Action::Deny;
        assert!(matches!(refusal(&[empty]), CompileError::DeniesNothing { .. }), "{spec}");
    }
}

#[test]
fn one_policy_that_cannot_be_compiled_refuses_the_whole_set() {
    // P41
    let mut empty = parse(&yaml("b", "{}")).remove(0);
    empty.action = Action::Deny;
    assert!(matches!(refusal(&[policy("{ rules: [{}] }"), empty]), CompileError::DeniesNothing { .. }));
}

#[test]
fn a_set_knows_its_revision_and_its_path_rules() {
    let set = set(&[
        "{ action: DENY, rules: [{ networkAttributes: { ports: [81] }, operations: [{ http: { paths: [/a] } }] }] }",
        "{ rules: [{ networkAttributes: { ports: [82] }, operations: [{ grpc: { service: a.B } }] }] }",
        "{ rules: [{ networkAttributes: { ports: [83] }, operations: [{ http: { methods: [GET] } }] }] }",
    ]);
    assert_eq!(set.revision(), Some(Revision { epoch: 1, counter: 7 }));
    let with_paths: Vec<u16> = (80..85).filter(|port| set.has_path_rules(*port)).collect();
    assert_eq!(with_paths, [81, 82]);
}

#[test]
fn a_rule_is_found_among_ten_thousand_others() {
    let rule = |i| format!("{{ sources: [{{ type: ServiceAccount, serviceAccount: {{ name: s{i} }} }}] }},");
    let rules = |hundred| (hundred * 100..(hundred + 1) * 100).map(rule).collect::<String>();
    let specs: Vec<_> = (0..100).map(|hundred| format!("{{ rules: [{}] }}", rules(hundred))).collect();
    let set = set(&specs.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(decide(&set, &identity("s9999"), 80, Request::Opaque).is_allow());
    assert!(!decide(&set, &identity("s10000"), 80, Request::Opaque).is_allow());
}
