//! How one ConfigMap is written, also over one that refuses it. Owns what is done on which answer.
//!
//! Whoever may change ConfigMaps in a namespace can make one that takes our fields never again: `immutable`, or the same
//! key in `binaryData`. The API server then calls what we write invalid, for ever; so that map is deleted, and written
//! anew. A finalizer must not keep it either: none can be added once it is being deleted, and those there are taken off.

use k8s_openapi::api::core::v1::ConfigMap;
use kith_proto::pod::TRUST_CONFIG_MAP;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Api, Client};
use serde_json::json;
use tracing::warn;

use crate::kubernetes::{FIELD_MANAGER, unless_gone};

/// Whether what is there refuses the write: without it, it is written. Nothing less is worth a deletion: a conflict, an
/// overload or a missing right pass by.
fn is_invalid(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 422)
}

/// By server-side apply: our fields become as they should be whoever changed them, and those of others stay.
pub(super) async fn write(client: Client, namespace: &str, map: &ConfigMap) -> kube::Result<ConfigMap> {
    let maps: Api<ConfigMap> = Api::namespaced(client, namespace);
    let error = match apply(&maps, map).await {
        Ok(written) => return Ok(written),
        Err(error) => error,
    };
    if !is_invalid(&error) {
        return Err(error);
    }
    let Some(there) = maps.get_opt(TRUST_CONFIG_MAP).await? else { return Err(error) };
    warn!(namespace, %error, "ConfigMap kith-trust cannot be mended; it is deleted and written anew");
    delete(&maps, &there).await?;
    apply(&maps, map).await
}

async fn apply(maps: &Api<ConfigMap>, map: &ConfigMap) -> kube::Result<ConfigMap> {
    maps.patch(TRUST_CONFIG_MAP, &PatchParams::apply(FIELD_MANAGER).force(), &Patch::Apply(map)).await
}

/// That one, and not what somebody has put in its place since.
async fn delete(maps: &Api<ConfigMap>, there: &ConfigMap) -> kube::Result<()> {
    let uid = there.metadata.uid.clone();
    let only = Preconditions { uid: uid.clone(), ..Preconditions::default() };
    let deleted = maps.delete(TRUST_CONFIG_MAP, &DeleteParams::default().preconditions(only)).await;
    unless_gone(deleted)?;
    if there.metadata.finalizers.as_ref().is_some_and(|finalizers| !finalizers.is_empty()) {
        // Another `uid` is a conflict.
        let released = json!({ "metadata": { "uid": uid, "finalizers": null } });
        unless_gone(
            maps.patch_metadata(TRUST_CONFIG_MAP, &PatchParams::default(), &Patch::Merge(released)).await,
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
