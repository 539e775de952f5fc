//! The one kind of mount that others may put into our containers: tokens that the cluster signs, as clouds give them to
//! every container of a pod. Owns what makes a mount that and nothing else. A pod's author can write our containers
//! before we do, and where a file of the author's choosing is mounted, it can be run as the sidecar's user (K5): what is
//! writable, a ConfigMap, a Secret and even an annotation can each hold a program.

use super::at::At;
use super::refusal::Refusal;
use super::rules;

const FOLDERS: [&str; 2] = ["/var/run/secrets/", "/run/secrets/"];
/// `subPath` and what later versions of Kubernetes know lead elsewhere than to the volume as it was judged.
const FIELDS: [&str; 4] = ["name", "mountPath", "readOnly", "recursiveReadOnly"];

/// Refuses a mount in one of our containers that is not ours, unless it is of tokens alone.
pub(super) fn check(mount: &At<'_>, volumes: &At<'_>) -> Result<(), Refusal> {
    let path = mount.get("mountPath");
    let text = path.text()?.unwrap_or_default();
    let in_place = FOLDERS.iter().any(|folder| text.starts_with(folder)) && !text.contains("..");
    let plain = mount.object()?.is_some_and(|fields| fields.keys().all(|key| FIELDS.contains(&key.as_str())));
    let read_only = mount.get("readOnly").flag()?;
    if in_place && plain && read_only && is_of_tokens(mount.get("name").text()?, volumes)? {
        return Ok(());
    }
    Err(path.refuse(
        "nothing but the injector may mount this into a container of Kith: all that others may is a projected volume \
         with serviceAccountToken sources alone, with readOnly: true and without subPath, below /var/run/secrets/ or \
         /run/secrets/; take the mount away, or keep the webhook that added it away from kith-sidecar and kith-redirect",
    ))
}

/// Whether the volumes of this name have nothing in them but tokens, and are not our own, which are written anew.
fn is_of_tokens(name: Option<&str>, volumes: &At<'_>) -> Result<bool, Refusal> {
    let mut found = false;
    for volume in volumes.list()? {
        if volume.get("name").text()? != name {
            continue;
        }
        found = true;
        let alone = volume
            .object()?
            .is_some_and(|fields| fields.keys().all(|key| ["name", "projected"].contains(&key.as_str())));
        let projected = volume.get("projected");
        // A volume of no kind becomes an emptyDir.
        if !alone || projected.object()?.is_none() || rules::is_ours(volume.value()) {
            return Ok(false);
        }
        for source in projected.get("sources").list()? {
            if !source.object()?.is_some_and(|kinds| kinds.keys().eq(["serviceAccountToken"])) {
                return Ok(false);
            }
        }
    }
    Ok(found)
}
