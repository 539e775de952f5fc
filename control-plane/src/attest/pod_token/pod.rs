//! Whether a pod that exists is the one a token is of. Pure: the pod as the index has it, or as the API server does.

use k8s_openapi::api::core::v1::Pod;
use kith_proto::pod::SIDECAR_CONTAINER;

use super::error::PodTokenError;
use super::token::Claims;
use crate::index::Workload;

/// What the index has are pods in the mesh that have not ended. The workload was found by the pod's uid.
pub(super) fn fits_known(claims: &Claims, workload: &Workload) -> Result<(), PodTokenError> {
    if workload.name != format!("{}/{}", claims.namespace, claims.pod) {
        return Err(PodTokenError::OtherPod);
    }
    if (&workload.namespace, &workload.service_account) != (&claims.namespace, &claims.service_account) {
        return Err(PodTokenError::OtherServiceAccount);
    }
    fits_node(claims, workload.node.as_deref())
}

/// Also a pod that is ending: it serves until it has, and the API server still vouches for it.
pub(super) fn fits(claims: &Claims, pod: &Pod) -> Result<(), PodTokenError> {
    if pod.metadata.uid.as_deref() != Some(&claims.pod_uid) {
        return Err(PodTokenError::OtherPod);
    }
    let spec = pod.spec.as_ref().ok_or(PodTokenError::OtherPod)?;
    if spec.service_account_name.as_deref() != Some(&claims.service_account) {
        return Err(PodTokenError::OtherServiceAccount);
    }
    fits_node(claims, spec.node_name.as_deref())?;
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    if !matches!(phase, Some("Pending" | "Running")) {
        return Err(PodTokenError::Ended);
    }
    // Which containers a pod has never changes, only this one makes it a member, and admission lets nobody but the
    // injector name one so. A label would not do: its namespace may have lost it since, and the pod goes on.
    let in_mesh = spec.init_containers.iter().flatten().any(|container| container.name == SIDECAR_CONTAINER);
    if in_mesh { Ok(()) } else { Err(PodTokenError::NotInMesh) }
}

fn fits_node(claims: &Claims, node: Option<&str>) -> Result<(), PodTokenError> {
    match claims.node.as_deref() {
        Some(claimed) if node != Some(claimed) => Err(PodTokenError::OtherNode),
        _ => Ok(()),
    }
}
