//! The checked-in chart is what the types say, and what the API server asks of a definition.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{DefinitionError, documents, review, rules};
use crate::testing::trust_domain;

fn templates() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../charts/kith-crds/templates")
}

fn definitions() -> Vec<Value> {
    documents().unwrap().iter().map(|document| serde_saphyr::from_str(&document.text).unwrap()).collect()
}

fn schema(definition: &Value) -> &Value {
    &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
}

/// Every schema below one, with its path.
fn walk(schema: &Value, path: &str, visit: &mut impl FnMut(&str, &Value)) {
    visit(path, schema);
    for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
        walk(schema, &format!("{path}.{field}"), visit);
    }
    for below in ["items", "additionalProperties"]
        .map(|name| &schema[name])
        .into_iter()
        .filter(|below| below.is_object())
    {
        walk(below, &format!("{path}[]"), visit);
    }
}

#[test]
fn the_chart_has_exactly_the_definitions_that_the_types_make() {
    let mut expected = vec!["NOTES.txt".to_owned()];
    for document in documents().unwrap() {
        let path = templates().join(document.file);
        let checked_in = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            checked_in == document.text,
            "{} is not what the types make; run: cargo run -p kith -- crds --write charts/kith-crds/templates",
            path.display()
        );
        expected.push(document.file.to_owned());
    }
    let mut found: Vec<_> = std::fs::read_dir(templates())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn helm_finds_nothing_to_replace_in_a_definition() {
    for document in documents().unwrap() {
        assert!(!document.text.contains("{{"), "{}", document.file);
        assert!(document.text.contains("helm.sh/resource-policy: keep"), "{}", document.file);
    }
}

#[test]
fn a_definition_is_structural_and_every_field_is_described() {
    for definition in definitions() {
        walk(schema(&definition), "", &mut |path, schema| {
            assert!(schema["type"].is_string(), "{path} has no type");
            let both = schema["properties"].is_object() && schema["additionalProperties"].is_object();
            assert!(schema["additionalProperties"] != json!(false) && !both, "{path}");
            for word in ["$ref", "title", "anyOf", "oneOf", "allOf", "not", "definitions"] {
                assert!(schema.get(word).is_none(), "{path} has {word}");
            }
            let by_people = path.ends_with("[]") || path == ".metadata";
            assert!(by_people || schema["description"].is_string(), "{path} has no description");
        });
    }
}

#[test]
fn nothing_that_people_write_in_a_spec_is_lost_before_it_is_read() {
    // K26
    for definition in definitions() {
        let spec = &schema(&definition)["properties"]["spec"];
        let mut levels = 0;
        walk(spec, "spec", &mut |path, schema| {
            if schema["properties"].is_object() {
                levels += 1;
                assert_eq!(schema["x-kubernetes-preserve-unknown-fields"], true, "{path}");
            }
            // An empty field that is not nullable is pruned, and one that is pruned matches anything.
            for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
                assert_eq!(schema["nullable"], true, "{path}.{field}");
            }
            if schema["additionalProperties"].is_object() {
                assert_eq!(schema["additionalProperties"]["nullable"], true, "{path}[]");
            }
        });
        assert!(levels >= 3, "{levels}");
    }
}

#[test]
fn what_a_rule_looks_at_is_bounded() {
    // Else the API server cannot bound the cost of the rule, and refuses the definition.
    for definition in definitions() {
        walk(&schema(&definition)["properties"]["spec"], "spec", &mut |path, schema| {
            if schema["type"] == "array" {
                assert!(schema["maxItems"].is_u64(), "{path} has no maxItems");
            }
            if schema["type"] == "string" && schema["enum"].is_null() && !path.contains("matchLabels") {
                assert!(schema["maxLength"].is_u64(), "{path} has no maxLength");
            }
        });
    }
}

#[test]
fn a_rule_about_a_field_that_is_not_there_is_an_error() {
    let mut empty = json!({ "type": "object", "properties": {} });
    let error = rules::add(&mut empty, rules::QUARANTINE).unwrap_err();
    assert!(matches!(error, DefinitionError::NoSuchField("identity")), "{error}");
}

#[test]
fn the_definitions_have_the_names_that_people_type() {
    for (definition, plural, short, scope) in definitions()
        .iter()
        .zip([("authorizationpolicies", "kap", "Namespaced"), ("quarantines", "kq", "Cluster")])
        .map(|(definition, (plural, short, scope))| (definition, plural, short, scope))
    {
        let spec = &definition["spec"];
        assert_eq!(definition["metadata"]["name"], format!("{plural}.kith.dev"));
        assert_eq!((&spec["scope"], &spec["names"]["plural"]), (&json!(scope), &json!(plural)));
        assert_eq!(
            (&spec["names"]["shortNames"], &spec["names"]["categories"]),
            (&json!([short]), &json!(["kith"]))
        );
        let version = &spec["versions"][0];
        assert_eq!(
            (&version["name"], &version["subresources"]),
            (&json!("v1alpha1"), &json!({ "status": {} }))
        );
    }
}

#[test]
fn admission_says_what_the_reader_says() {
    let object = |kind: &str, metadata: Value, spec: Value| {
        let object =
            json!({ "apiVersion": "kith.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec });
        review(&trust_domain(), &object).map(drop)
    };
    let named = || json!({ "name": "a", "namespace": "b", "uid": "c" });
    let quarantine = |spec| object("Quarantine", json!({ "name": "a", "uid": "c" }), spec);
    assert_eq!(object("AuthorizationPolicy", named(), json!({ "rules": [{}] })), Ok(()));
    assert_eq!(quarantine(json!({ "node": "n" })), Ok(()));
    // K26, P40, P42
    for (refused, expected) in [
        (
            object("AuthorizationPolicy", named(), json!({ "rules": [{ "source": [] }] })),
            "spec.rules[0].source: unknown field \"source\"; did you mean \"sources\"?",
        ),
        (
            object(
                "AuthorizationPolicy",
                named(),
                json!({ "rules": [{ "operations": [{ "http": { "paths": ["^/a"] } }] }] }),
            ),
            "path template",
        ),
        (
            object(
                "AuthorizationPolicy",
                named(),
                json!({ "rules": [{ "operations": [{ "http": { "paths": [] } }] }] }),
            ),
            "spec.rules[0].operations[0].http.paths: paths is empty",
        ),
        (quarantine(json!({ "node": "n", "untl": 1 })), "spec.untl: unknown field"),
        (quarantine(json!({ "identity": "spiffe://far.example/ns/a/sa/b" })), "spec.identity: "),
        (object("Secret", named(), json!({})), "kind: \"Secret\" is no kind of ours"),
        (review(&trust_domain(), &Value::Null).map(drop), "kind is missing"),
    ] {
        let refused = refused.unwrap_err();
        assert!(refused.contains(expected), "{refused}");
    }
}
