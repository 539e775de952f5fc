//! The kinds of object that Kubernetes keeps for us, as CustomResourceDefinitions. Owns the documents of the chart
//! `kith-crds`, which are made from the language's own schema, and what admission says of an object. The language itself is
//! `kith-policy`'s.
//!
//! ```text
//! kith_policy::document::schema ─► structural ─┐
//! rules (CEL) ─────────────────────────────────┼─► definition ─► documents ─► charts/kith-crds/templates
//! status::document ────────────► structural ───┘
//! ```

mod definition;
mod review;
mod rules;
mod structural;

use std::collections::BTreeMap;

use serde_json::Value;

pub use review::{Reviewed, review};

/// One file of the chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its name in the folder of templates.
    pub file: &'static str,
    /// All of it.
    pub text: String,
}

/// Said at the top of each file, so that nobody edits it by hand.
const HEADER: &str = "# Made from the types that read it; do not edit. To make it again: kith crds --write charts/kith-crds/templates\n";

/// Why there are no definitions: a mistake of ours, which the tests find.
#[derive(Debug, thiserror::Error)]
pub enum DefinitionError {
    /// A rule is about a field that the schema does not have.
    #[error("a rule is about spec.{0}, which is no field of the schema")]
    NoSuchField(&'static str),
    /// The definition cannot be written.
    #[error("the definition cannot be written as YAML: {0}")]
    Yaml(#[from] serde_saphyr::ser::Error),
}

/// Every definition, the same in each build of one version.
pub fn documents() -> Result<Vec<Document>, DefinitionError> {
    [
        ("authorizationpolicies.yaml", definition::authorization_policy()),
        ("quarantines.yaml", definition::quarantine()),
    ]
    .into_iter()
    .map(|(file, definition)| {
        Ok(Document { file, text: format!("{HEADER}{}", definition::to_yaml(&definition?)?) })
    })
    .collect()
}

/// The schema of each kind, by the name of its definition.
pub(crate) fn schemas() -> Result<BTreeMap<String, Value>, DefinitionError> {
    let named = |mut definition: Value| {
        let name = definition["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        (name, definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"].take())
    };
    let definitions = [definition::authorization_policy()?, definition::quarantine()?];
    Ok(definitions.into_iter().map(named).collect())
}

#[cfg(test)]
mod tests;
