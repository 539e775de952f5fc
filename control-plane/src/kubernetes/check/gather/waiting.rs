//! Why the control plane's pods are not ready, as far as Kubernetes says it: the cause itself, and not where to look for it.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, PersistentVolumeClaim, Pod};
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};

use super::super::facts::{self, Known};
use super::all;
use super::events::{Said, short};
use crate::kubernetes::error::{Access, answer};
use crate::kubernetes::installation::{CONTROL_PLANE, Installation, SELECTOR, is_ready, state};

impl Installation {
    /// How many pods there are, and what those that are not ready wait for.
    pub(super) async fn replicas(&self, deployment: &Deployment) -> facts::Deployment {
        let status = deployment.status.clone().unwrap_or_default();
        let seen = status.observed_generation >= deployment.metadata.generation;
        let updated = status.updated_replicas.unwrap_or_default();
        let ready = if seen { status.ready_replicas.unwrap_or_default().min(updated) } else { 0 };
        let wanted = deployment.spec.replicas.unwrap_or(1);
        let waiting = if ready >= wanted { Vec::new() } else { self.waiting(deployment).await };
        facts::Deployment { wanted, ready, waiting }
    }

    async fn waiting(&self, deployment: &Deployment) -> Vec<String> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let access = Access::within(&self.namespace, "list", "pods");
        let pods = match answer(&access, pods.list(&ListParams::default().labels(SELECTOR))).await {
            Ok(pods) => pods.items,
            Err(error) => return vec![format!("what its pods wait for is not known: {error}")],
        };
        let claims: Api<PersistentVolumeClaim> = Api::namespaced(self.client.clone(), &self.namespace);
        let access = Access::within(&self.namespace, "list", "persistentvolumeclaims");
        let (claims, said) = (all(&claims, &access).await, self.said_in(&self.namespace).await);
        causes(deployment, &pods, &claims, &said)
    }
}

/// Each sentence names an object and the cause.
fn causes(
    deployment: &Deployment,
    pods: &[Pod],
    claims: &Known<Vec<PersistentVolumeClaim>>,
    said: &Known<Vec<Said>>,
) -> Vec<String> {
    let heard = said.as_deref().unwrap_or_default();
    let unready: Vec<_> = pods.iter().filter(|pod| !is_ready(pod)).collect();
    let mut causes: Vec<_> = unready.iter().map(|pod| of_pod(pod, heard)).collect();
    if unready.iter().any(|pod| is_unscheduled(pod)) {
        match claims {
            Ok(claims) => causes.extend(claims.iter().filter_map(|claim| of_claim(claim, heard))),
            Err(reason) => causes.push(format!("whether its claim is bound is not known: {reason}")),
        }
    }
    if pods.is_empty() {
        causes.push(no_pod(deployment, heard));
    }
    if let Err(reason) = said {
        causes.push(format!("what was said of them is not known: {reason}"));
    }
    causes
}

fn of_pod(pod: &Pod, said: &[Said]) -> String {
    let name = pod.name_any();
    if let Some(ended) = ended(pod) {
        return format!("the pod {name} ends again and again: {}", how(ended));
    }
    let state = short(&state(pod));
    if is_unscheduled(pod) {
        return format!("the pod {name} has no node: {state}");
    }
    let of_pod = said.iter().rev().find(|it| it.kind == "Pod" && it.name == name && it.is_warning);
    // What a container waits for says it all; that it waits, or runs, nothing.
    match of_pod.filter(|_| !state.contains(": ")) {
        Some(said) => format!("the pod {name} is {state}: {}: {}", said.reason, said.message),
        None => format!("the pod {name} is {state}"),
    }
}

/// How a container of it ended the last time, where one did.
fn ended(pod: &Pod) -> Option<&ContainerStateTerminated> {
    let status = pod.status.as_ref()?;
    let containers = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    let mut unready = containers.filter(|container| !container.ready);
    unready.find_map(|container| {
        let now = container.state.as_ref().and_then(|state| state.terminated.as_ref());
        let before = || container.last_state.as_ref().and_then(|state| state.terminated.as_ref());
        now.or_else(before).filter(|ended| ended.exit_code != 0)
    })
}

