//! One policy: a named list of rules with an action, and what it applies to. Owns the outermost fields.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::error::{DocumentError, suggestion};
use super::limits;
use super::name::Name;
use super::rule::{self, RawRule, Rule};
use super::target::{self, RawTarget, Targets};
use super::yaml::{Field, Place, Text};
use crate::origin::Origin;

/// What it is called in a document.
pub const KIND: &str = "AuthorizationPolicy";
const ACTIONS: [&str; 2] = ["ALLOW", "DENY"];
/// Of the modes of the language, those that the engine knows.
const MODES: [&str; 1] = ["Enforce"];

/// A valid policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizationPolicy {
    /// Its namespace.
    pub namespace: Name,
    /// Its name.
    pub name: Name,
    /// What it applies to.
    pub targets: Targets,
    /// What a match means.
    pub action: Action,
    /// Any of them; none matches nothing.
    pub rules: Vec<Rule>,
    /// Where it was written.
    pub origin: Option<Origin>,
}

/// What a match means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// The call may pass, unless something denies it.
    Allow,
    /// The call is refused, whatever allows it.
    Deny,
}

impl Action {
    /// As it is written: `ALLOW` or `DENY`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "ALLOW",
            Self::Deny => "DENY",
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawPolicy {
    #[serde(rename = "apiVersion")]
    _api_version: Field<String>,
    #[serde(rename = "kind")]
    _kind: Field<String>,
    metadata: Field<RawMetadata>,
    spec: Field<RawSpec>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct RawMetadata {
    name: Field<String>,
    namespace: Field<String>,
    labels: Field<BTreeMap<String, String>>,
    annotations: Field<BTreeMap<String, String>>,
}

/// Which workloads the policy selects, and which calls to them it allows or denies. What no rule of any policy allows is
/// refused.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawSpec {
    /// Which workloads of the policy's own namespace the policy is for; any of them. Left out: all of them.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = limits::TARGETS)))]
    target_refs: Field<Vec<Field<RawTarget>>>,
    /// What becomes of a call that a rule matches. ALLOW, which is the default, lets it pass unless a DENY matches too; DENY
    /// refuses it, whatever allows it.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ACTIONS), extend("default" = ACTIONS[0])))]
    action: Field<String>,
    /// Whether the policy decides. Enforce, which is the default and the only mode of this version: it does.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = MODES), extend("default" = MODES[0])))]
    mode: Field<String>,
    /// Which calls are meant; any of the rules. None: no call at all.
    #[cfg_attr(feature = "schema", schemars(length(max = limits::RULES)))]
    rules: Field<Vec<Field<RawRule>>>,
}

pub(super) fn from_raw(raw: Field<RawPolicy>, text: &Text<'_>) -> Result<AuthorizationPolicy, DocumentError> {
    let (raw, place) = raw.required("the document", Place::START, text)?;
    let (metadata, metadata_place) = raw.metadata.required("metadata", place, text)?;
    let name = |written: Field<String>, field: &str| {
        let (name, place) = written.required(field, metadata_place, text)?;
        Name::parse(&name).map_err(|error| text.error(place, error.to_string()))
    };
    let (name, namespace) = (name(metadata.name, "name")?, name(metadata.namespace, "namespace")?);
    // Maps of text, or an error; their contents are other people's.
    metadata.labels.optional("labels", text)?;
    metadata.annotations.optional("annotations", text)?;

    let (spec, spec_place) = raw.spec.required("spec", place, text)?;
    let action = action_from_raw(spec.action, text)?;
    check_mode(spec.mode, text)?;
    let rules = rules_from_raw(spec.rules, action, spec_place, &namespace, text)?;
    Ok(AuthorizationPolicy {
        targets: target::from_raw(spec.target_refs, namespace.clone(), text)?,
        namespace,
        name,
        action,
        rules,
        origin: Some(text.origin(place)),
    })
}

fn action_from_raw(raw: Field<String>, text: &Text<'_>) -> Result<Action, DocumentError> {
    // Omitted is ALLOW, as in GEP-3779.
    let Some((action, place)) = raw.optional("action", text)? else { return Ok(Action::Allow) };
    match action.as_str() {
        "ALLOW" => Ok(Action::Allow),
        "DENY" => Ok(Action::Deny),
        other => {
            let message = format!("the action {other:?} is not supported; {}", suggestion(other, &ACTIONS));
            Err(text.error(place, message))
        }
    }
}

/// One that only watches must not be taken for one that decides, nor the other way round: what is not known is refused.
fn check_mode(raw: Field<String>, text: &Text<'_>) -> Result<(), DocumentError> {
    match raw.optional("mode", text)? {
        Some((mode, place)) if !MODES.contains(&mode.as_str()) => {
            let message = format!("the mode {mode:?} is not supported; {}", suggestion(&mode, &MODES));
            Err(text.error(place, message))
        }
        _ => Ok(()),
    }
}

fn rules_from_raw(
    raw: Field<Vec<Field<RawRule>>>,
    action: Action,
    spec: Place,
    namespace: &Name,
    text: &Text<'_>,
) -> Result<Vec<Rule>, DocumentError> {
    let (raw, place) = raw.optional("rules", text)?.unwrap_or((Vec::new(), spec));
    if raw.is_empty() && action == Action::Deny {
        return Err(
            text.error(place, "a DENY policy without rules denies nothing; write a rule, or delete it")
        );
    }
    limits::check(raw.len(), limits::RULES, "rules", place, text)?;
    let mut names = BTreeSet::new();
    let mut rules = Vec::new();
    for (index, raw) in raw.into_iter().enumerate() {
        let rule_place = raw.place();
        let rule = rule::from_raw(raw, place, index + 1, namespace, text)?;
        if action == Action::Deny && rule.matches_nothing() {
            let message =
                "sources is empty, so that this DENY rule denies nothing; leave it out to match anybody";
            return Err(text.error(rule_place, message));
        }
        if !names.insert(rule.name.clone()) {
            let message =
                format!("a rule before this one is already called {}; name it otherwise", rule.name);
            return Err(text.error(rule_place, message));
        }
        rules.push(rule);
    }
    Ok(rules)
}
