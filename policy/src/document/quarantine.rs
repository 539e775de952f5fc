//! A quarantine as Kubernetes stores it. Owns the fields of its spec and who they mean; what a quarantine does is not
//! decided here. A stored one that is wrong in anything but its target still cuts that off: a typo must not set free who
//! was to be cut off.

use std::fmt;
use std::sync::Arc;

use kith_identity::{SpiffeId, TrustDomain};
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::DocumentError;
use super::header::{self, Header};
use super::name::Name;
use super::object::{ObjectError, Written};
use super::yaml::{Field, Place, Text};
use crate::origin::Origin;

/// What it is called in a document.
pub const KIND: &str = "Quarantine";
/// The longest reason.
pub const MAX_REASON_BYTES: usize = 256;

/// Somebody who is cut off, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantine {
    /// The object's name.
    pub name: Name,
    /// Who is cut off.
    pub target: QuarantineTarget,
    /// One line, for people; may be empty.
    pub reason: Arc<str>,
    /// Which object says so.
    pub origin: Origin,
}

/// Who is cut off.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum QuarantineTarget {
    /// Whoever has this identity.
    Identity(SpiffeId),
    /// Whatever runs as this service account.
    ServiceAccount {
        /// Its namespace.
        namespace: Name,
        /// Its name.
        name: Name,
    },
    /// One pod.
    Pod {
        /// Its namespace.
        namespace: Name,
        /// Its name.
        name: Name,
    },
    /// Whatever runs on this node.
    Node(Name),
}

/// For a column: `ServiceAccount shop/web`.
impl fmt::Display for QuarantineTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity(identity) => write!(f, "{identity}"),
            Self::ServiceAccount { namespace, name } => write!(f, "ServiceAccount {namespace}/{name}"),
            Self::Pod { namespace, name } => write!(f, "Pod {namespace}/{name}"),
            Self::Node(name) => write!(f, "Node {name}"),
        }
    }
}

/// Reads a `Quarantine` of a mesh with this trust domain.
pub fn parse(own: &TrustDomain, object: &Value) -> Result<Quarantine, ObjectError> {
    let written = Written::new("quarantines", object);
    let text = written.text();
    for header in text.read::<Header>()? {
        header::check(header, KIND, &text)?;
    }
    let document = text.read::<RawQuarantine>()?.pop().unwrap_or_default();
    Ok(from_raw(document, own, &text, written.origin())?)
}

/// Whom a stored quarantine cuts off even where [`parse`] refuses it: what is wrong lies beside its target. `None` where
/// the target itself cannot be read, or is more than one.
pub fn target_of(own: &TrustDomain, object: &Value) -> Option<QuarantineTarget> {
    let written = object["spec"].as_object()?;
    let fields = TARGETS.into_iter().filter_map(|field| {
        let value = written.get(field).filter(|value| !value.is_null())?;
        Some((field.to_owned(), value.clone()))
    });
    // The same reader, of an object in which nothing else can be wrong.
    let object = json!({
        "apiVersion": header::API_VERSION,
        "kind": KIND,
        "metadata": { "name": "unnamed" },
        "spec": Value::Object(fields.collect()),
    });
    parse(own, &object).ok().map(|quarantine| quarantine.target)
}

/// The fields that say who.
const TARGETS: [&str; 4] = ["identity", "serviceAccount", "pod", "node"];

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct RawQuarantine {
    #[serde(rename = "apiVersion")]
    _api_version: Field<String>,
    #[serde(rename = "kind")]
    _kind: Field<String>,
    metadata: Field<RawMetadata>,
    spec: Field<RawQuarantineSpec>,
}

/// Without a namespace: it holds for the whole cluster.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct RawMetadata {
    name: Field<String>,
}

/// Who is cut off: exactly one of identity, serviceAccount, pod and node. Their open calls end, new ones and new
/// certificates are refused, in both directions, until the object is deleted.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawQuarantineSpec {
    /// Whoever has this identity of the mesh's own trust domain, such as spiffe://mesh.example/ns/shop/sa/web. It is
    /// compared exactly.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 2048)))]
    identity: Field<String>,
    /// Whatever runs as this service account.
    service_account: Field<RawNamed>,
    /// One pod, of whichever service account.
    pod: Field<RawNamed>,
    /// Whatever runs on the node of this name.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 253)))]
    node: Field<String>,
    /// Why, in one line, for whoever asks later.
    #[cfg_attr(feature = "schema", schemars(length(max = MAX_REASON_BYTES)))]
    reason: Field<String>,
}

