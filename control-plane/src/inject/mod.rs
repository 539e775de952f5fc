//! A pod becomes a member of the mesh. Owns what is added to it, what it must not be, and how its probes are asked from
//! then on; it is one pure function over JSON, so that fields of a newer Kubernetes come out as they went in. Who asks
//! (admission, `kith inject`) and what carries the answer is not its business.
//!
//! ```text
//! namespace ─► left alone? ─► kept (of an earlier injection) ─► annotations ─► rules ─► probes ─► containers ─► patch
//!                  └─► nothing        └──────── any of them refuses: field, value, what to do ────────┘
//! ```
//!
//! The same function is asked again at the end of admission ([`check_pod`]): a pod to which it would still do something
//! is not what it made.

mod annotations;
mod at;
mod check;
mod containers;
mod document;
mod hook_nonce;
mod kept;
mod namespace;
mod patch;
mod probes;
mod quantity;
mod refusal;
mod resolver;
mod rules;
mod settings;
#[cfg(test)]
mod tests;
mod token_mount;
mod workload_api;

use std::fmt;

use kith_proto::pod::{Probes, SIDECAR_CONTAINER};
use serde_json::Value;

pub(crate) use self::annotations::{INJECTED, known_annotations, misread as misread_annotations};
pub use self::check::{check_ephemeral, check_pod, check_update};
pub use self::document::{DocumentRefusal, Outcome, Report, inject_document};
pub use self::hook_nonce::{HookNonce, NoRandomness};
pub(crate) use self::namespace::{CLUSTERS_OWN, PERMIT_SKIP_INBOUND, PERMIT_SKIP_OUTBOUND};
pub use self::namespace::{INJECT_LABEL, Membership, NamespaceFacts};
pub use self::patch::Operation;
pub use self::quantity::{NoQuantity, Quantity};
pub use self::refusal::Refusal;
pub(crate) use self::settings::key_exchange;
pub use self::settings::{
    Amounts, InjectorConfig, LogLevel, NoLogLevel, PullPolicy, Resources, Settings, SettingsError,
};

use self::annotations::{WORKLOAD_API, Wishes};
use self::at::At;
use self::kept::Kept;
use self::probes::Rewriting;
use crate::index::cluster::labels_too_large;

/// What a pod may say of itself: that it is a member, as it would be anyway, or that it stays outside.
pub(crate) const POD_INJECT_VALUES: [&str; 2] = [ENABLED, DISABLED];
const ENABLED: &str = "enabled";
const DISABLED: &str = "disabled";
/// Where the kubelet keeps what it was told by a file: such a pod is shown, and nobody can change it.
const MIRROR: &str = "kubernetes.io/config.mirror";
/// Which container `kubectl logs` and `kubectl exec` mean: never ours.
const DEFAULT_CONTAINER: [&str; 2] =
    ["kubectl.kubernetes.io/default-container", "kubectl.kubernetes.io/default-logs-container"];

/// What is to be done to a pod.
#[derive(Debug, Clone, PartialEq)]
pub enum Injection {
    /// These steps make it a member.
    Patch(Vec<Operation>),
    /// Nothing, and why.
    Nothing(Untouched),
}

/// Why nothing is done to a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Untouched {
    /// Its namespace is not part of the mesh.
    NotLabelled,
    /// It says so, and may.
    OptedOut,
    /// It comes from a file on its node.
    Mirror,
    /// It is a member already.
    AlreadyInjected,
}

impl fmt::Display for Untouched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotLabelled => "its namespace has no label kith.dev/inject",
            Self::OptedOut => "it opted out with the label kith.dev/inject: disabled",
            Self::Mirror => "it comes from a file on its node",
            Self::AlreadyInjected => "it is injected already",
        })
    }
}

/// What makes a pod a member of the mesh; nothing when it is one, or is not to be. `nonce` goes into the paths of its
/// lifecycle hooks; those that have one keep theirs, so that a member is one whatever the nonce.
pub fn inject(
    pod: &Value,
    namespace: &NamespaceFacts,
    settings: &Settings,
    nonce: HookNonce,
) -> Result<Injection, Refusal> {
    if let Some(untouched) = left_alone(&At::root(pod), namespace)? {
        return Ok(Injection::Nothing(untouched));
    }
    let steps = patch::between(pod, &injected(pod, namespace, settings, nonce)?);
    Ok(match steps.is_empty() {
        true => Injection::Nothing(Untouched::AlreadyInjected),
        false => Injection::Patch(steps),
    })
}

