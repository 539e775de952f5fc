//! One installation of Kith in a cluster, for a person with a kubeconfig. Owns how its control plane is found: by the labels
//! of its pod, in the namespace that it is installed in; and where its configuration is.

use std::fmt;
use std::path::{Path, PathBuf};

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::ListParams;
use kube::config::Kubeconfig;
use kube::{Api, Client, ResourceExt as _};

use super::client;
use super::error::{Access, ClusterError, answer};

/// What everything of ours is called.
pub(super) const CONTROL_PLANE: &str = "kith-control-plane";
/// What the chart puts on the control plane's pod.
pub(super) const SELECTOR: &str = "app.kubernetes.io/name=kith,app.kubernetes.io/component=control-plane";

/// Where the chart puts the control plane's configuration.
const CONFIG_MAP: &str = "kith-config";
const CONFIG_KEY: &str = "config.yaml";

/// An installation, and the rights of whoever asks. Clones share connections.
#[derive(Clone)]
pub struct Installation {
    pub(super) client: Client,
    pub(super) namespace: String,
    context: Option<String>,
}

impl Installation {
    /// That of a namespace, in the cluster of these kubeconfigs, the first of which wins where they differ.
    pub async fn of(files: &[PathBuf], context: Option<&str>, namespace: &str) -> Result<Self, ClusterError> {
        let client = client::from_kubeconfig(files, context).await?;
        let context =
            context.map(str::to_owned).or_else(|| files.iter().find_map(|file| current_context(file)));
        Ok(Self { client, namespace: namespace.to_owned(), context })
    }

    /// Where it is installed.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The context of the kubeconfig that leads there.
    pub fn context(&self) -> Option<&str> {
        self.context.as_deref()
    }

    /// The text of its control plane's configuration, where there is one.
    pub async fn configuration(&self) -> Result<Option<String>, ClusterError> {
        let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.namespace);
        let access = Access::within(&self.namespace, "get", "configmaps");
        let stored = answer(&access, maps.get_opt(CONFIG_MAP)).await?;
        Ok(stored.and_then(|map| map.data?.remove(CONFIG_KEY)))
    }

    /// The pod of the control plane, if one is ready.
    pub(super) async fn ready_pod(&self) -> Result<Pod, ClusterError> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let access = Access::within(&self.namespace, "list", "pods");
        let listed = answer(&access, pods.list(&ListParams::default().labels(SELECTOR))).await?.items;
        match listed.iter().find(|pod| is_ready(pod)) {
            Some(pod) => Ok(pod.clone()),
            None => Err(self.not_ready(&listed).await?),
        }
    }

    async fn not_ready(&self, pods: &[Pod]) -> Result<ClusterError, ClusterError> {
        let namespace = self.namespace.clone();
        if let Some(pod) = pods.first() {
            let reason = format!("the pod {} is {}", pod.name_any(), state(pod));
            return Ok(ClusterError::NotReady { namespace, reason });
        }
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), &self.namespace);
        let access = Access::within(&self.namespace, "get", "deployments.apps");
        Ok(match answer(&access, deployments.get_opt(CONTROL_PLANE)).await? {
            Some(_) => ClusterError::NotReady { namespace, reason: "it has no pod".to_owned() },
            None => ClusterError::NotInstalled { namespace },
        })
    }
}

/// For people: where it is.
impl fmt::Display for Installation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{CONTROL_PLANE} in the namespace {}", self.namespace)?;
        match &self.context {
            Some(context) => write!(f, " (context {context})"),
            None => Ok(()),
        }
    }
}

/// Of the client nothing is shown: it has credentials.
impl fmt::Debug for Installation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Installation({self}, ..)")
    }
}

/// A file that cannot be read was complained about before.
fn current_context(file: &Path) -> Option<String> {
    Kubeconfig::read_from(file).ok()?.current_context.filter(|context| !context.is_empty())
}

/// Whether a pod is ready, and not about to end.
pub(super) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let ready =
        conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    ready && pod.metadata.deletion_timestamp.is_none()
}

/// Why a pod is not ready, as far as its status says it: what its containers wait for, or its phase.
pub(super) fn state(pod: &Pod) -> String {
    if pod.metadata.deletion_timestamp.is_some() {
        return "ending".to_owned();
    }
    let Some(status) = &pod.status else { return "new".to_owned() };
    let containers = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    let waiting = containers.filter_map(|container| container.state.as_ref()?.waiting.as_ref());
    let told = waiting.filter_map(|waiting| {
        let reason = waiting.reason.as_deref()?;
        let message = waiting.message.as_deref().map(|message| format!(": {message}"));
        Some(format!("{reason}{}", message.unwrap_or_default()))
    });
    let unscheduled = status.conditions.iter().flatten().filter_map(|condition| {
        let waits = condition.type_ == "PodScheduled" && condition.status == "False";
        condition.message.clone().filter(|_| waits)
    });
    let phase = || status.phase.clone().unwrap_or_else(|| "not ready".to_owned());
    told.chain(unscheduled).next().unwrap_or_else(phase)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(object: Value) -> Pod {
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn only_a_pod_that_is_ready_and_stays_is_asked() {
        let ready = json!([{ "type": "Ready", "status": "True" }]);
        let status = json!({ "phase": "Running", "conditions": ready });
        assert!(is_ready(&pod(json!({ "metadata": { "name": "a" }, "status": status }))));
        let ending = json!({ "name": "a", "deletionTimestamp": "2026-01-01T00:00:00Z" });
        let ending = pod(json!({ "metadata": ending, "status": status }));
        assert!(!is_ready(&ending));
        assert_eq!(state(&ending), "ending");
        assert!(!is_ready(&pod(json!({ "metadata": { "name": "a" }, "status": { "phase": "Running" } }))));
    }

    #[test]
    fn what_a_pod_waits_for_is_told() {
        let waiting = json!({ "waiting": { "reason": "ImagePullBackOff", "message": "no such image" } });
        let containers = json!([{
            "name": "control-plane", "image": "x", "imageID": "", "ready": false, "restartCount": 0, "state": waiting
        }]);
        let status = json!({ "phase": "Pending", "containerStatuses": containers });
        assert_eq!(
            state(&pod(json!({ "metadata": {}, "status": status }))),
            "ImagePullBackOff: no such image"
        );
        let unscheduled =
            json!([{ "type": "PodScheduled", "status": "False", "message": "0/1 nodes are available" }]);
        let status = json!({ "phase": "Pending", "conditions": unscheduled });
        assert_eq!(state(&pod(json!({ "metadata": {}, "status": status }))), "0/1 nodes are available");
        assert_eq!(state(&pod(json!({ "metadata": {}, "status": { "phase": "Failed" } }))), "Failed");
    }
}
