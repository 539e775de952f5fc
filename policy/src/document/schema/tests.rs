//! The schema and the reader know the same fields, and miss the same ones.

use kith_identity::TrustDomain;
use serde_json::{Map, Value, json};

use super::{authorization_policy_spec, quarantine_spec};
use crate::document::{object, quarantine};

/// Objects in which every field of the language is written, each with its schema and its reader.
fn languages() -> [(&'static str, Value, Value); 5] {
    let policy = |spec| ("AuthorizationPolicy", authorization_policy_spec().to_value(), spec);
    let quarantine = |spec| ("Quarantine", quarantine_spec().to_value(), spec);
    [
        policy(json!({
            "targetRefs": [
                { "group": "", "kind": "Pod", "selector": { "matchLabels": { "a": "b" } } },
                { "kind": "ServiceAccount", "name": "x" },
            ],
            "action": "ALLOW",
            "rules": [{
                "name": "r",
                "sources": [
                    { "type": "ServiceAccount", "serviceAccount": { "namespace": "x", "name": "y" } },
                    { "type": "SPIFFE", "spiffe": "spiffe://a/b" },
                ],
                "networkAttributes": { "ports": [1] },
                "operations": [
                    { "http": { "methods": ["GET"], "paths": ["/"] } },
                    { "grpc": { "service": "a.B", "methods": ["C"] } },
                ],
            }],
        })),
        quarantine(json!({ "identity": "spiffe://demo.local/ns/a/sa/b", "reason": "x" })),
        quarantine(json!({ "serviceAccount": { "namespace": "x", "name": "y" } })),
        quarantine(json!({ "pod": { "namespace": "x", "name": "y" } })),
        quarantine(json!({ "node": "x" })),
    ]
}

fn read(kind: &str, spec: &Value) -> Result<(), String> {
    let own = TrustDomain::parse("demo.local").unwrap();
    let object = json!({
        "apiVersion": "kith.dev/v1alpha1",
        "kind": kind,
        "metadata": { "name": "a", "namespace": "b" },
        "spec": spec,
    });
    let mut unnamespaced = object.clone();
    unnamespaced["metadata"] = json!({ "name": "a" });
    match kind {
        "Quarantine" => quarantine::parse(&own, &unnamespaced).map(drop),
        _ => object::parse(&object).map(drop),
    }
    .map_err(|error| error.to_string())
}

/// Every map of fields in a value, as a JSON pointer, with the schema that stands for it.
fn maps(value: &Value, schema: &Value, pointer: &str, found: &mut Vec<(String, Map<String, Value>)>) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                maps(item, &schema["items"], &format!("{pointer}/{index}"), found);
            }
        }
        // A map of people's own keys has no properties.
        Value::Object(fields) if schema["properties"].is_object() => {
            found.push((pointer.to_owned(), schema.as_object().unwrap().clone()));
            for (field, value) in fields {
                maps(value, &schema["properties"][field], &format!("{pointer}/{field}"), found);
            }
        }
        _ => {}
    }
}

fn all_maps(spec: &Value, schema: &Value) -> Vec<(String, Map<String, Value>)> {
    let mut found = Vec::new();
    maps(spec, schema, "", &mut found);
    found
}

#[test]
fn the_fields_of_the_schema_are_those_that_the_reader_knows() {
    for (kind, schema, spec) in languages() {
        for (pointer, schema) in all_maps(&spec, &schema) {
            let mut wrong = spec.clone();
            wrong.pointer_mut(&pointer).unwrap()["zzzzzzzz"] = json!(1);
            let error = read(kind, &wrong).unwrap_err();
            let known = error.split("known here: ").nth(1).unwrap_or_else(|| panic!("{pointer}: {error}"));
            let mut known: Vec<_> = known.split(", ").collect();
            known.sort_unstable();
            let described: Vec<_> = schema["properties"].as_object().unwrap().keys().collect();
            assert_eq!(known, described, "{kind}{pointer}");
        }
    }
}

#[test]
fn a_field_is_required_where_the_reader_misses_it() {
    for (kind, schema, spec) in languages() {
        assert_eq!(read(kind, &spec), Ok(()));
        for (pointer, schema) in all_maps(&spec, &schema) {
            let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
            for field in schema["properties"].as_object().unwrap().keys() {
                let mut without = spec.clone();
                if without.pointer_mut(&pointer).unwrap().as_object_mut().unwrap().remove(field).is_none() {
                    continue;
                }
                let missed =
                    read(kind, &without).is_err_and(|error| error.contains(&format!("{field} is missing")));
                assert_eq!(required.contains(&json!(field)), missed, "{kind}{pointer}/{field}");
            }
        }
    }
}

#[test]
fn every_field_says_what_it_means() {
    fn described(schema: &Value, path: &str) {
        for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{field}");
            assert!(schema["description"].as_str().is_some_and(|text| text.len() > 8), "{path}");
            described(schema, &path);
            described(&schema["items"], &format!("{path}[]"));
        }
    }
    for (kind, schema, _) in languages() {
        described(&schema, kind);
    }
}
