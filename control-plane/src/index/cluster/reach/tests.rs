//! What means nobody, and how it is said.

use serde_json::{Value, json};

use super::*;
use crate::index::cluster::tests::{
    apply_account, apply_namespace, apply_pod, cluster, ours, plain_pod, pod,
};
use crate::index::cluster::{Cluster, Kind};

/// `shop` is labelled and has pods of `web` and `orders`; `outside` is not, and has none.
fn known() -> Cluster {
    cluster([
        apply_namespace("shop", &json!({ "kith.dev/inject": "enabled" })),
        apply_namespace("outside", &json!({})),
        apply_account("shop", "web"),
        apply_account("shop", "orders"),
        apply_account("shop", "idle"),
        apply_account("outside", "job"),
        apply_pod(pod("web", &["10.0.0.1"])),
        apply_pod(pod("orders", &["10.0.0.2"])),
        apply_pod(plain_pod("plain", &["10.0.0.3"])),
    ])
}

fn with<T>(ask: impl FnOnce(Present<'_>) -> T) -> T {
    let cluster = known();
    let mut facts = Facts::default();
    for kind in Kind::ALL {
        facts.refresh(&cluster, kind);
    }
    let view = cluster.view();
    ask(Present { trust_domain: &ours(), facts: &facts, workloads: &view.workloads })
}

/// Without targets, the whole namespace is one.
fn policy(namespace: &str, targets: Option<Value>, sources: &Value) -> Vec<String> {
    let mut object = json!({
        "apiVersion": "kith.dev/v1alpha1", "kind": "AuthorizationPolicy",
        "metadata": { "namespace": namespace, "name": "callers", "uid": "1", "generation": 1 },
        "spec": { "action": "ALLOW", "rules": [{ "sources": sources }] },
    });
    if let Some(targets) = targets {
        object["spec"]["targetRefs"] = targets;
    }
    let policy = kith_policy::document::object::parse(&object).unwrap();
    with(|present| present.unmatched(&policy))
}

fn target(target: &Value) -> Vec<String> {
    policy(
        "shop",
        Some(json!([target])),
        &json!([{ "type": "SPIFFE", "spiffe": "spiffe://partner.example/a" }]),
    )
}

fn source(source: &Value) -> Vec<String> {
    policy("shop", None, &json!([source]))
}

fn labels(labels: &Value) -> Value {
    json!({ "kind": "Pod", "selector": { "matchLabels": labels } })
}

fn account(namespace: &str, name: &str) -> Value {
    json!({ "type": "ServiceAccount", "serviceAccount": { "namespace": namespace, "name": name } })
}

#[test]
fn a_target_that_selects_no_workload_is_said_with_the_nearest_label_or_account() {
    let cases = [
        (labels(&json!({ "app": "web" })), None),
        (
            labels(&json!({ "app": "order" })),
            Some("app=order selects no pod of the mesh in shop now; did you mean app=orders?"),
        ),
        (
            labels(&json!({ "ap": "orders" })),
            Some("ap=orders selects no pod of the mesh in shop now; did you mean app?"),
        ),
        (
            labels(&json!({ "app": "inventory" })),
            Some("app=inventory selects no pod of the mesh in shop now"),
        ),
        // It has the label, and no sidecar.
        (labels(&json!({ "app": "plain" })), Some("app=plain selects no pod of the mesh in shop now")),
        (json!({ "kind": "ServiceAccount", "name": "orders" }), None),
        (
            json!({ "kind": "ServiceAccount", "name": "order" }),
            Some("there is no service account shop/order now; did you mean orders?"),
        ),
        (
            json!({ "kind": "ServiceAccount", "name": "idle" }),
            Some("no pod of the mesh runs as shop/idle now"),
        ),
    ];
    for (selected, said) in cases {
        assert_eq!(target(&selected), Vec::from_iter(said), "{selected}");
    }
}

#[test]
fn each_target_is_looked_at_by_itself() {
    let two = json!([labels(&json!({ "app": "web" })), labels(&json!({ "app": "wbe" }))]);
    let said = policy("shop", Some(two), &json!([account("shop", "web")]));
    assert_eq!(said, ["app=wbe selects no pod of the mesh in shop now; did you mean app=web?"]);
}

#[test]
fn two_labels_that_no_pod_carries_together_have_no_nearest_one() {
    let said = target(&labels(&json!({ "app": "web", "tier": "front" })));
    assert_eq!(said, ["app=web,tier=front selects no pod of the mesh in shop now"]);
}

#[test]
fn a_namespace_that_is_not_in_the_mesh_is_said_to_be_the_cause() {
    let said = policy("outside", None, &json!([account("shop", "web")]));
    assert_eq!(
        said,
        ["the namespace outside has no pod in the mesh now; the namespace has no label kith.dev/inject"]
    );
}

#[test]
fn callers_that_nobody_is_are_said_with_the_nearest_name() {
    let spiffe = |text: &str| json!({ "type": "SPIFFE", "spiffe": text });
    let cases = [
        (account("shop", "web"), None),
        // It may call once it has a pod.
        (account("shop", "idle"), None),
        (account("shop", "*"), None),
        (account("shop", "wbe"), Some("there is no service account shop/wbe now; did you mean web?")),
        (account("shpo", "web"), Some("there is no namespace shpo now; did you mean shop?")),
        (account("shpo", "*"), Some("there is no namespace shpo now; did you mean shop?")),
        (spiffe("spiffe://mesh.example/ns/shop/sa/web"), None),
        (
            spiffe("spiffe://mesh.example/ns/shop/sa/ordes"),
            Some("there is no service account shop/ordes now; did you mean orders?"),
        ),
        (
            spiffe("spiffe://mesh.example/web"),
            Some(
                "spiffe://mesh.example/web is nobody's: identities here are spiffe://mesh.example/ns/NAMESPACE/sa/SERVICE-ACCOUNT",
            ),
        ),
        // Another mesh's are not ours to know.
        (spiffe("spiffe://partner.example/ns/shop/sa/ordes"), None),
        (
            spiffe("spiffe://mesh.exmple/ns/shop/sa/web"),
            Some(
                "spiffe://mesh.exmple/ns/shop/sa/web is of another trust domain; did you mean mesh.example?",
            ),
        ),
    ];
    for (named, said) in cases {
        assert_eq!(source(&named), Vec::from_iter(said), "{named}");
    }
}

#[test]
fn a_name_is_said_once_and_many_are_cut_short() {
    let same = json!([account("shop", "wbe"), account("shop", "wbe")]);
    assert_eq!(policy("shop", None, &same).len(), 1);
    let many: Vec<_> = (0..100).map(|number| account("shop", &format!("nobody-{number}"))).collect();
    assert_eq!(policy("shop", None, &json!(many)).len(), MOST_SENTENCES);
}

#[test]
fn a_selector_of_any_text_is_one_short_line() {
    let said = target(&labels(&json!({ "app": format!("a\nb{}", "x".repeat(10_000)) })));
    assert!(said[0].len() < 200 && !said[0].contains('\n'), "{}", said[0]);
}

#[test]
fn a_quarantine_of_nobody_is_said() {
    let said = |spec: Value| {
        let object = json!({
            "apiVersion": "kith.dev/v1alpha1", "kind": "Quarantine", "metadata": { "name": "q" }, "spec": spec,
        });
        let target = kith_policy::document::quarantine::parse(&ours(), &object).unwrap().target;
        with(|present| present.unmatched_quarantine(&target))
    };
    let cases = [
        (json!({ "identity": "spiffe://mesh.example/ns/shop/sa/web" }), None),
        (
            json!({ "identity": "spiffe://mesh.example/ns/shop/sa/idle" }),
            Some("no pod of the mesh has the identity spiffe://mesh.example/ns/shop/sa/idle now"),
        ),
        (json!({ "serviceAccount": { "namespace": "shop", "name": "web" } }), None),
        (
            json!({ "serviceAccount": { "namespace": "shop", "name": "wbe" } }),
            Some("there is no service account shop/wbe now; did you mean web?"),
        ),
        (
            json!({ "serviceAccount": { "namespace": "shop", "name": "idle" } }),
            Some("no pod of the mesh has the identity spiffe://mesh.example/ns/shop/sa/idle now"),
        ),
        (json!({ "pod": { "namespace": "shop", "name": "web" } }), None),
        (
            json!({ "pod": { "namespace": "shop", "name": "wbe" } }),
            Some("there is no pod shop/wbe in the mesh now; did you mean shop/web?"),
        ),
        (json!({ "node": "node-1" }), None),
        (
            json!({ "node": "node1" }),
            Some("no pod of the mesh runs on a node node1 now; did you mean node-1?"),
        ),
    ];
    for (spec, expected) in cases {
        assert_eq!(said(spec.clone()).as_deref(), expected, "{spec}");
    }
}