/// The last thing that it said, or else what the node says of it.
fn how(ended: &ContainerStateTerminated) -> String {
    let message = ended.message.as_deref().unwrap_or_default();
    match message.lines().rfind(|line| !line.trim().is_empty()) {
        Some(line) => format!("exit code {}: {}", ended.exit_code, short(line)),
        None => format!("exit code {} ({})", ended.exit_code, ended.reason.as_deref().unwrap_or("no reason")),
    }
}

fn is_unscheduled(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "PodScheduled" && condition.status == "False")
}

/// Of a claim that has no volume.
fn of_claim(claim: &PersistentVolumeClaim, said: &[Said]) -> Option<String> {
    let phase = claim.status.as_ref()?.phase.as_deref().filter(|phase| *phase != "Bound")?;
    let name = claim.name_any();
    let said = said.iter().rev().find(|it| it.kind == "PersistentVolumeClaim" && it.name == name);
    let why = said.map(|said| format!(": {}", said.message)).unwrap_or_default();
    Some(format!("the claim {name} is {phase}{why}"))
}

/// Why there is none at all.
fn no_pod(deployment: &Deployment, said: &[Said]) -> String {
    let conditions = deployment.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let mut failures = conditions
        .into_iter()
        .filter(|it| it.type_.as_deref() == Some("ReplicaFailure") && it.status.as_deref() == Some("True"));
    let own = format!("{CONTROL_PLANE}-");
    let ours =
        |it: &&Said| it.kind == "ReplicaSet" && it.name.starts_with(&own) && it.reason == "FailedCreate";
    let told = failures.find_map(|failure| failure.message.as_deref().map(short));
    match told.or_else(|| said.iter().rev().find(ours).map(|said| said.message.clone())) {
        Some(message) => format!("its pod is not made: {message}"),
        None => "it has no pod".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::events::in_order;
    use super::*;

    fn told(pods: &Value, claims: &Value, events: &Value, conditions: &Value) -> String {
        let status = json!({ "conditions": conditions });
        let template = json!({ "spec": { "containers": [] } });
        let spec = json!({ "selector": {}, "template": template });
        let deployment = serde_json::from_value(json!({ "spec": spec, "status": status })).unwrap();
        let pods: Vec<Pod> = serde_json::from_value(pods.clone()).unwrap();
        let claims = Ok(serde_json::from_value(claims.clone()).unwrap());
        let events = Ok(in_order(serde_json::from_value(events.clone()).unwrap()));
        causes(&deployment, &pods, &claims, &events).join("\n")
    }

    fn pod(status: &Value) -> Value {
        json!([{ "metadata": { "name": "kith-control-plane-x" }, "status": status }])
    }

    fn container(state: &Value, last: &Value) -> Value {
        json!([{ "name": "control-plane", "image": "", "imageID": "", "ready": false, "restartCount": 3,
                 "state": state, "lastState": last }])
    }

    fn event(kind: &str, name: &str, reason: &str, message: &str, at: &str) -> Value {
        json!({ "metadata": {}, "type": "Warning", "reason": reason, "message": message, "lastTimestamp": at,
                "involvedObject": { "kind": kind, "name": name, "namespace": "kith" } })
    }

    fn none() -> Value {
        json!([])
    }

    const NOW: &str = "2026-01-01T00:00:10Z";
    const BEFORE: &str = "2026-01-01T00:00:00Z";

    #[test]
    fn a_secret_that_is_missing_is_named() {
        let creating = json!({ "waiting": { "reason": "ContainerCreating" } });
        let status = json!({ "phase": "Pending", "containerStatuses": container(&creating, &json!({})) });
        let missing = "MountVolume.SetUp failed for volume \"key\" : secret \"kith-key\" not found";
        let events = json!([
            event("Pod", "kith-control-plane-x", "FailedMount", missing, NOW),
            event("Pod", "kith-control-plane-x", "FailedScheduling", "of before", BEFORE),
            event("Pod", "another", "FailedMount", "of another", NOW),
        ]);
        let said = told(&pod(&status), &none(), &events, &none());
        assert_eq!(
            said,
            format!("the pod kith-control-plane-x is ContainerCreating: FailedMount: {missing}")
        );
    }

    #[test]
    fn an_image_that_is_not_there_is_named() {
        let waiting =
            json!({ "waiting": { "reason": "ImagePullBackOff", "message": "no such image: a/b:1" } });
        let status = json!({ "phase": "Pending", "containerStatuses": container(&waiting, &json!({})) });
        let events = json!([event("Pod", "kith-control-plane-x", "BackOff", "Back-off", NOW)]);
        let said = told(&pod(&status), &none(), &events, &none());
        assert_eq!(said, "the pod kith-control-plane-x is ImagePullBackOff: no such image: a/b:1");
    }

    #[test]
    fn of_a_pod_that_crashes_the_last_words_are_told() {
        let waiting = json!({ "waiting": { "reason": "CrashLoopBackOff", "message": "back-off 10s" } });
        for (last, said) in [
            (
                json!({ "exitCode": 1, "message": "starting\nsealKeyFile: 31 bytes are not a key\n\n" }),
                "exit code 1: sealKeyFile: 31 bytes are not a key",
            ),
            (json!({ "exitCode": 137, "reason": "OOMKilled" }), "exit code 137 (OOMKilled)"),
        ] {
            let status = json!({ "phase": "Running", "containerStatuses": container(&waiting, &json!({ "terminated": last })) });
            let got = told(&pod(&status), &none(), &none(), &none());
            assert_eq!(got, format!("the pod kith-control-plane-x ends again and again: {said}"));
        }
    }

    #[test]
    fn a_claim_without_a_volume_is_named_with_its_reason() {
        let unscheduled = json!([{ "type": "PodScheduled", "status": "False", "message": "pod has unbound immediate PersistentVolumeClaims" }]);
        let claims = json!([
            { "metadata": { "name": "kith-state" }, "status": { "phase": "Pending" } },
            { "metadata": { "name": "other" }, "status": { "phase": "Bound" } },
        ]);
        let events = json!([event(
            "PersistentVolumeClaim",
            "kith-state",
            "ProvisioningFailed",
            "storageclass \"fast\" not found",
            NOW
        )]);
        let said =
            told(&pod(&json!({ "phase": "Pending", "conditions": unscheduled })), &claims, &events, &none());
        assert!(said.contains("unbound immediate PersistentVolumeClaims\n"), "{said}");
        assert!(said.ends_with("the claim kith-state is Pending: storageclass \"fast\" not found"), "{said}");
    }

    #[test]
    fn why_no_pod_is_made_is_told() {
        let refused = "pods \"x\" is forbidden: exceeded quota";
        let failure = json!([{ "type": "ReplicaFailure", "status": "True", "message": refused }]);
        assert_eq!(told(&none(), &none(), &none(), &failure), format!("its pod is not made: {refused}"));
        let events = json!([event("ReplicaSet", "kith-control-plane-5d", "FailedCreate", refused, NOW)]);
        assert_eq!(told(&none(), &none(), &events, &none()), format!("its pod is not made: {refused}"));
        assert_eq!(told(&none(), &none(), &none(), &none()), "it has no pod");
    }

    #[test]
    fn what_may_not_be_read_is_said() {
        let unscheduled = json!([{ "type": "PodScheduled", "status": "False", "message": "no node" }]);
        let pods: Vec<Pod> = serde_json::from_value(pod(&json!({ "conditions": unscheduled }))).unwrap();
        let no = || "you may not look".to_owned();
        let said = causes(&Deployment::default(), &pods, &Err(no()), &Err(no()));
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(said[1..].iter().all(|said| said.contains("not known: you may not look")), "{said:?}");
    }
}
