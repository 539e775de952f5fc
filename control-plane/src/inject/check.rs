//! The last word on a pod, after everybody who may change it did. Owns what a validating webhook asks: whether the pod
//! is still what the injector makes, and whether a container that joins it later may.

use kith_proto::pod::{REDIRECT_CONTAINER, SIDECAR_CONTAINER};
use serde_json::Value;

use super::at::At;
use super::namespace::NamespaceFacts;
use super::refusal::Refusal;
use super::settings::Settings;
use super::{HookNonce, Injection, Operation, inject, rules};

/// In the place of a nonce: what would be done with it is compared, and thrown away.
const COMPARED: HookNonce = HookNonce::known([0; 16]);

/// What the injector adds.
const OURS: [&str; 2] = [SIDECAR_CONTAINER, REDIRECT_CONTAINER];

/// Refuses a pod that the injector would still change: somebody undid what it did, or it was not asked. A hook whose
/// path has no nonce is such a change, too.
pub fn check_pod(pod: &Value, namespace: &NamespaceFacts, settings: &Settings) -> Result<(), Refusal> {
    let Injection::Patch(steps) = inject(pod, namespace, settings, COMPARED)? else { return Ok(()) };
    if !is_member(&At::root(pod))? {
        let containers = At::root(pod).get("spec").get("initContainers");
        return Err(Refusal::of_text(
            containers.path(),
            "without kith-sidecar",
            "the injector was not asked about this pod, or another webhook undid its work; see kith check",
        ));
    }
    let path = steps.first().map(Operation::path).unwrap_or_default();
    let found = pod.pointer(path).unwrap_or(&Value::Null);
    Err(Refusal::new(
        path,
        found,
        "this is not what the injector writes; keep the webhook that changed it away from it, or let it come first",
    ))
}

/// Refuses an ephemeral container that would have what is the sidecar's alone (K4). `old` and `new` are the pod before
/// and after.
pub fn check_ephemeral(old: &Value, new: &Value) -> Result<(), Refusal> {
    let (old, new) = (At::root(old), At::root(new));
    if !is_member(&new)? {
        return Ok(());
    }
    let before = old.get("spec").get("ephemeralContainers").list()?;
    for container in new.get("spec").get("ephemeralContainers").list()? {
        // Those that are there already cannot be changed, and must not keep others out.
        if before.iter().any(|before| before.value() == container.value()) {
            continue;
        }
        rules::check_ephemeral(&container)?;
        let target = container.get("targetContainerName");
        if target.text()?.is_some_and(|name| OURS.contains(&name)) {
            return Err(target
                .refuse("the sidecar's key could be read through its processes; name another container"));
        }
    }
    Ok(())
}

/// Refuses a change of our own containers in a pod that is there: Kubernetes lets whoever may update a pod put another
/// image in their place, and what would run then has the pod's identity and the network of nobody's choosing (A9).
/// `old` and `new` are the pod before and after.
pub fn check_update(old: &Value, new: &Value) -> Result<(), Refusal> {
    let (old, new) = (At::root(old), At::root(new));
    let containers = new.get("spec").get("initContainers");
    for name in OURS {
        let Some(before) = old.get("spec").get("initContainers").named(name)? else { continue };
        match containers.named(name)? {
            Some(after) if after.value() == before.value() => {}
            Some(after) => {
                return Err(
                    after.refuse("what makes the pod a member is not changed while it runs; delete the pod")
                );
            }
            None => {
                return Err(
                    containers.refuse("what makes the pod a member is not taken away; delete the pod")
                );
            }
        }
    }
    Ok(())
}

fn is_member(pod: &At<'_>) -> Result<bool, Refusal> {
    Ok(pod.get("spec").get("initContainers").named(SIDECAR_CONTAINER)?.is_some())
}
