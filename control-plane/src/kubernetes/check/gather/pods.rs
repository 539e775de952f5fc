//! Pods, as far as the checks are about them.

use std::collections::BTreeMap;
use std::time::SystemTime;

use k8s_openapi::api::core::v1 as core;
use kith_proto::pod::SIDECAR_CONTAINER;
use kube::{Api, ResourceExt as _};

use super::super::facts::{Known, Namespace, Pod};
use super::super::namespaces::is_labelled;
use super::all;
use crate::index::cluster::vocabulary::is_ours;
use crate::inject::{INJECT_LABEL, INJECTED};
use crate::kubernetes::error::Access;
use crate::kubernetes::installation::Installation;

impl Installation {
    pub(super) async fn all_pods(&self) -> Known<Vec<core::Pod>> {
        let api: Api<core::Pod> = Api::all(self.client.clone());
        all(&api, &Access::everywhere("list", "pods")).await
    }
}

/// Those of labelled namespaces, those that have a sidecar, and those that have something of ours written on them.
pub(super) fn of_interest(listed: &Known<Vec<core::Pod>>, namespaces: &[Namespace]) -> Known<Vec<Pod>> {
    let listed = listed.as_ref().map_err(Clone::clone)?;
    let labelled = |name: &str| namespaces.iter().any(|it| it.name == name && is_labelled(it));
    let concerns = |pod: &Pod| {
        pod.in_mesh || labelled(&pod.namespace) || !pod.labels.is_empty() || !pod.annotations.is_empty()
    };
    Ok(listed.iter().map(pod).filter(concerns).collect())
}

fn pod(pod: &core::Pod) -> Pod {
    let has = |map: &BTreeMap<String, String>, key: &str| map.get(key).cloned();
    let (labels, annotations) = (ours(pod.labels()), ours(pod.annotations()));
    let (spec, status) = (pod.spec.as_ref(), pod.status.as_ref());
    let init = spec.and_then(|spec| spec.init_containers.as_deref()).unwrap_or_default();
    let sidecars = status.and_then(|status| status.init_container_statuses.as_deref()).unwrap_or_default();
    let phase = status.and_then(|status| status.phase.as_deref());
    Pod {
        namespace: pod.namespace().unwrap_or_default(),
        name: pod.name_any(),
        service_account: spec.and_then(|spec| spec.service_account_name.clone()).unwrap_or_default(),
        node: spec.and_then(|spec| spec.node_name.clone()).unwrap_or_default(),
        in_mesh: init.iter().any(|container| container.name == SIDECAR_CONTAINER),
        opted_out: has(&labels, INJECT_LABEL).as_deref() == Some("disabled"),
        host_network: spec.is_some_and(|spec| spec.host_network == Some(true)),
        over: matches!(phase, Some("Succeeded" | "Failed")),
        ending: pod.metadata.deletion_timestamp.is_some(),
        created: pod.metadata.creation_timestamp.as_ref().map(|time| SystemTime::from(time.0)),
        sidecar_ready: sidecars.iter().any(|it| it.name == SIDECAR_CONTAINER && it.ready),
        injected: has(&annotations, INJECTED),
        labels,
        annotations,
    }
}

fn ours(map: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let ours = map.iter().filter(|(key, _)| is_ours(key));
    ours.map(|(key, value)| (key.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::{Value, json};

    use super::*;

    fn read(metadata: &Value) -> Pod {
        let init = json!([{ "name": SIDECAR_CONTAINER }]);
        let spec = json!({ "containers": [], "initContainers": init, "serviceAccountName": "web", "nodeName": "n1" });
        pod(&serde_json::from_value(json!({ "metadata": metadata, "spec": spec })).unwrap())
    }

    #[test]
    fn a_pod_is_read_with_its_age_what_it_runs_as_and_whether_it_is_being_deleted() {
        let made = "2026-01-01T00:00:00Z";
        let new = read(&json!({ "name": "web-0", "namespace": "shop", "creationTimestamp": made }));
        assert!(new.in_mesh && new.goes_on());
        assert_eq!((new.service_account.as_str(), new.node.as_str()), ("web", "n1"));
        assert_eq!(new.created, Some(UNIX_EPOCH + Duration::from_secs(1_767_225_600)));
        let ending = read(&json!({ "name": "web-0", "creationTimestamp": made, "deletionTimestamp": made }));
        assert!(!ending.goes_on());
    }
}
