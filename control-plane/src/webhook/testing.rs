//! What the tests of this room share: namespaces, settings, and questions as an API server asks them.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kith_identity::BundleSet;
use serde_json::{Value, json};

use crate::index::World;
use crate::index::cluster::{Change, Cluster, Event, Facts, Kind, NamespaceObject, Pod, ServiceAccount};
use crate::inject::Settings;
use crate::testing::trust_domain;

/// 2026-01-01T00:00:00Z.
pub(super) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_767_225_600)
}

/// The namespace of the installation.
pub(super) const OWN: &str = "kith";
pub(super) const UID: &str = "0a4f9f4e-6c2c-4b7a-8f8e-0d6f1a2b3c4d";

/// Namespaces with the values of their label; an empty one has none.
pub(super) fn facts(namespaces: &[(&str, &str)]) -> Arc<Facts> {
    let (mut cluster, mut facts) = (Cluster::new(trust_domain()), Facts::default());
    for (name, label) in namespaces {
        let labels = if label.is_empty() { json!({}) } else { json!({ "kith.dev/inject": label }) };
        let metadata = json!({ "name": name, "uid": name, "labels": labels });
        let (key, object) = NamespaceObject::read(serde_json::from_value(metadata).unwrap()).unwrap();
        cluster.take(Change::Namespaces(Event::Apply(key, object)));
    }
    facts.refresh(&cluster, Kind::Namespaces);
    Arc::new(facts)
}

/// One that a cluster says: in `shop` there is `web`, which has a sidecar, and `plain`, which has none.
pub(super) fn world() -> World {
    let mut cluster = Cluster::new(trust_domain());
    let account = json!({ "namespace": "shop", "name": "web", "uid": "account" });
    let (key, account) = ServiceAccount::read(&serde_json::from_value(account).unwrap()).unwrap();
    cluster.take(Change::ServiceAccounts(Event::Apply(key, account)));
    let sidecar = json!([{ "name": "kith-sidecar", "restartPolicy": "Always" }]);
    for (name, init, ips) in
        [("web", sidecar, ["10.0.0.1", "fd00::1"]), ("plain", json!([]), ["10.0.0.2", "fd00::2"])]
    {
        let ips = ips.map(|ip| json!({ "ip": ip }));
        let pod = json!({
            "metadata": { "namespace": "shop", "name": name, "uid": name, "labels": { "app": name } },
            "spec": {
                "nodeName": "node-1", "serviceAccountName": "web", "initContainers": init,
                "containers": [{ "name": "app" }],
            },
            "status": { "phase": "Running", "podIPs": ips },
        });
        let (key, pod) = Pod::read(serde_json::from_value(pod).unwrap()).unwrap();
        cluster.take(Change::Pods(Event::Apply(key, pod)));
    }
    let empty = World::new(1, trust_domain(), BundleSet::default());
    empty.replace_cluster(cluster.view()).unwrap()
}

pub(super) fn settings() -> Settings {
    let configuration = json!({
        "trustDomain": "demo.local",
        "controlPlaneAddress": "kith-control-plane.kith.svc:7450",
        "injector": { "sidecarImage": "kith.dev/kith-sidecar:0.1.0" },
    });
    Settings::of_configuration(&configuration, "0.1.0").unwrap()
}

pub(super) fn pod() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "generateName": "web-", "labels": { "app": "web" } },
        "spec": { "containers": [{ "name": "app", "image": "app" }] },
    })
}

/// A new pod in the namespace `shop`.
pub(super) fn new_pod(pod: &Value) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": UID,
            "kind": { "group": "", "version": "v1", "kind": "Pod" },
            "resource": { "group": "", "version": "v1", "resource": "pods" },
            "requestKind": { "group": "", "version": "v1", "kind": "Pod" },
            "requestResource": { "group": "", "version": "v1", "resource": "pods" },
            "namespace": "shop",
            "operation": "CREATE",
            "userInfo": { "username": "system:serviceaccount:kube-system:replicaset-controller" },
            "object": pod,
            "oldObject": null,
            "dryRun": false,
            "options": { "kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1" },
        },
    })
}

/// An ephemeral container joins a pod.
pub(super) fn ephemeral(old: &Value, new: &Value) -> Value {
    let mut review = new_pod(new);
    review["request"]["subResource"] = json!("ephemeralcontainers");
    review["request"]["operation"] = json!("UPDATE");
    review["request"]["oldObject"] = old.clone();
    review
}

/// One of our own objects.
pub(super) fn ours(resource: &str, object: &Value) -> Value {
    let mut review = new_pod(object);
    review["request"]["resource"] =
        json!({ "group": "kith.dev", "version": "v1alpha1", "resource": resource });
    review
}

/// A new namespace `shop`.
pub(super) fn namespace(labels: &Value, annotations: &Value) -> Value {
    let mut review = new_pod(&json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": { "name": "shop", "labels": labels, "annotations": annotations },
    }));
    review["request"]["resource"]["resource"] = json!("namespaces");
    review
}

/// The same, that is there already with other labels.
pub(super) fn changed_namespace(before: &Value, after: &Value) -> Value {
    let mut review = namespace(after, &json!({}));
    review["request"]["operation"] = json!("UPDATE");
    review["request"]["oldObject"] = namespace(before, &json!({}))["request"]["object"].take();
    review
}
