//! An object is read as the same YAML in a file would be, and its errors name fields.

use serde_json::{Value, json};

use super::{origin, parse};
use crate::document;
use crate::origin::{At, Origin};

fn object(spec: &Value) -> Value {
    json!({
        "apiVersion": "kith.dev/v1alpha1",
        "kind": "AuthorizationPolicy",
        "metadata": {
            "name": "callers", "namespace": "shop", "generation": 3, "uid": "5a0c", "resourceVersion": "77",
            "labels": { "a": "b" }, "managedFields": [{ "fieldsV1": { "f:spec": {} } }],
        },
        "spec": spec,
        "status": { "conditions": [{ "type": "Accepted" }] },
    })
}

fn refusal(spec: &Value) -> String {
    parse(&object(spec)).unwrap_err().to_string()
}

#[test]
fn metadata_of_others_and_the_status_are_not_the_policys() {
    let policy = parse(&object(&json!({ "rules": [{ "name": "a" }, {}] }))).unwrap();
    assert_eq!((policy.namespace.as_str(), policy.name.as_str()), ("shop", "callers"));
    let at = |field: &str| Origin {
        file: "authorizationpolicies/shop/callers (generation 3)".into(),
        at: At::Field(field.into()),
    };
    assert_eq!(policy.origin, Some(at("")));
    assert_eq!(policy.origin, Some(origin("shop", "callers", 3)));
    assert_eq!(policy.rules[0].origin, Some(at("spec.rules[0]")));
    assert_eq!(policy.rules[1].origin, Some(at("spec.rules[1]")));
}

#[test]
fn an_error_names_the_field_and_its_value() {
    let rows = [
        // K26: unknown at every level.
        (json!({ "moed": "Enforce" }), "spec.moed: unknown field \"moed\"; did you mean \"mode\"?"),
        (json!({ "mode": "Shadow" }), "spec.mode: the mode \"Shadow\" is not supported; known here: Enforce"),
        (json!({ "x": 1 }), "spec.x: unknown field \"x\"; known here: targetRefs, action, mode, rules"),
        (
            json!({ "rules": [{}, { "sourcs": [] }] }),
            "spec.rules[1].sourcs: unknown field \"sourcs\"; did you mean \"sources\"?",
        ),
        (
            json!({ "rules": [{ "sources": [{ "type": "SPIFFE", "spifffe": "x" }] }] }),
            "spec.rules[0].sources[0].spifffe: unknown field \"spifffe\"; did you mean \"spiffe\"?",
        ),
        (
            json!({ "rules": [{ "sources": [{ "type": "ServiceAccount", "serviceAccount": { "nam": "x" } }] }] }),
            "spec.rules[0].sources[0].serviceAccount.nam: unknown field \"nam\"; did you mean \"name\"?",
        ),
        (
            json!({ "rules": [{ "operations": [{ "http": { "pathRegex": "^/a" } }] }] }),
            "spec.rules[0].operations[0].http.pathRegex: unknown field \"pathRegex\": there are no regular \
             expressions; paths are path templates by segment, such as \"/charges/{id}\" or \"/app/**\"", // P40
        ),
        (
            json!({ "targetRefs": [{ "kind": "Pod", "selector": { "matchExpressions": [] } }] }),
            "spec.targetRefs[0].selector.matchExpressions: unknown field \"matchExpressions\"; known here: \
             matchLabels",
        ),
        // Values.
        (
            json!({ "action": "allow" }),
            "spec.action: the action \"allow\" is not supported; did you mean \"ALLOW\"?",
        ),
        (json!({ "rules": "all" }), "spec.rules: wanted a list here, not \"all\""),
        (json!({ "rules": {} }), "spec.rules: wanted a list here, not a map of fields"),
        (json!({ "rules": ["x"] }), "spec.rules[0]: wanted a map of fields here, not \"x\""),
        (
            json!({ "rules": [{ "networkAttributes": { "ports": [80, 65536] } }] }),
            "spec.rules[0].networkAttributes.ports[1]: wanted a port number, 1 to 65535, here, not 65536",
        ),
        (
            json!({ "rules": [{ "networkAttributes": { "ports": [80.5] } }] }),
            "spec.rules[0].networkAttributes.ports[0]: wanted a port number, 1 to 65535, here, not 80.5",
        ),
        (
            json!({ "rules": [{ "operations": [{ "http": { "methods": ["GET", "get"] } }] }] }),
            "spec.rules[0].operations[0].http.methods[1]: \"get\" is not upper case, and methods are compared \
             exactly; write GET",
        ),
        (
            json!({ "rules": [{ "sources": [{ "type": "SPIFFE", "spiffe": "/ns/a" }] }] }),
            "spec.rules[0].sources[0].spiffe: \"/ns/a\" is no SPIFFE ID: a SPIFFE ID starts with \"spiffe://\"; \
             byte 0 is the first that differs",
        ),
        // Null is not left out.
        (
            json!({ "rules": [{ "sources": null }] }),
            "spec.rules[0].sources: sources has no value; give it one, or leave it out",
        ),
        (
            json!({ "targetRefs": [{ "kind": "Pod", "selector": { "matchLabels": { "a.b/c": null } } }] }),
            "spec.targetRefs[0].selector.matchLabels[\"a.b/c\"]: a.b/c has no value; give it one, or leave it out",
        ),
        // P42
        (
            json!({ "rules": [{ "operations": [{ "http": { "paths": [] } }] }] }),
            "spec.rules[0].operations[0].http.paths: paths is empty; leave it out to match anything",
        ),
        (
            json!({ "action": "DENY", "rules": [{ "sources": [] }] }),
            "spec.rules[0]: sources is empty, so that this DENY rule denies nothing; leave it out to match anybody",
        ),
        (
            json!({ "rules": [{ "name": "a" }, { "name": "a" }] }),
            "spec.rules[1]: a rule before this one is already called a; name it otherwise",
        ),
        (
            json!({ "rules": vec![json!({}); 129] }),
            "spec.rules: rules has 129 entries, more than 128; write more than one of what holds it",
        ),
        (Value::Null, "spec: spec has no value; give it one, or leave it out"),
    ];
    for (spec, expected) in rows {
        assert_eq!(refusal(&spec), expected, "{spec}");
    }
}

