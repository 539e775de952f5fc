//! What holds of every policy set and every call.

use std::time::SystemTime;

use kith_identity::SpiffeId;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::support::{REVISION, own};
use crate::compile::PathTemplate;
use crate::document::{
    Action, AuthorizationPolicy, GrpcMethod, GrpcOperation, GrpcService, HttpOperation, Method, Name,
    OneOrMore, Operation, Rule, RuleName, Source, Targets,
};
use crate::explain::{Considered, explain};
use crate::{
    Call, Denial, PolicySet, Quarantines, Request, Truth, UnprovenCall, Verdict, canonical_path,
    denial_of_unproven, document, evaluate,
};

// Few names, so that rules and calls meet.
const NAMES: [&str; 2] = ["web", "orders"];
const NAMESPACES: [&str; 2] = ["demo", "ops"];
const PORTS: [u16; 2] = [80, 81];
const METHODS: [&str; 2] = ["GET", "POST"];
const TEMPLATES: [&str; 6] = ["/a", "/a/{id}", "/a/**", "/**", "/a.B/M", "/a:b"];
const PATHS: [&str; 11] =
    ["/", "/a", "/%61", "/a/7", "/a/7/8", "/a.B/M", "/a.B/N", "/a%3ab", "//a", "/a/../b", "/a/%2e%2e"];

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn source() -> impl Strategy<Value = Source> {
    let account = |(namespace, account): (&str, &str)| Source::ServiceAccount {
        namespace: name(namespace),
        name: name(account),
    };
    prop_oneof![
        (select(&NAMESPACES[..]), select(&NAMES[..])).prop_map(account),
        select(&NAMESPACES[..])
            .prop_map(|namespace| Source::AnyServiceAccount { namespace: name(namespace) }),
        caller().prop_map(Source::Spiffe),
    ]
}

fn caller() -> impl Strategy<Value = SpiffeId> {
    let parts = (select(&["demo.local", "partner.example"][..]), select(&NAMESPACES[..]), select(&NAMES[..]));
    parts.prop_map(|(domain, namespace, name)| {
        format!("spiffe://{domain}/ns/{namespace}/sa/{name}").parse().unwrap()
    })
}

fn one_or_more<T: std::fmt::Debug>(value: impl Strategy<Value = T>) -> impl Strategy<Value = OneOrMore<T>> {
    vec(value, 1..3).prop_map(|values| OneOrMore::new(values).unwrap())
}

fn operation() -> impl Strategy<Value = Operation> {
    let methods = one_or_more(select(&METHODS[..]).prop_map(|text| Method::parse(text).unwrap()));
    let paths = one_or_more(select(&TEMPLATES[..]).prop_map(|text| PathTemplate::parse(text).unwrap()));
    let grpc_methods = one_or_more(select(&["M", "N"][..]).prop_map(|text| GrpcMethod::parse(text).unwrap()));
    prop_oneof![
        (option::of(methods), option::of(paths))
            .prop_map(|(methods, paths)| Operation::Http(HttpOperation { methods, paths })),
        option::of(grpc_methods).prop_map(|methods| {
            Operation::Grpc(GrpcOperation { service: GrpcService::parse("a.B").unwrap(), methods })
        }),
    ]
}

/// `fewest`: 0 lets a rule name nobody, which a DENY must not.
fn rule(fewest: usize) -> impl Strategy<Value = Rule> {
    let ports = one_or_more(select(&PORTS[..]));
    (option::of(vec(source(), fewest..3)), option::of(ports), option::of(one_or_more(operation()))).prop_map(
        |(sources, ports, operations)| Rule {
            name: RuleName::numbered(1),
            sources,
            ports,
            operations,
            origin: None,
        },
    )
}

fn policy(action: Action) -> impl Strategy<Value = AuthorizationPolicy> {
    let fewest = usize::from(action == Action::Deny);
    vec(rule(fewest), fewest..4).prop_map(move |rules| AuthorizationPolicy {
        namespace: name("demo"),
        name: name("unnamed"),
        targets: Targets::namespace(name("demo")),
        action,
        rules,
        origin: None,
    })
}

