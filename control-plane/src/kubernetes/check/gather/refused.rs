//! Pods that somebody wants in namespaces of the mesh, and that the API server does not make: for want of a right of theirs, of
//! quota, or because we, Pod Security or somebody else refuse them; and in any other those that come with a sidecar. Only who
//! wants them hears of it.

use std::collections::BTreeMap;

use kube::Api;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::Value;

use super::super::facts::{Known, Namespace, Refused};
use super::super::namespaces::is_injected;
use super::super::pods::MEMBERS_POLICY;
use super::events::Said;
use crate::kubernetes::error::{Access, answer};
use crate::kubernetes::installation::Installation;

/// What each that makes pods says when it cannot.
const REASON: &str = "FailedCreate";
/// Who is asked whether it is still so; the others are believed.
const MOST_ASKED: usize = 32;

impl Installation {
    pub(super) async fn refused(&self, namespaces: &[Namespace]) -> Known<Vec<Refused>> {
        let said = self.said_because_of(REASON).await?;
        let mut refused = latest(&said, &self.namespace, namespaces);
        let mut still = Vec::new();
        for (asked, refusal) in refused.drain(..).enumerate() {
            if asked >= MOST_ASKED || self.is_still_so(&refusal).await {
                still.push(refusal);
            }
        }
        Ok(still)
    }

    /// What cannot be asked is believed.
    async fn is_still_so(&self, refused: &Refused) -> bool {
        let Some((group, plural)) = kind_of(&refused.kind) else { return true };
        let gvk = GroupVersionKind::gvk(group, "v1", &refused.kind);
        let resource = ApiResource::from_gvk_with_plural(&gvk, plural);
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &refused.namespace, &resource);
        let access = Access::within(&refused.namespace, "get", plural);
        match answer(&access, api.get_opt(&refused.name)).await {
            Ok(Some(object)) => lacks_pods(&refused.kind, &object.data),
            Ok(None) => false,
            Err(_) => true,
        }
    }
}

/// The API group of who makes pods, and the plural of its kind.
fn kind_of(kind: &str) -> Option<(&'static str, &'static str)> {
    match kind {
        "ReplicaSet" => Some(("apps", "replicasets")),
        "StatefulSet" => Some(("apps", "statefulsets")),
        "DaemonSet" => Some(("apps", "daemonsets")),
        "Job" => Some(("batch", "jobs")),
        _ => None,
    }
}

/// The last that each of them said, the newest first.
fn latest(said: &[Said], own: &str, namespaces: &[Namespace]) -> Vec<Refused> {
    let injected = |name: &str| namespaces.iter().any(|it| it.name == name && is_injected(own, it));
    let concerns = |said: &Said| injected(&said.namespace) || said.message.contains(MEMBERS_POLICY);
    let mut last = BTreeMap::new();
    for (index, said) in said.iter().enumerate().filter(|(_, said)| concerns(said)) {
        last.insert((&said.namespace, &said.kind, &said.name), index);
    }
    let mut indices: Vec<_> = last.into_values().collect();
    indices.sort_unstable_by(|one, other| other.cmp(one));
    let refused = |index: usize| Refused {
        namespace: said[index].namespace.clone(),
        kind: said[index].kind.clone(),
        name: said[index].name.clone(),
        message: said[index].message.clone(),
    };
    indices.into_iter().map(refused).collect()
}

/// Whether it has fewer pods than it wants.
fn lacks_pods(kind: &str, object: &Value) -> bool {
    let number = |path: &str| object.pointer(path).and_then(Value::as_i64);
    let of_status = |name: &str| number(&format!("/status/{name}")).unwrap_or_default();
    match kind {
        "ReplicaSet" | "StatefulSet" => of_status("replicas") < number("/spec/replicas").unwrap_or(1),
        "DaemonSet" => of_status("currentNumberScheduled") < of_status("desiredNumberScheduled"),
        "Job" => {
            let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
            let ended = conditions.into_iter().flatten().any(|condition| {
                matches!(condition["type"].as_str(), Some("Complete" | "Failed" | "Suspended"))
                    && condition["status"] == "True"
            });
            !ended && of_status("active") == 0
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::events::in_order;
    use super::*;

    const BY_POLICY: &str = "pods \"y\" is forbidden: ValidatingAdmissionPolicy 'kith-members' with binding 'kith-members' denied request: no";

    fn said(namespace: &str, name: &str, message: &str, at: &str) -> Value {
        json!({ "metadata": {}, "type": "Warning", "reason": REASON, "message": message, "lastTimestamp": at,
                "involvedObject": { "kind": "ReplicaSet", "name": name, "namespace": namespace } })
    }

    #[test]
    fn the_last_that_was_said_in_a_labelled_namespace_counts_and_of_a_sidecar_in_any() {
        let events = json!([
            said("shop", "web", "(combined from similar events): new", "2026-01-01T00:00:02Z"),
            said("shop", "web", "old", "2026-01-01T00:00:01Z"),
            said("shop", "orders", "quota", "2026-01-01T00:00:03Z"),
            said("elsewhere", "x", "no", "2026-01-01T00:00:03Z"),
            said("elsewhere", "y", BY_POLICY, "2026-01-01T00:00:04Z"),
        ]);
        let labels = [("kith.dev/inject".to_owned(), "enabled".to_owned())].into();
        let shop = Namespace { name: "shop".into(), labels, ..Namespace::default() };
        let elsewhere = Namespace { name: "elsewhere".into(), ..Namespace::default() };
        let refused = latest(&in_order(serde_json::from_value(events).unwrap()), "kith", &[shop, elsewhere]);
        let told: Vec<_> = refused.iter().map(|it| format!("{}: {}", it.owner(), it.message)).collect();
        let policy = format!("ReplicaSet elsewhere/y: {BY_POLICY}");
        assert_eq!(told, [policy.as_str(), "ReplicaSet shop/orders: quota", "ReplicaSet shop/web: new"]);
    }

    #[test]
    fn who_has_its_pods_by_now_is_not_refused_any_more() {
        let of = |spec: Value, status: Value| json!({ "spec": spec, "status": status });
        for (kind, object, lacks) in [
            ("ReplicaSet", of(json!({ "replicas": 2 }), json!({ "replicas": 1 })), true),
            ("ReplicaSet", of(json!({ "replicas": 2 }), json!({ "replicas": 2 })), false),
            ("ReplicaSet", of(json!({ "replicas": 0 }), json!({})), false),
            ("StatefulSet", of(json!({}), json!({})), true),
            (
                "DaemonSet",
                of(json!({}), json!({ "desiredNumberScheduled": 3, "currentNumberScheduled": 2 })),
                true,
            ),
            (
                "DaemonSet",
                of(json!({}), json!({ "desiredNumberScheduled": 3, "currentNumberScheduled": 3 })),
                false,
            ),
            ("Job", of(json!({}), json!({})), true),
            ("Job", of(json!({}), json!({ "active": 1 })), false),
            (
                "Job",
                of(json!({}), json!({ "conditions": [{ "type": "Complete", "status": "True" }] })),
                false,
            ),
        ] {
            assert_eq!(lacks_pods(kind, &object), lacks, "{kind} {object}");
        }
    }
}
