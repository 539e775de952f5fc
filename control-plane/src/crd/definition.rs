//! One CustomResourceDefinition for each kind. Owns names, columns and the version; the schemas come from where the fields
//! are read and written.

use kith_policy::document::{API_VERSION, GROUP, VERSION, schema};
use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::{DefinitionError, rules, structural};
use crate::kubernetes::kinds::{AUTHORIZATION_POLICY, OurKind, QUARANTINE};
use crate::status::document::{PolicyStatus, QuarantineStatus};

/// What a kind is called, and what `kubectl get` shows of it.
struct Kind {
    name: OurKind,
    singular: &'static str,
    short: &'static str,
    scope: &'static str,
    description: &'static str,
    columns: Value,
}

/// Who may call whom in a namespace.
pub(super) fn authorization_policy() -> Result<Value, DefinitionError> {
    let mut spec = structural::spec(schema::authorization_policy_spec().to_value());
    rules::add(&mut spec, rules::AUTHORIZATION_POLICY)?;
    Ok(definition(
        &Kind {
            name: AUTHORIZATION_POLICY,
            singular: "authorizationpolicy",
            short: "kap",
            scope: "Namespaced",
            description: "Who may call the workloads of a namespace, and what they may ask for. What no policy allows is refused.",
            columns: json!([
                column("Action", ".spec.action", "ALLOW or DENY"),
                column("Mode", ".spec.mode", "Whether it decides"),
                column("Target", ".status.target", "What the policy is for"),
                column(
                    "Programmed",
                    &condition("Programmed", "status"),
                    "Whether every selected sidecar has it in force"
                ),
                age(),
                wide("Accepted", &condition("Accepted", "status"), "Whether the policy could be read"),
                wide(
                    "Resolved",
                    &condition("ResolvedRefs", "status"),
                    "Whether everybody whom it means is there"
                ),
                wide("Reason", &condition("Programmed", "message"), "Why it is programmed or not"),
            ]),
        },
        spec,
        structural::status(schema_of::<PolicyStatus>()),
    ))
}

/// Who is cut off in the whole mesh.
pub(super) fn quarantine() -> Result<Value, DefinitionError> {
    let mut spec = structural::spec(schema::quarantine_spec().to_value());
    rules::add(&mut spec, rules::QUARANTINE)?;
    Ok(definition(
        &Kind {
            name: QUARANTINE,
            singular: "quarantine",
            short: "kq",
            scope: "Cluster",
            description: "Somebody who is cut off from the mesh, now and until the object is deleted.",
            columns: json!([
                column("Target", ".status.target", "Who is cut off"),
                column("Reason", ".spec.reason", "Why"),
                column("Accepted", &condition("Accepted", "status"), "Whether the quarantine could be read"),
                column(
                    "Programmed",
                    &condition("Programmed", "status"),
                    "Whether every sidecar has it in force"
                ),
                age(),
                wide(
                    "Resolved",
                    &condition("ResolvedRefs", "status"),
                    "Whether there is somebody to cut off"
                ),
                wide("Message", &condition("Programmed", "message"), "Why it is programmed or not"),
            ]),
        },
        spec,
        structural::status(schema_of::<QuarantineStatus>()),
    ))
}

fn definition(kind: &Kind, spec: Value, status: Value) -> Value {
    let Kind { name: OurKind { kind, plural }, singular, short, scope, description, columns } = kind;
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": format!("{plural}.{GROUP}"),
            // Without the definitions every policy is gone: `helm uninstall` leaves them.
            "annotations": { "helm.sh/resource-policy": "keep" },
            "labels": { "app.kubernetes.io/part-of": "kith" },
        },
        "spec": {
            "group": GROUP,
            "names": {
                "kind": kind,
                "listKind": format!("{kind}List"),
                "plural": plural,
                "singular": singular,
                "shortNames": [short],
                "categories": ["kith"],
            },
            "scope": scope,
            "versions": [{
                "name": VERSION,
                "served": true,
                "storage": true,
                "subresources": { "status": {} },
                "additionalPrinterColumns": columns,
                "schema": { "openAPIV3Schema": object(description, spec, status) },
            }],
        },
    })
}

fn object(description: &str, spec: Value, status: Value) -> Value {
    let described = |mut schema: Value, text: &str| {
        schema["description"] = schema.get("description").cloned().unwrap_or_else(|| json!(text));
        schema
    };
    json!({
        "description": description,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": { "type": "string", "description": format!("The version of the language: {API_VERSION}.") },
            "kind": { "type": "string", "description": "The kind of the object." },
            "metadata": { "type": "object" },
            "spec": described(spec, "What is wanted."),
            "status": described(status, "What became of it; written by the control plane."),
        },
    })
}

/// As it is written.
fn schema_of<T: JsonSchema>() -> Value {
    let mut settings = schemars::generate::SchemaSettings::draft07();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

fn column(name: &str, path: &str, description: &str) -> Value {
    json!({ "name": name, "type": "string", "jsonPath": path, "description": description })
}

/// Shown with `-o wide`.
fn wide(name: &str, path: &str, description: &str) -> Value {
    let mut column = column(name, path, description);
    column["priority"] = json!(1);
    column
}

fn age() -> Value {
    json!({ "name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp", "description": "Since when there is such an object" })
}

fn condition(kind: &str, field: &str) -> String {
    format!(".status.conditions[?(@.type==\"{kind}\")].{field}")
}

/// In the order of the keys, whichever order this build's JSON keeps.
pub(super) fn to_yaml(definition: &Value) -> Result<String, serde_saphyr::ser::Error> {
    serde_saphyr::to_string(&sorted(definition))
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by_key(|(name, _)| *name);
            Value::Object(
                fields.into_iter().map(|(name, value)| (name.clone(), sorted(value))).collect::<Map<_, _>>(),
            )
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}
