//! One rule: a name, and what a call must be to match it. Owns the fields of an entry of `rules`.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;

use super::error::DocumentError;
use super::limits;
use super::name::Name;
use super::one_or_more::OneOrMore;
use super::operation::{self, Operation, RawOperation};
use super::source::{self, RawSource, Source};
use super::yaml::{Field, Place, Text};
use crate::origin::Origin;

/// All fields must hold; one that is none holds for any call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name within the policy; `rule-N`, counted from 1, when nobody named it.
    pub name: RuleName,
    /// Any of these callers. The one list that may be empty: it matches nobody.
    pub sources: Option<Vec<Source>>,
    /// Any of these ports of the workload.
    pub ports: Option<OneOrMore<u16>>,
    /// Any of these operations.
    pub operations: Option<OneOrMore<Operation>>,
    /// Where it was written.
    pub origin: Option<Origin>,
}

impl Rule {
    /// Whether no call can match, as `sources: []` says.
    pub fn matches_nothing(&self) -> bool {
        self.sources.as_ref().is_some_and(Vec::is_empty)
    }
}

/// A rule's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleName(Arc<str>);

/// Why a text is not a rule's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a rule's name of 1 to 63 letters, digits, '.', '-' and '_'")]
pub struct RuleNameError {
    /// What was written.
    pub text: String,
}

impl RuleName {
    /// Parses a name.
    pub fn parse(text: &str) -> Result<Self, RuleNameError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b".-_".contains(&b);
        let valid = (1..=63).contains(&text.len()) && text.bytes().all(allowed);
        if valid { Ok(Self(text.into())) } else { Err(RuleNameError { text: text.to_owned() }) }
    }

    /// The name of a rule that nobody named; counted from 1.
    pub fn numbered(number: usize) -> Self {
        Self(format!("rule-{number}").into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn shared(&self) -> Arc<str> {
        self.0.clone()
    }
}

impl fmt::Display for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A call matches when every field that is written holds.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawRule {
    /// What logs, metrics and explanations call the rule: letters, digits, '.', '-' and '_', unique in the policy. Left out:
    /// rule-1, rule-2 and so on, by its place.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 63), pattern(r"^[A-Za-z0-9._-]+$")))]
    name: Field<String>,
    /// Who calls; any of them. Left out: anybody with an identity. An empty list: nobody, which a DENY must not say.
    #[cfg_attr(feature = "schema", schemars(length(max = limits::SOURCES)))]
    sources: Field<Vec<Field<RawSource>>>,
    /// What the connection is like.
    network_attributes: Field<RawNetworkAttributes>,
    /// What is asked for; any of them. Left out: anything.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = limits::OPERATIONS)))]
    operations: Field<Vec<Field<RawOperation>>>,
}

/// What a connection is like.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("required" = ["ports"])))]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct RawNetworkAttributes {
    /// The ports of the workload's containers that are called, not those of a Service; any of them.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = limits::PORTS), inner(range(min = 1))))]
    ports: Field<Vec<Field<u16>>>,
}

/// `number` is counted from 1.
pub(super) fn from_raw(
    raw: Field<RawRule>,
    parent: Place,
    number: usize,
    namespace: &Name,
    text: &Text<'_>,
) -> Result<Rule, DocumentError> {
    let (raw, place) = raw.required("an entry of rules", parent, text)?;
    let name = match raw.name.optional("name", text)? {
        Some((name, place)) => {
            RuleName::parse(&name).map_err(|error| text.error(place, error.to_string()))?
        }
        None => RuleName::numbered(number),
    };
    Ok(Rule {
        name,
        sources: sources_from_raw(raw.sources, namespace, text)?,
        ports: ports_from_raw(raw.network_attributes, text)?,
        operations: operations_from_raw(raw.operations, text)?,
        origin: Some(text.origin(place)),
    })
}

fn sources_from_raw(
    raw: Field<Vec<Field<RawSource>>>,
    namespace: &Name,
    text: &Text<'_>,
) -> Result<Option<Vec<Source>>, DocumentError> {
    let Some((sources, place)) = raw.optional("sources", text)? else { return Ok(None) };
    limits::check(sources.len(), limits::SOURCES, "sources", place, text)?;
    let sources = sources.into_iter().map(|raw| source::from_raw(raw, place, namespace, text));
    sources.collect::<Result<_, _>>().map(Some)
}

fn ports_from_raw(
    raw: Field<RawNetworkAttributes>,
    text: &Text<'_>,
) -> Result<Option<OneOrMore<u16>>, DocumentError> {
    let Some((attributes, place)) = raw.optional("networkAttributes", text)? else { return Ok(None) };
    let parse = |port: u16| if port == 0 { Err("0 is not a port") } else { Ok(port) };
    let ports = operation::list(attributes.ports, ("ports", limits::PORTS), text, parse)?;
    // Ports are all that it can hold, so that without them it would match anything by accident.
    ports.ok_or_else(|| text.error(place, "ports is missing in networkAttributes")).map(Some)
}

fn operations_from_raw(
    raw: Field<Vec<Field<RawOperation>>>,
    text: &Text<'_>,
) -> Result<Option<OneOrMore<Operation>>, DocumentError> {
    let Some((operations, place)) = raw.optional("operations", text)? else { return Ok(None) };
    limits::check(operations.len(), limits::OPERATIONS, "operations", place, text)?;
    let operations = operations.into_iter().map(|raw| operation::from_raw(raw, place, text));
    let empty = || text.error(place, "operations is empty; leave it out to match anything");
    OneOrMore::new(operations.collect::<Result<_, _>>()?).ok_or_else(empty).map(Some)
}