fn policies() -> impl Strategy<Value = Vec<AuthorizationPolicy>> {
    vec(prop_oneof![3 => policy(Action::Allow), 1 => policy(Action::Deny)], 0..5)
}

#[derive(Debug, Clone)]
struct Asked {
    source: SpiffeId,
    destination: SpiffeId,
    port: u16,
    /// None: opaque.
    http: Option<(&'static str, &'static str, bool)>,
}

impl Asked {
    fn call(&self) -> Call<'_> {
        let request = match self.http {
            Some((method, path, grpc)) => Request::Http { method, path, grpc },
            None => Request::Opaque,
        };
        Call { source: &self.source, destination: &self.destination, port: self.port, request }
    }

    /// Whether the request can be read in one way, on whichever port.
    fn is_readable(&self) -> bool {
        self.http.is_none_or(|(method, path, grpc)| {
            canonical_path(method, path).is_ok_and(|canonical| !grpc || canonical == path)
        })
    }
}

fn asked() -> impl Strategy<Value = Asked> {
    let http = option::weighted(0.8, (select(&METHODS[..]), select(&PATHS[..]), any::<bool>()));
    (caller(), caller(), select(&PORTS[..]), http).prop_map(|(source, destination, port, http)| Asked {
        source,
        destination,
        port,
        http,
    })
}

fn readable() -> impl Strategy<Value = Asked> {
    asked().prop_filter("the request has one reading", Asked::is_readable)
}

fn unreadable() -> impl Strategy<Value = Asked> {
    asked().prop_filter("the request has no single reading", |asked| !asked.is_readable())
}

/// Names policies and rules by their place, and compiles.
fn compile(mut policies: Vec<AuthorizationPolicy>) -> PolicySet {
    for (number, policy) in policies.iter_mut().enumerate() {
        policy.name = name(&format!("p{number}"));
        for (number, rule) in policy.rules.iter_mut().enumerate() {
            rule.name = RuleName::numbered(number + 1);
        }
    }
    PolicySet::compile(&own(), &policies, REVISION).unwrap()
}

fn verdict(policies: &[AuthorizationPolicy], asked: &Asked) -> Verdict {
    let set = compile(policies.to_vec());
    evaluate(&set, &Quarantines::default(), &asked.call(), SystemTime::UNIX_EPOCH)
}

