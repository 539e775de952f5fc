//! A policy as Kubernetes stores it. Owns which parts of an object are read: its header, its name, its spec. Metadata of
//! others' and the status are not the policy's. What the spec means is the reader's of files: the object is written down as
//! text, with one field in each line, so that there is one language, and errors name fields.

use serde_json::{Map, Value};

use super::error::DocumentError;
use super::lines::{self, Fields};
use super::policy::AuthorizationPolicy;
use super::yaml::{MAX_BYTES, Text};
use crate::origin::{At, Origin};

const RESOURCE: &str = "authorizationpolicies";

/// Why an object is refused. Where it has no field, the message is about the object as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", if field.is_empty() { String::new() } else { format!("{field}: ") })]
pub struct ObjectError {
    /// The field, such as `spec.rules[0].sources[1].type`.
    pub field: String,
    /// What is wrong, and what to write instead.
    pub message: String,
}

impl From<DocumentError> for ObjectError {
    fn from(error: DocumentError) -> Self {
        let field = match error.origin.at {
            At::Field(field) => field.to_string(),
            At::Line { line, .. } => format!("line {line}"),
        };
        Self { field, message: error.message }
    }
}

/// Reads an `AuthorizationPolicy`. Whatever a file may not hold, an object may not either.
pub fn parse(object: &Value) -> Result<AuthorizationPolicy, ObjectError> {
    let written = Written::new(RESOURCE, object);
    let mut policies = super::read(&written.text())?;
    match policies.pop() {
        Some(policy) if policies.is_empty() => Ok(policy),
        // What is written is one document, so that none was there to be written.
        _ => Err(ObjectError { field: String::new(), message: "the object is empty".to_owned() }),
    }
}

/// An object, written down.
pub(super) struct Written {
    name: String,
    text: String,
    fields: Fields,
}

impl Written {
    /// Without what is not read: `status`, and all metadata but the names.
    pub(super) fn new(resource: &str, object: &Value) -> Self {
        let (text, fields) = lines::write(&reduced(object), MAX_BYTES);
        let metadata = &object["metadata"];
        let names = ["namespace", "name"].map(|field| metadata[field].as_str());
        Self { name: describe(resource, names, metadata["generation"].as_i64()), text, fields }
    }

    /// For the reader.
    pub(super) fn text(&self) -> Text<'_> {
        Text::of_object(&self.name, &self.text, &self.fields)
    }

    /// The whole object as a place.
    pub(super) fn origin(&self) -> Origin {
        Origin { file: self.name.as_str().into(), at: At::Field("".into()) }
    }
}

fn reduced(object: &Value) -> Value {
    let Value::Object(fields) = object else { return object.clone() };
    let kept = fields.iter().filter(|(field, _)| *field != "status").map(|(field, value)| match value {
        Value::Object(metadata) if field == "metadata" => (field.clone(), names(metadata)),
        value => (field.clone(), value.clone()),
    });
    Value::Object(kept.collect())
}

fn names(metadata: &Map<String, Value>) -> Value {
    let named = |(field, _): &(&String, &Value)| *field == "name" || *field == "namespace";
    metadata.iter().filter(named).map(|(field, value)| (field.clone(), value.clone())).collect()
}

/// Where a policy says that it was written, when it is this version of this object.
pub fn origin(namespace: &str, name: &str, generation: i64) -> Origin {
    let object = describe(RESOURCE, [Some(namespace), Some(name)], Some(generation));
    Origin { file: object.into(), at: At::Field("".into()) }
}

/// `authorizationpolicies/shop/callers (generation 3)`, as far as the object says it.
fn describe(resource: &str, names: [Option<&str>; 2], generation: Option<i64>) -> String {
    let mut described = resource.to_owned();
    for name in names.into_iter().flatten() {
        described.push_str(&format!("/{name}"));
    }
    if let Some(generation) = generation {
        described.push_str(&format!(" (generation {generation})"));
    }
    described
}

#[cfg(test)]
mod tests;
