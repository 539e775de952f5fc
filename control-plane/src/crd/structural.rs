//! A schema as Kubernetes wants it: structural, in one piece. Owns what is added to the language's own schema so that the
//! API server changes nothing that somebody wrote.

use serde_json::{Value, json};

/// What is written by people. Nothing of it may be lost before it is read:
///
/// - unknown fields are kept at every level. A misspelt field that is pruned is a condition less, and a wider rule;
/// - so is a field with nothing after it (`sources:`), which the API server would otherwise take for one that is not there.
///
/// Both are refused by whoever reads them.
pub(super) fn spec(mut schema: Value) -> Value {
    plain(&mut schema);
    keep(&mut schema);
    schema
}

/// What is written by us.
pub(super) fn status(mut schema: Value) -> Value {
    plain(&mut schema);
    written_by_us(&mut schema);
    schema
}

/// Without what structural schemas have no word for.
fn plain(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    fields.remove("title");
    if fields.get("additionalProperties") == Some(&Value::Bool(false)) {
        fields.remove("additionalProperties");
    }
    // A field that may be left out is not one that may be null.
    if let Some(of_several) = fields.get("type").and_then(Value::as_array) {
        let kind = of_several.iter().find(|kind| *kind != "null").cloned();
        fields.insert("type".to_owned(), kind.unwrap_or_default());
    }
    // Others, such as "uint16", mean nothing there.
    if !matches!(fields.get("format").and_then(Value::as_str), Some("int32" | "int64" | "date-time")) {
        fields.remove("format");
    }
    if let Some(Value::String(description)) = fields.get_mut("description") {
        *description = description.replace('\n', " ");
    }
    below(schema, plain);
}

fn keep(schema: &mut Value) {
    if schema["properties"].is_object() {
        schema["x-kubernetes-preserve-unknown-fields"] = json!(true);
    }
    if schema["type"] == "array" {
        // Entries have no key of their own: whoever applies a list owns all of it.
        schema["x-kubernetes-list-type"] = json!("atomic");
    }
    for (_, field) in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        field["nullable"] = json!(true);
    }
    if let Some(values) = schema.get_mut("additionalProperties").filter(|values| values.is_object()) {
        values["nullable"] = json!(true);
    }
    below(schema, keep);
}

fn written_by_us(schema: &mut Value) {
    // What is not known yet is absent.
    schema.as_object_mut().and_then(|fields| fields.remove("default"));
    if let Some(conditions) = schema.pointer_mut("/properties/conditions") {
        conditions["x-kubernetes-list-type"] = json!("map");
        conditions["x-kubernetes-list-map-keys"] = json!(["type"]);
    }
    if let Some(ancestors) = schema.pointer_mut("/properties/ancestors") {
        ancestors["x-kubernetes-list-type"] = json!("atomic");
    }
    below(schema, written_by_us);
}

/// Each schema directly below.
fn below(schema: &mut Value, change: impl Fn(&mut Value)) {
    let Some(fields) = schema.as_object_mut() else { return };
    for (_, field) in fields.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        change(field);
    }
    for name in ["items", "additionalProperties"] {
        fields.get_mut(name).map(&change);
    }
}