fn allowed(policies: &[AuthorizationPolicy], asked: &Asked) -> bool {
    verdict(policies, asked).is_allow()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn adding_a_deny_never_widens(before in policies(), deny in policy(Action::Deny), at in 0_usize..6, asked in asked()) {
        // P43
        let mut after = before.clone();
        after.insert(at.min(before.len()), deny);
        prop_assert!(!allowed(&after, &asked) || allowed(&before, &asked));
    }

    #[test]
    fn removing_an_allow_never_widens(after in policies(), allow in policy(Action::Allow), asked in readable()) {
        // A path that has no single reading is refused because of the rules that look at paths; once the last of
        // them is gone, nothing depends on its reading.
        let mut before = after.clone();
        before.push(allow);
        prop_assert!(!allowed(&after, &asked) || allowed(&before, &asked));
    }

    #[test]
    fn what_refuses_a_caller_without_an_identity_is_what_refuses_one_that_no_rule_names(all in policies(), asked in asked()) {
        let stranger = Asked { source: SpiffeId::parse("spiffe://stranger.example/x").unwrap(), ..asked };
        let named = match verdict(&all, &stranger) {
            Verdict::Deny { because } if !matches!(because, Denial::Default { .. }) => Some(because),
            Verdict::Allow { .. } | Verdict::Deny { .. } => None,
        };
        let Call { destination, port, request, .. } = stranger.call();
        let call = UnprovenCall { destination, port, request };
        let unproven =
            denial_of_unproven(&compile(all), &Quarantines::default(), &call, SystemTime::UNIX_EPOCH);
        prop_assert_eq!(unproven, named);
    }

    #[test]
    fn a_path_without_a_single_reading_is_never_allowed_where_rules_look_at_paths(all in policies(), asked in unreadable()) {
        let ambiguous = matches!(verdict(&all, &asked), Verdict::Deny { because: Denial::AmbiguousPath { .. } });
        prop_assert_eq!(ambiguous, compile(all).has_path_rules(asked.port));
    }

    #[test]
    fn the_order_of_policies_and_rules_changes_no_answer(
        (ordered, shuffled) in policies().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        asked in asked(),
    ) {
        let mut reversed = shuffled;
        reversed.iter_mut().for_each(|policy| policy.rules.reverse());
        let code = |policies: &[AuthorizationPolicy]| match verdict(policies, &asked) {
            Verdict::Allow { .. } => "allow",
            Verdict::Deny { because } => because.code(),
        };
        prop_assert_eq!(code(&ordered), code(&reversed));
    }

    #[test]
    fn a_rule_without_sources_matches_nothing(all in policies(), mut nobody in rule(0), asked in asked()) {
        // P42. Its operations stay out of it: a rule that looks at paths makes ambiguous ones refused.
        (nobody.sources, nobody.operations) = (Some(Vec::new()), None);
        let mut with = all.clone();
        let empty = AuthorizationPolicy { rules: vec![nobody], ..policy_of_nobody() };
        with.push(empty);
        prop_assert_eq!(allowed(&with, &asked), allowed(&all, &asked));
    }

    #[test]
    fn what_cannot_be_seen_never_grants_and_never_hides_a_denial(all in policies(), asked in readable()) {
        // Whatever an opaque connection may carry is judged no milder than the same seen in the open.
        let opaque = Asked { http: None, ..asked.clone() };
        prop_assert!(!allowed(&all, &opaque) || allowed(&all, &asked));
    }

    #[test]
    fn a_quarantine_refuses_every_call_of_its_identity_and_touches_no_other(
        all in policies(), quarantined in vec(caller(), 0..6), asked in asked(),
    ) {
        let quarantines: Quarantines = quarantined.iter().cloned().collect();
        let set = compile(all);
        let decided = evaluate(&set, &quarantines, &asked.call(), SystemTime::UNIX_EPOCH);
        if quarantined.contains(&asked.source) || quarantined.contains(&asked.destination) {
            let is_quarantined = matches!(decided, Verdict::Deny { because: Denial::Quarantined { .. } });
            prop_assert!(is_quarantined);
        } else {
            let before = evaluate(&set, &Quarantines::default(), &asked.call(), SystemTime::UNIX_EPOCH);
            prop_assert_eq!(decided, before);
        }
    }

    #[test]
    fn an_explanation_has_the_verdict_of_the_decision(
        all in policies(), quarantined in vec(caller(), 0..2), asked in asked(),
    ) {
        let (set, quarantines) = (compile(all), quarantined.into_iter().collect());
        let explanation = explain(&set, &quarantines, &asked.call());
        let verdict = evaluate(&set, &quarantines, &asked.call(), SystemTime::UNIX_EPOCH);
        // And what it says of the rules leads to it: the checks are the decision, not a story about it.
        let matched = |action| explanation.considered.iter().find(|rule| rule.action == action && rule.matched);
        match &verdict {
            Verdict::Deny { because: Denial::AmbiguousPath { .. } | Denial::Quarantined { .. } } => {}
            Verdict::Deny { because: Denial::Rule { by } } => {
                let rule = matched(Action::Deny).unwrap();
                prop_assert_eq!((by.policy(), by.rule()), (&*rule.policy, &*rule.rule));
            }
            Verdict::Allow { by } => {
                let rule = matched(Action::Allow).unwrap();
                prop_assert_eq!((by.policy(), by.rule()), (&*rule.policy, &*rule.rule));
                prop_assert!(matched(Action::Deny).is_none());
            }
            Verdict::Deny { .. } => {
                prop_assert!(matched(Action::Allow).is_none() && matched(Action::Deny).is_none());
            }
        }
        prop_assert_eq!(explanation.verdict, verdict);
    }

    #[test]
    fn the_nearest_miss_is_the_first_rule_of_those_with_the_most_fields_that_hold(all in policies(), asked in asked()) {
        let set = compile(all);
        let explanation = explain(&set, &Quarantines::default(), &asked.call());
        let Verdict::Deny { because: Denial::Default { nearest: Some(nearest), .. } } = explanation.verdict else {
            return Ok(());
        };
        // Where no rule for the port looks at the path, the decision does not read it; an explanation always does.
        if !set.has_path_rules(asked.port) && asked.http.is_some() {
            return Ok(());
        }
        let holding = |rule: &Considered| rule.checks.iter().filter(|check| check.outcome == Truth::True).count();
        let allows = explanation.considered.iter().filter(|rule| rule.action == Action::Allow);
        // Of equals `max_by_key` takes the last.
        let expected = allows.rev().max_by_key(|rule| holding(rule)).unwrap();
        prop_assert_eq!((nearest.by.policy(), nearest.by.rule()), (&*expected.policy, &*expected.rule));
    }

    #[test]
    fn a_path_is_read_the_same_when_it_is_read_again(path in "/[a-zA-Z0-9%./;:@~]{0,20}") {
        if let Ok(canonical) = canonical_path("GET", &path) {
            let again = canonical_path("GET", &canonical);
            prop_assert_eq!(again.as_deref(), Ok(&*canonical));
        }
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in "\\PC{0,200}", lines in "([ \\-\\t]{0,4}[a-z:{}\\[\\]&*!|>\"']{0,12}\n){0,12}") {
        for text in [&text, &lines] {
            let _ = document::parse("p.yaml", text);
            let _ = PathTemplate::parse(text);
            let _ = canonical_path("GET", text);
        }
    }

    #[test]
    fn no_object_makes_its_readers_panic_or_name_a_line(
        object in json(), spec in json(), at in 0_usize..4,
        kind in select(&["AuthorizationPolicy", "Quarantine"][..]),
    ) {
        let mut stored = stored(kind);
        if let Some(field) = ["apiVersion", "kind", "metadata", "spec"].get(at) {
            stored[field] = spec;
        }
        for object in [&object, &stored] {
            if let Err(error) = document::object::parse(object) {
                prop_assert!(!error.to_string().starts_with("line"), "{error}");
            }
            let cut_off = document::quarantine::parse(&own(), object).map(|quarantine| quarantine.target);
            if let Ok(target) = cut_off {
                prop_assert_eq!(document::quarantine::target_of(&own(), object), Some(target));
            }
        }
    }

    #[test]
    fn no_damage_to_a_document_makes_the_parser_panic(at in 0_usize..400, with in "\\PC{0,3}") {
        let mut text = super::support::yaml("a", r#"{ rules: [{ sources: [{ type: SPIFFE, spiffe: "spiffe://a/b" }],
            operations: [{ http: { methods: [GET], paths: ["/a/{b}"] } }], networkAttributes: { ports: [1] } }] }"#);
        let at = at.min(text.len());
        text.replace_range(at..(at + with.len()).min(text.len()), &with);
        if let Err(error) = document::parse("p.yaml", &text) {
            prop_assert!(error.to_string().starts_with("p.yaml:"));
        }
    }
}

/// Any JSON, more often than by chance with the words of the language.
fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let word = prop_oneof![
        select(
            &["apiVersion", "kind", "metadata", "spec", "name", "rules", "sources", "type", "node", "pod"][..]
        )
        .prop_map(str::to_owned),
        "\\PC{0,6}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 24, 4, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(word.clone(), inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn stored(kind: &str) -> serde_json::Value {
    serde_json::json!({
        "apiVersion": "kith.dev/v1alpha1",
        "kind": kind,
        "metadata": { "name": "a", "namespace": "b" },
        "spec": {},
    })
}

fn policy_of_nobody() -> AuthorizationPolicy {
    AuthorizationPolicy {
        namespace: name("demo"),
        name: name("nobody"),
        targets: Targets::namespace(name("demo")),
        action: Action::Allow,
        rules: Vec::new(),
        origin: None,
    }
}