/// One of a namespace.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("required" = ["namespace", "name"])))]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct RawNamed {
    /// Its namespace.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 253)))]
    namespace: Field<String>,
    /// Its name.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 253)))]
    name: Field<String>,
}

fn from_raw(
    raw: Field<RawQuarantine>,
    own: &TrustDomain,
    text: &Text<'_>,
    origin: Origin,
) -> Result<Quarantine, DocumentError> {
    let (raw, place) = raw.required("the object", Place::START, text)?;
    let (metadata, metadata_place) = raw.metadata.required("metadata", place, text)?;
    let name = name_from_raw(metadata.name, "name", metadata_place, text)?;
    let (mut spec, spec_place) = raw.spec.required("spec", place, text)?;
    let reason = reason_from_raw(std::mem::take(&mut spec.reason), text)?;
    Ok(Quarantine { name, target: target_from_raw(spec, spec_place, own, text)?, reason, origin })
}

fn target_from_raw(
    raw: RawQuarantineSpec,
    spec: Place,
    own: &TrustDomain,
    text: &Text<'_>,
) -> Result<QuarantineTarget, DocumentError> {
    let service_account = raw.service_account.optional("serviceAccount", text)?;
    let (identity, pod) = (raw.identity.optional("identity", text)?, raw.pod.optional("pod", text)?);
    match (identity, service_account, pod, raw.node) {
        (Some((identity, place)), None, None, Field::Absent) => {
            identity_from_raw(&identity, place, own, text).map(QuarantineTarget::Identity)
        }
        (None, Some((raw, place)), None, Field::Absent) => {
            let (namespace, name) = named_from_raw(raw, place, text)?;
            let identity = SpiffeId::for_service_account(own, &namespace, &name)
                .map_err(|error| text.error(place, format!("it has no identity: {error}")))?;
            not_reserved(&identity, place, text)?;
            Ok(QuarantineTarget::ServiceAccount { namespace, name })
        }
        (None, None, Some((raw, place)), Field::Absent) => {
            let (namespace, name) = named_from_raw(raw, place, text)?;
            Ok(QuarantineTarget::Pod { namespace, name })
        }
        (None, None, None, node @ (Field::Empty(_) | Field::Present(..))) => {
            name_from_raw(node, "node", spec, text).map(QuarantineTarget::Node)
        }
        _ => Err(text.error(spec, format!("a quarantine has exactly one of {}", TARGETS.join(", ")))),
    }
}

fn identity_from_raw(
    written: &str,
    place: Place,
    own: &TrustDomain,
    text: &Text<'_>,
) -> Result<SpiffeId, DocumentError> {
    let identity = SpiffeId::parse(written)
        .map_err(|error| text.error(place, format!("{written:?} is no SPIFFE ID: {error}")))?;
    if identity.trust_domain() != own {
        let message = format!(
            "{identity} is not of the trust domain {own}; only its own control plane can cut it off everywhere"
        );
        return Err(text.error(place, message));
    }
    if identity.path().is_empty() {
        let message = format!("{identity} is a trust domain and no workload; name an identity in it");
        return Err(text.error(place, message));
    }
    not_reserved(&identity, place, text)?;
    Ok(identity)
}

fn not_reserved(identity: &SpiffeId, place: Place, text: &Text<'_>) -> Result<(), DocumentError> {
    if identity.is_reserved() {
        let message = format!(
            "{identity} is the control plane's own identity; without it nobody hears of any quarantine"
        );
        return Err(text.error(place, message));
    }
    Ok(())
}

fn named_from_raw(raw: RawNamed, place: Place, text: &Text<'_>) -> Result<(Name, Name), DocumentError> {
    let namespace = name_from_raw(raw.namespace, "namespace", place, text)?;
    Ok((namespace, name_from_raw(raw.name, "name", place, text)?))
}

fn name_from_raw(
    raw: Field<String>,
    field: &str,
    parent: Place,
    text: &Text<'_>,
) -> Result<Name, DocumentError> {
    let (name, place) = raw.required(field, parent, text)?;
    Name::parse(&name).map_err(|error| text.error(place, error.to_string()))
}

fn reason_from_raw(raw: Field<String>, text: &Text<'_>) -> Result<Arc<str>, DocumentError> {
    let Some((reason, place)) = raw.optional("reason", text)? else { return Ok(Arc::default()) };
    if reason.len() > MAX_REASON_BYTES {
        let message = format!("the reason has {} bytes; say it in at most {MAX_REASON_BYTES}", reason.len());
        return Err(text.error(place, message));
    }
    if reason.contains(char::is_control) {
        return Err(text.error(place, "the reason has a control character in it; say it in one line of text"));
    }
    Ok(reason.into())
}

#[cfg(test)]
mod tests;
