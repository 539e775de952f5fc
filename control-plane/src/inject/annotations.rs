//! What a pod's author may decide about its sidecar. Owns the table of annotations and what may stand in each: nothing
//! here reaches a shell, a template or a variable without having been understood (K8).

use std::collections::BTreeMap;

use kith_policy::closest;
use kith_proto::pod::{PortRange, Redirect};
use serde_json::Value;

use super::at::At;
use super::namespace::NamespaceFacts;
use super::quantity::Quantity;
use super::refusal::Refusal;
use super::settings::{LogLevel, Resources, Settings};
use super::workload_api;

const PREFIX: &str = "config.kith.dev/";
/// Written by the injector: the version that injected.
pub(crate) const INJECTED: &str = "config.kith.dev/injected";
/// Which containers get svids for themselves.
pub(super) const WORKLOAD_API: &str = "config.kith.dev/workload-api";
const SKIP_INBOUND: &str = "skip-inbound-ports";
const SKIP_OUTBOUND: &str = "skip-outbound-ports";
const KNOWN: [&str; 9] = [
    SKIP_INBOUND,
    SKIP_OUTBOUND,
    "cpu-request",
    "cpu-limit",
    "memory-request",
    "memory-limit",
    "log-level",
    "workload-api",
    "injected",
];
const MAX_RANGES: usize = 64;
const MAX_BYTES: usize = 1024;

/// What becomes of one pod: the platform's settings, and its author's where they may differ.
#[derive(Debug, Clone)]
pub(super) struct Wishes {
    pub(super) redirect: Redirect,
    pub(super) resources: Resources,
    pub(super) log_level: LogLevel,
    /// Names of the containers that get svids for themselves.
    pub(super) workload_api: Vec<String>,
}

impl Wishes {
    /// Reads the pod's annotations; each that is ours is understood, or the pod is refused.
    pub(super) fn read(
        annotations: &At<'_>,
        namespace: &NamespaceFacts,
        settings: &Settings,
    ) -> Result<Self, Refusal> {
        let injector = &settings.injector;
        let redirect = Redirect { quic: injector.quic, ..Redirect::default() };
        let (resources, log_level) = (injector.resources.clone(), injector.log_level.clone());
        let mut wishes = Self { redirect, resources, log_level, workload_api: Vec::new() };
        for key in annotations.object()?.into_iter().flat_map(|entries| entries.keys()) {
            let Some(name) = key.strip_prefix(PREFIX) else { continue };
            let entry = annotations.get(key);
            let text = entry.text()?.ok_or_else(|| entry.refuse("give it a value, or leave it out"))?;
            wishes.take(name, text, &entry, namespace)?;
        }
        let above = |why: String| Refusal::of_text(annotations.path(), "the amounts of resources", why);
        wishes.resources.check().map_err(above)?;
        Ok(wishes)
    }

    /// Whether a container of this name gets svids for itself.
    pub(super) fn names(&self, container: &At<'_>) -> Result<bool, Refusal> {
        let name = container.get("name").text()?;
        Ok(self.workload_api.iter().any(|named| Some(named.as_str()) == name))
    }

    /// A container with what it was named for; `found` is it before.
    pub(super) fn given(&self, found: &At<'_>, mut container: Value) -> Result<Value, Refusal> {
        if self.names(found)? {
            workload_api::give(found, &mut container)?;
        }
        Ok(container)
    }

    fn take(
        &mut self,
        name: &str,
        text: &str,
        entry: &At<'_>,
        namespace: &NamespaceFacts,
    ) -> Result<(), Refusal> {
        let refuse = |advice: String| Refusal::of_text(entry.path(), text, advice);
        let quantity = || Quantity::parse(text).map_err(|error| refuse(error.to_string()));
        match name {
            SKIP_INBOUND => {
                self.redirect.skip_inbound = permitted(entry, text, &namespace.permit_skip_inbound)?
            }
            SKIP_OUTBOUND => {
                self.redirect.skip_outbound = permitted(entry, text, &namespace.permit_skip_outbound)?
            }
            "cpu-request" => self.resources.requests.cpu = quantity()?,
            "cpu-limit" => self.resources.limits.cpu = quantity()?,
            "memory-request" => self.resources.requests.memory = quantity()?,
            "memory-limit" => self.resources.limits.memory = quantity()?,
            "log-level" => {
                self.log_level = LogLevel::parse(text).map_err(|error| refuse(error.to_string()))?
            }
            "workload-api" => self.workload_api = workload_api::names(entry.path(), text)?,
            // Ours; it is written anew.
            "injected" => {}
            unknown => return Err(refuse(unknown_name(unknown))),
        }
        Ok(())
    }
}

/// Every annotation that a pod may have, as it is written.
pub(crate) fn known_annotations() -> impl Iterator<Item = String> {
    KNOWN.iter().map(|name| format!("{PREFIX}{name}"))
}

/// The annotations of a pod that would be refused for their value, whatever its namespace permits. Names that nobody knows
/// are not among them.
pub(crate) fn misread(annotations: &BTreeMap<String, String>) -> Vec<Refusal> {
    let (redirect, resources, log_level) = (Redirect::default(), Resources::default(), LogLevel::default());
    let mut wishes = Wishes { redirect, resources, log_level, workload_api: Vec::new() };
    let namespace = NamespaceFacts::unseen("");
    let known = annotations.iter().filter_map(|(key, text)| {
        let name = key.strip_prefix(PREFIX).filter(|name| KNOWN.contains(name))?;
        Some((key, name, text))
    });
    let read = known.filter_map(|(key, name, text)| {
        let value = Value::from(text.as_str());
        let entry = At::of(&format!("metadata.annotations[{key}]"), &value);
        wishes.take(name, text, &entry, &namespace).err()
    });
    read.collect()
}

fn unknown_name(name: &str) -> String {
    match closest(name, &KNOWN) {
        Some(meant) => format!("there is no such annotation; did you mean {PREFIX}{meant}?"),
        None => format!("there is no such annotation; known are {PREFIX}{{{}}}", KNOWN[..8].join(", ")),
    }
}

/// Ports that the namespace lets its pods skip (K9).
fn permitted(entry: &At<'_>, text: &str, permitted: &[PortRange]) -> Result<Vec<PortRange>, Refusal> {
    let ranges = port_ranges(entry.path(), text)?;
    match ranges.iter().find(|range| !permitted.iter().any(|allowed| allowed.contains(**range))) {
        None => Ok(ranges),
        Some(range) => Err(Refusal::of_text(
            entry.path(),
            text,
            format!(
                "the namespace does not permit to skip {}; ask its owner for the annotation \
                 config.kith.dev/permit-{}, or leave this one out",
                String::from(*range),
                entry.path().rsplit('/').next().unwrap_or_default().trim_end_matches(']')
            ),
        )),
    }
}

/// Ports and ranges with commas between them, with blanks around each if somebody likes them.
pub(super) fn port_ranges(field: &str, text: &str) -> Result<Vec<PortRange>, Refusal> {
    let refuse = |advice: String| Refusal::of_text(field, text, advice);
    if text.len() > MAX_BYTES || text.split(',').count() > MAX_RANGES {
        return Err(refuse(format!(
            "more than {MAX_RANGES} ranges or {MAX_BYTES} bytes; write ranges such as 8000-8100"
        )));
    }
    let range =
        |part: &str| PortRange::parse(part.trim_matches(' ')).map_err(|error| refuse(error.to_string()));
    text.split(',').map(range).collect()
}
