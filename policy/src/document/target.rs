//! What a policy selects. Owns `targetRefs`: pods by label, service accounts by name, or the whole namespace.
//! Never anything outside the policy's own namespace.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::error::DocumentError;
use super::limits;
use super::name::Name;
use super::yaml::{Field, Place, Text};

/// In the order in which they are offered to whoever writes another one.
const KINDS: [&str; 2] = ["Pod", "ServiceAccount"];

/// The workloads that a policy applies to, all in its own namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Targets {
    pub(super) namespace: Name,
    /// None: the whole namespace.
    pub(super) any_of: Option<Vec<Target>>,
}

/// One way of selecting workloads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Workloads that carry all of these labels.
    Labels(BTreeMap<String, String>),
    /// Workloads that run as this service account.
    ServiceAccount(Name),
}

impl Targets {
    /// Every workload in a namespace.
    pub fn namespace(namespace: Name) -> Self {
        Self { namespace, any_of: None }
    }

    /// Every workload in a namespace that runs as this service account.
    pub fn service_account(namespace: Name, name: Name) -> Self {
        Self { namespace, any_of: Some(vec![Target::ServiceAccount(name)]) }
    }

    /// Whether a workload is selected.
    pub fn selects(&self, namespace: &str, service_account: &str, labels: &BTreeMap<String, String>) -> bool {
        self.namespace.as_str() == namespace
            && self
                .any_of
                .as_ref()
                .is_none_or(|targets| targets.iter().any(|target| target.selects(service_account, labels)))
    }

    /// Each way of selecting; `None` for the whole namespace.
    pub fn any_of(&self) -> Option<&[Target]> {
        self.any_of.as_deref()
    }
}

impl Target {
    /// Whether a workload of the policy's namespace is selected.
    pub fn selects(&self, service_account: &str, labels: &BTreeMap<String, String>) -> bool {
        match self {
            Self::Labels(wanted) => wanted.iter().all(|(key, value)| labels.get(key) == Some(value)),
            Self::ServiceAccount(name) => name.as_str() == service_account,
        }
    }
}

/// One way of selecting workloads.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("required" = ["kind"])))]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawTarget {
    /// The API group of the kind: that of Pod and ServiceAccount is empty. May be left out.
    #[cfg_attr(feature = "schema", schemars(length(max = 253)))]
    group: Field<String>,
    /// Pod: by labels, with selector. ServiceAccount: whatever runs as it, with name.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = KINDS)))]
    kind: Field<String>,
    /// With kind ServiceAccount: its name.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 253)))]
    name: Field<String>,
    /// With kind Pod: which pods.
    selector: Field<RawSelector>,
}

/// Selects pods.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("required" = ["matchLabels"])))]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct RawSelector {
    /// Labels that a pod must carry; all of them.
    #[cfg_attr(feature = "schema", schemars(extend("minProperties" = 1), extend("maxProperties" = limits::LABELS)))]
    match_labels: Field<BTreeMap<String, Field<String>>>,
}

pub(super) fn from_raw(
    raw: Field<Vec<Field<RawTarget>>>,
    namespace: Name,
    text: &Text<'_>,
) -> Result<Targets, DocumentError> {
    let Some((targets, place)) = raw.optional("targetRefs", text)? else {
        return Ok(Targets::namespace(namespace));
    };
    if targets.is_empty() {
        return Err(text.error(place, "targetRefs is empty; leave it out to select the whole namespace"));
    }
    limits::check(targets.len(), limits::TARGETS, "targetRefs", place, text)?;
    let any_of = targets.into_iter().map(|target| target_from_raw(target, place, text));
    Ok(Targets { namespace, any_of: Some(any_of.collect::<Result<_, _>>()?) })
}

fn target_from_raw(raw: Field<RawTarget>, parent: Place, text: &Text<'_>) -> Result<Target, DocumentError> {
    let (raw, place) = raw.required("an entry of targetRefs", parent, text)?;
    if let Some((group, place)) = raw.group.optional("group", text)?
        && !group.is_empty()
    {
        return Err(text.error(place, format!("the group {group:?} is not supported; leave it out")));
    }
    let (kind, kind_place) = raw.kind.required("kind", place, text)?;
    let name = raw.name.optional("name", text)?;
    let selector = raw.selector.optional("selector", text)?;
    match (kind.as_str(), name, selector) {
        ("Pod", None, Some((selector, place))) => labels_from_raw(selector, place, text),
        ("Pod", _, _) => Err(text.error(place, "kind Pod is selected by a selector, and by nothing else")),
        ("ServiceAccount", Some((name, place)), None) => {
            let name = Name::parse(&name).map_err(|error| text.error(place, error.to_string()))?;
            Ok(Target::ServiceAccount(name))
        }
        ("ServiceAccount", _, _) => {
            Err(text.error(place, "kind ServiceAccount is selected by a name, and by nothing else"))
        }
        (other, _, _) => {
            let message = format!("the kind {other:?} is not supported; supported: {}", KINDS.join(", "));
            Err(text.error(kind_place, message))
        }
    }
}

fn labels_from_raw(selector: RawSelector, parent: Place, text: &Text<'_>) -> Result<Target, DocumentError> {
    let (labels, place) = selector.match_labels.required("matchLabels", parent, text)?;
    if labels.is_empty() {
        let message = "matchLabels is empty; leave out targetRefs to select the whole namespace";
        return Err(text.error(place, message));
    }
    limits::check(labels.len(), limits::LABELS, "matchLabels", place, text)?;
    let labels = labels.into_iter().map(|(key, value)| {
        let (value, _) = value.required(&key, place, text)?;
        Ok((key, value))
    });
    Ok(Target::Labels(labels.collect::<Result<_, _>>()?))
}