#[test]
fn what_is_no_policy_at_all_is_refused() {
    let without = |field: &str| {
        let mut object = object(&json!({}));
        object.as_object_mut().unwrap().remove(field);
        parse(&object).unwrap_err().to_string()
    };
    assert_eq!(without("spec"), "spec is missing");
    assert_eq!(without("kind"), "kind is missing");
    assert_eq!(without("metadata"), "metadata is missing");
    for (object, expected) in [
        (Value::Null, "the object is empty"),
        (json!([]), "wanted a map of fields here, not a list"),
        (json!("x"), "wanted a map of fields here, not \"x\""),
        (json!({}), "apiVersion is missing"),
        (
            json!({ "apiVersion": "kith.dev/v1alpha1", "kind": "Quarantine" }),
            "kind: kind \"Quarantine\" is not supported; supported: AuthorizationPolicy",
        ),
    ] {
        assert_eq!(parse(&object).unwrap_err().to_string(), expected, "{object}");
    }
    let mut other = object(&json!({}));
    other["specs"] = json!({});
    assert!(parse(&other).unwrap_err().to_string().starts_with("specs: unknown field"));
    other = object(&json!({}));
    other["metadata"]["namespace"] = json!("Shop");
    assert!(parse(&other).unwrap_err().to_string().starts_with("metadata.namespace: \"Shop\" is not a name"));
}

#[test]
fn text_that_yaml_would_take_for_something_else_stays_text() {
    for text in ["*", "&a", "<<", "~", "a: b", "\u{202e}\u{0}\n", "x\n- y", "{id}"] {
        let refused = refusal(&json!({ "rules": [{ "name": text }] }));
        let expected = format!("spec.rules[0].name: {text:?} is not a rule's name");
        assert!(refused.starts_with(&expected), "{text:?}: {refused}");
        // As a key too, which is shown without what could deceive.
        let refused = refusal(&json!({ "rules": [{ text: 1 }] }));
        assert!(refused.contains("unknown field"), "{text:?}: {refused}");
        assert!(refused.chars().all(|c| c == ' ' || c.is_ascii_graphic()), "{refused:?}");
    }
}

#[test]
fn a_word_that_yaml_has_a_use_for_is_a_name_like_any_other() {
    for text in ["null", "true", "no", "1e3", "0x1f", "12"] {
        let policy = parse(&object(&json!({ "rules": [{ "name": text }] }))).unwrap();
        assert_eq!(policy.rules[0].name.as_str(), text);
    }
}

#[test]
fn abuse_of_an_object_meets_a_limit() {
    // K26
    let many: Vec<_> = (0..40_000)
        .map(|number| json!({ "type": "SPIFFE", "spiffe": format!("spiffe://a/{number}") }))
        .collect();
    assert!(refusal(&json!({ "rules": [{ "sources": many }] })).contains("more than 1 MiB; split it"));
    let mut deep = json!({});
    for _ in 0..100 {
        deep = json!({ "rules": [deep] });
    }
    assert!(refusal(&deep).contains("limit exceeded"), "nesting");
    let long = refusal(&json!({ "x".repeat(5000): 1 }));
    assert!(long.len() < 6000, "{}", long.len());
}

#[test]
fn a_policy_in_an_object_is_the_policy_in_a_file() {
    let spec = r#"{ "action": "DENY", "targetRefs": [{ "kind": "Pod", "selector": { "matchLabels": { "app": "x" } } }],
        "rules": [{ "sources": [{ "type": "ServiceAccount", "serviceAccount": { "name": "*" } }],
        "operations": [{ "grpc": { "service": "a.B", "methods": ["C"] } }], "networkAttributes": { "ports": [1] } }] }"#;
    let text = format!(
        "apiVersion: kith.dev/v1alpha1\nkind: AuthorizationPolicy\n\
         metadata: {{ name: callers, namespace: shop }}\nspec: {spec}\n"
    );
    let mut written = document::parse("p.yaml", &text).unwrap().remove(0);
    let mut stored = parse(&object(&serde_json::from_str(spec).unwrap())).unwrap();
    for policy in [&mut written, &mut stored] {
        policy.origin = None;
        policy.rules.iter_mut().for_each(|rule| rule.origin = None);
    }
    assert_eq!(written, stored);
}
