//! A cluster told in objects, as the API server has them.

mod bounds;
mod policies;
mod properties;
mod quarantines;
mod services;
mod workloads;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;

pub(super) fn ours() -> TrustDomain {
    TrustDomain::parse("mesh.example").unwrap()
}

fn typed<T: DeserializeOwned>(object: Value) -> T {
    serde_json::from_value(object).unwrap()
}

fn metadata(object: &Value) -> ObjectMeta {
    typed(object["metadata"].clone())
}

pub(super) fn apply_pod(object: Value) -> Change {
    let (key, pod) = Pod::read(typed(object)).unwrap();
    Change::Pods(Event::Apply(key, pod))
}

fn apply_service(object: Value) -> Change {
    let (key, service) = Service::read(typed(object)).unwrap();
    Change::Services(Event::Apply(key, service))
}

fn apply_slice(object: Value) -> Change {
    let (key, slice) = EndpointSlice::read(typed(object)).unwrap();
    Change::EndpointSlices(Event::Apply(key, slice))
}

pub(super) fn apply_account(namespace: &str, name: &str) -> Change {
    let object = json!({ "metadata": { "namespace": namespace, "name": name, "uid": format!("sa-{name}") } });
    let (key, account) = ServiceAccount::read(&metadata(&object)).unwrap();
    Change::ServiceAccounts(Event::Apply(key, account))
}

pub(super) fn apply_namespace(name: &str, labels: &Value) -> Change {
    let object = json!({ "metadata": { "name": name, "uid": name, "labels": labels } });
    let (key, namespace) = NamespaceObject::read(metadata(&object)).unwrap();
    Change::Namespaces(Event::Apply(key, namespace))
}

fn apply_policy(object: &Value) -> Change {
    let (key, policy) = PolicyObject::read(&ours(), &metadata(object), object).unwrap();
    Change::AuthorizationPolicies(Event::Apply(key, policy))
}

fn apply_quarantine(object: &Value) -> Change {
    let (key, quarantine) = QuarantineObject::read(&ours(), &metadata(object), object).unwrap();
    Change::Quarantines(Event::Apply(key, quarantine))
}

pub(super) fn cluster(changes: impl IntoIterator<Item = Change>) -> Cluster {
    let mut cluster = Cluster::new(ours());
    for change in changes {
        cluster.take(change);
    }
    cluster
}

/// A running pod of the mesh in `shop`, under the service account of its name.
pub(super) fn pod(name: &str, ips: &[&str]) -> Value {
    let ips: Vec<_> = ips.iter().map(|ip| json!({ "ip": ip })).collect();
    json!({
        "metadata": {
            "namespace": "shop", "name": name, "uid": format!("uid-{name}"),
            "labels": { "app": name }, "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {
            "nodeName": "node-1", "serviceAccountName": name,
            "initContainers": [{ "name": "kith-sidecar", "restartPolicy": "Always" }],
            "containers": [{ "name": "app" }],
        },
        "status": { "phase": "Running", "podIPs": ips },
    })
}

/// The same without a sidecar.
pub(super) fn plain_pod(name: &str, ips: &[&str]) -> Value {
    let mut pod = pod(name, ips);
    pod["spec"]["initContainers"] = Value::Null;
    pod
}