/// Whether a pod stays outside the mesh. Where its namespace requires members, it cannot (K1).
fn left_alone(pod: &At<'_>, namespace: &NamespaceFacts) -> Result<Option<Untouched>, Refusal> {
    if namespace.injection == Membership::Off {
        return Ok(Some(Untouched::NotLabelled));
    }
    let (label, mirror) = (
        pod.get("metadata").get("labels").get(INJECT_LABEL),
        pod.get("metadata").get("annotations").get(MIRROR),
    );
    let (field, untouched) = match label.text()? {
        None | Some(ENABLED) if mirror.is_absent() => return Ok(None),
        None | Some(ENABLED) => (mirror, Untouched::Mirror),
        Some(DISABLED) => (label, Untouched::OptedOut),
        Some(_) => {
            return Err(label.refuse("write disabled to keep the pod outside the mesh, or remove the label"));
        }
    };
    if namespace.injection == Membership::Required {
        return Err(field.refuse(format!(
            "the namespace {} requires every pod to be in the mesh; remove it, or run the pod elsewhere",
            namespace.name
        )));
    }
    // By this container the mesh knows its members.
    if let Some(sidecar) = pod.get("spec").get("initContainers").named(SIDECAR_CONTAINER)? {
        return Err(sidecar
            .get("name")
            .refuse("a pod outside the mesh has no sidecar; remove the container"));
    }
    Ok(Some(untouched))
}

/// More than is kept of a workload would close it.
fn check_labels(labels: &At<'_>) -> Result<(), Refusal> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = labels.object()?.into_iter().flatten().map(|(key, value)| (key.clone(), text(value))).collect();
    labels_too_large(&all).map_or(Ok(()), |reason| Err(labels.refuse(reason)))
}

/// The pod as a member.
fn injected(
    pod: &Value,
    namespace: &NamespaceFacts,
    settings: &Settings,
    nonce: HookNonce,
) -> Result<Value, Refusal> {
    let root = At::root(pod);
    let (metadata, spec) = (root.get("metadata"), root.get("spec"));
    metadata.object()?;
    if spec.object()?.is_none() {
        return Err(spec.refuse("a pod has a spec; give it one"));
    }
    check_labels(&metadata.get("labels"))?;
    let kept = Kept::find(&root)?;
    let (init, containers) = (spec.get("initContainers").list()?, spec.get("containers").list()?);
    let init: Vec<At<'_>> = init.into_iter().filter(|found| !kept.has(found.value())).collect();
    let ephemeral = spec.get("ephemeralContainers").list()?;
    let annotations = metadata.get("annotations");
    let wishes = Wishes::read(&annotations, namespace, settings)?;
    let others = [&init[..], &containers].concat();
    let field = annotations.get(WORKLOAD_API);
    workload_api::check_names(field.path(), &wishes.workload_api, &others)?;
    rules::check(&spec, &others, &ephemeral, &wishes)?;
    resolver::check(&spec, settings)?;
    let Some(first) = containers.first() else {
        return Err(spec.get("containers").refuse("a pod has at least one container"));
    };
    let rewriting = Rewriting::new(&spec, &kept.probes, &wishes.redirect.skip_inbound, nonce)?;
    let mut asked = Probes::new();
    let mut rewritten = |found: &[At<'_>]| {
        let each = |found| wishes.given(found, rewriting.container(found, &mut asked)?);
        found.iter().map(each).collect::<Result<Vec<_>, _>>()
    };
    let (init, containers) = (rewritten(&init)?, rewritten(&containers)?);
    let redirect = kept::over(
        kept.redirect,
        containers::redirect(settings, &wishes),
        "spec.initContainers[kith-redirect]",
        &spec.get("volumes"),
    )?;
    let sidecar = kept::over(
        kept.sidecar,
        containers::sidecar(settings, &wishes, &asked),
        "spec.initContainers[kith-sidecar]",
        &spec.get("volumes"),
    )?;

    let mut member = pod.clone();
    member["spec"]["containers"] = containers.into();
    // K6: the redirect is in place, and the sidecar has started, before anything of the user's runs.
    member["spec"]["initContainers"] = [redirect, sidecar].into_iter().chain(init).collect();
    member["spec"]["volumes"] = volumes(&spec, containers::volumes(&wishes), kept.sidecar.is_some())?;
    let annotations = &mut member["metadata"]["annotations"];
    annotations[INJECTED] = settings.version.as_str().into();
    for key in DEFAULT_CONTAINER {
        if annotations.get(key).is_none() {
            annotations[key] = first.get("name").value().clone();
        }
    }
    Ok(member)
}

/// The pod's volumes and ours. Before the first injection, ours are nobody else's.
fn volumes(spec: &At<'_>, mut ours: Vec<Value>, before: bool) -> Result<Value, Refusal> {
    let mut all = Vec::new();
    for volume in spec.get("volumes").list()? {
        let name = volume.get("name");
        let text = name.text()?;
        match ours.iter().position(|ours| ours["name"].as_str() == text) {
            Some(index) if before => all.push(ours.remove(index)),
            None if !rules::is_ours(volume.value()) => all.push(volume.value().clone()),
            _ => {
                return Err(
                    name.refuse("this name is the injector's, for a volume that it adds; choose another one")
                );
            }
        }
    }
    all.extend(ours);
    Ok(all.into())
}
