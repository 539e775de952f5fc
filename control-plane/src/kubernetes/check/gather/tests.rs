//! What is gathered from a real API server. Run as the tests of `source::kubernetes` are.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use super::super::facts::Stored;
use super::*;
use crate::source::kubernetes::tests::ground::{Ground, policy, within};

/// Between two looks at what another process does in its own time.
const LOOK: Duration = Duration::from_millis(200);

fn namespace(name: &str, labels: &Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": labels } })
}

fn deployment(namespace: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "namespace": namespace, "name": name },
        "spec": {
            "selector": { "matchLabels": { "app": name } },
            "template": { "metadata": { "labels": { "app": name } }, "spec": spec },
        },
    })
}

/// Nothing that runs: a Secret that is no key, a Deployment that mounts it, and one whose pods are refused.
async fn broken(ground: &Ground, own: &str, shop: &str) {
    ground.apply(&namespace(own, &json!({}))).await;
    let labels = json!({ "kith.dev/inject": "enabled", "pod-security.kubernetes.io/enforce": "restricted" });
    ground.apply(&namespace(shop, &labels)).await;
    let config = json!({ "config.yaml": format!("trustDomain: mesh.example\nnamespace: {own}\n") });
    ground
        .apply(&json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "namespace": own, "name": "kith-config" }, "data": config,
        }))
        .await;
    ground
        .apply(&json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": { "namespace": own, "name": "its-key" }, "stringData": { "key": "too-short" },
        }))
        .await;
    let volumes = json!([{ "name": "key", "secret": { "secretName": "its-key" } }]);
    let containers = json!([{ "name": "app", "image": "x" }]);
    let own_spec = json!({ "containers": containers, "volumes": volumes });
    ground.apply(&deployment(own, CONTROL_PLANE, &own_spec)).await;
    ground.apply(&deployment(shop, "web", &json!({ "containers": containers }))).await;
    let source =
        json!([{ "type": "ServiceAccount", "serviceAccount": { "namespace": shop, "name": "wbe" } }]);
    ground.apply(&policy(shop, "callers", &[json!({ "name": "web", "sources": source })])).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn a_real_api_server_tells_what_is_wrong_with_an_installation() {
    let ground = Ground::new().await;
    let [own, shop] = ["own", "shop"].map(|name| format!("check-{name}-{}", std::process::id()));
    broken(&ground, &own, &shop).await;
    let installation = Installation::of(&[], None, &own).await.unwrap();
    let look = async |stage| {
        let status = Err("it was not asked".to_owned());
        installation.facts(stage, SystemTime::UNIX_EPOCH, "0.1.0", status, Some("its-key")).await
    };
    // The refusal is the controllers' own work.
    let refused = async {
        loop {
            let facts = look(Stage::After).await;
            let found = facts.refused.clone().unwrap().into_iter().find(|it| it.namespace == shop);
            if let Some(found) = found {
                return (facts, found);
            }
            sleep(LOOK).await;
        }
    };
    let (facts, refused) = within("a pod to be refused", refused).await;
    assert_eq!(refused.kind, "ReplicaSet");
    assert!(refused.message.contains("violates PodSecurity"), "{refused:?}");
    for (facts, stage) in [(&facts, "after"), (&look(Stage::Before).await, "before")] {
        let secret = facts.key.clone().unwrap().unwrap();
        assert_eq!((secret.name.as_str(), secret.expected), ("its-key", true), "{stage}");
        let Ok(Stored::Wrong(why)) = secret.stored else { panic!("{stage}: {secret:?}") };
        assert!(why.contains("9 bytes") && !why.contains("too-short"), "{stage}: {why}");
        assert!(facts.rights.iter().all(|right| right.allowed == Ok(true)), "{stage}: {:?}", facts.rights);
    }
    let unmatched = facts.unmatched.unwrap().join("\n");
    let said = format!("the policy {shop}/callers: there is no service account {shop}/wbe now");
    assert!(unmatched.contains(&said), "{unmatched}");
    let deployment = facts.deployment.unwrap().unwrap();
    assert_eq!((deployment.wanted, deployment.ready), (1, 0));
    assert!(!deployment.waiting.is_empty());
    let leaving = look(Stage::Leaving).await;
    let labelled = leaving.namespaces.unwrap().into_iter().find(|it| it.name == shop).unwrap();
    assert_eq!(labelled.labels["kith.dev/inject"], "enabled");
    for name in [&own, &shop] {
        ground.delete("v1", "Namespace", "", name).await;
    }
}
