//! The source against a real API server. Each test needs a cluster to itself, so they are run one after the other, by
//! `make test-cluster`:
//!
//! `tests/cluster/run exec -- cargo test -p kith-control-plane --lib -- --ignored --test-threads=1 a_real_api_server`

pub(crate) mod ground;

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use self::ground::{Ground, Running, Store, component, policy, quarantine};
use super::*;
use crate::index::{Posture, WorkloadId};

const OWN: &str = "kith.dev/v1alpha1";

fn namespace(name: &str) -> Value {
    let labels = json!({ "kith.dev/inject": "enabled", "kith.dev/posture": "Encrypt" });
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": labels } })
}

/// A rule that lets `web` of `shop` call.
fn web() -> Value {
    let sources =
        json!([{ "type": "ServiceAccount", "serviceAccount": { "namespace": "shop", "name": "web" } }]);
    json!({ "name": "web", "sources": sources })
}

/// A pod of the mesh that runs on a node that has no kubelet, and the service before it.
async fn shop(ground: &Ground) -> WorkloadId {
    ground.apply(&namespace("shop")).await;
    let account = json!({ "namespace": "shop", "name": "web" });
    ground.apply(&json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": account })).await;
    ground.apply(&json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "paper" } })).await;
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "namespace": "shop", "name": "web", "labels": { "app": "web" } },
        "spec": {
            "nodeName": "paper", "serviceAccountName": "web", "automountServiceAccountToken": false,
            "initContainers": [{ "name": "kith-sidecar", "image": "x", "restartPolicy": "Always" }],
            "containers": [{ "name": "app", "image": "x", "ports": [{ "name": "web", "containerPort": 8080 }] }],
        },
    });
    let id = WorkloadId::new(ground.apply(&pod).await.metadata.uid.as_deref().unwrap());
    let ips = json!([{ "ip": "10.200.0.7" }, { "ip": "fd00:200::7" }]);
    let ready = json!([{ "type": "Ready", "status": "True" }]);
    let status = json!({ "phase": "Running", "podIP": "10.200.0.7", "podIPs": ips, "conditions": ready });
    ground.set_status("v1", "Pod", "shop", "web", &status).await;
    ground
        .apply(&json!({
            "apiVersion": "v1", "kind": "Service", "metadata": { "namespace": "shop", "name": "web" },
            "spec": {
                "selector": { "app": "web" }, "ipFamilyPolicy": "RequireDualStack",
                "ports": [{ "name": "http", "port": 80, "targetPort": "web" }],
            },
        }))
        .await;
    id
}

/// Waits for the policies of the world to be these.
async fn has_policies(running: &Running, names: &[&str]) {
    let what = format!("the policies {names:?}");
    let is_so = |world: &Arc<crate::index::World>| {
        let policies = world.policies.as_deref().unwrap_or_default();
        policies.iter().map(|policy| policy.name.as_str()).eq(names.iter().copied())
    };
    running.world(&what, is_so).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn a_real_api_server_makes_the_world() {
    let ground = Ground::new().await;
    let id = shop(&ground).await;
    let running = ground.source().await;
    // The endpoints are the cluster's own work, which may still be under way.
    let world = running.world("endpoints of both families", |world| {
        let ports = world.services.by_address.values().filter(|port| port.service == "shop/web");
        ports.filter(|port| port.endpoints.len() == 1).count() == 2
    });
    let world = world.await;
    for (address, port) in world.services.by_address.iter().filter(|(_, port)| port.service == "shop/web") {
        let expected = if address.is_ipv4() { "10.200.0.7:8080" } else { "[fd00:200::7]:8080" };
        assert_eq!(port.endpoints[0].address.to_string(), expected);
        assert_eq!(port.endpoints[0].workload, Some(id.clone()));
        assert_eq!(port.protocol, kith_proto::v1::Protocol::Http);
    }
    let workload = world.workload(&id).unwrap();
    assert_eq!(workload.identity.as_str(), "spiffe://mesh.example/ns/shop/sa/web");
    assert_eq!((workload.name.as_str(), workload.node.as_deref()), ("shop/web", Some("paper")));
    assert_eq!(workload.ports[&8080], kith_proto::v1::Protocol::Http);
    assert_eq!(world.namespace("shop").unwrap().posture, Posture::Encrypt);
    let facts = running.source.facts().borrow().clone();
    assert_eq!(facts.namespace("shop").unwrap().labels["kith.dev/inject"], "enabled");
    assert!(facts.service_account_uid("shop", "web").is_some());

    // Each is heard of, whatever was missed before.
    for name in ["first", "second", "third"] {
        ground.apply(&policy("shop", name, &[web()])).await;
        has_policies(&running, &[name]).await;
        ground.delete(OWN, "AuthorizationPolicy", "shop", name).await;
        has_policies(&running, &[]).await;
    }
}

// K26
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn a_real_api_server_stores_what_nobody_can_read_and_that_never_opens_anything() {
    let ground = Ground::new().await;
    ground.apply(&namespace("shop")).await;
    let running = ground.source().await;
    ground.apply(&policy("shop", "good", &[web()])).await;
    has_policies(&running, &["good"]).await;
    let mut misspelt = web();
    misspelt["opperations"] = json!([{ "http": { "methods": ["GET"] } }]);
    let edit = ground.apply(&policy("shop", "good", &[misspelt.clone()])).await;
    let mut facts = running.source.facts();
    let refused = |facts: &Arc<Facts>| {
        facts.policies.iter().any(|(key, it)| {
            let reason = it.read.as_ref().err();
            key.name == "good"
                && Some(it.generation) == edit.metadata.generation
                && reason.is_some_and(|reason| reason.contains("opperations"))
        })
    };
    ground::within("the refusal", facts.wait_for(refused)).await.unwrap();
    has_policies(&running, &["good"]).await;
    assert_eq!(running.worlds.now().namespace("shop").unwrap().refuse_all, None);

    ground.apply(&policy("shop", "misspelt", &[misspelt])).await;
    let closed = |world: &Arc<crate::index::World>| world.namespace("shop").unwrap().refuse_all.is_some();
    let world = running.world("the namespace to be closed", closed).await;
    let reason = world.namespace("shop").unwrap().refuse_all.clone().unwrap();
    assert!(reason.contains("shop/misspelt") && reason.contains("opperations"), "{reason}");
    ground.delete(OWN, "AuthorizationPolicy", "shop", "misspelt").await;
    running.world("the namespace to be open again", |world| !closed(world)).await;
    ground.delete(OWN, "AuthorizationPolicy", "shop", "good").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn a_real_api_server_says_who_is_cut_off() {
    let ground = Ground::new().await;
    let id = shop(&ground).await;
    let running = ground.source().await;
    let account =
        json!({ "serviceAccount": { "namespace": "shop", "name": "web" }, "reason": "stolen token" });
    ground.apply(&quarantine("account", &account)).await;
    ground.apply(&quarantine("node", &json!({ "node": "paper" }))).await;
    let cut = |world: &Arc<crate::index::World>| (world.quarantines.len(), world.cut.workloads.contains(&id));
    let world = running.world("both to be cut off", |world| cut(world) == (1, true)).await;
    assert_eq!(&*world.quarantines.values().next().unwrap().reason, "stolen token");
    ground.delete(OWN, "Quarantine", "", "account").await;
    ground.delete(OWN, "Quarantine", "", "node").await;
    running.world("nobody to be cut off", |world| cut(world) == (0, false)).await;
}

// K32
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn a_real_api_server_that_is_away_changes_nothing_and_is_caught_up_with() {
    let ground = Ground::new().await;
    ground.apply(&namespace("shop")).await;
    ground.apply(&policy("shop", "callers", &[web()])).await;
    let running = ground.source().await;
    let before = running.worlds.now();
    component("stop", "kube-apiserver");
    running.failing(7).await;
    assert_eq!(running.worlds.now(), before);
    // Nothing can be known at first, and nothing is said.
    let late = ground.start().await;
    late.failing(7).await;
    assert_eq!(late.source.waiting_for().len(), 7);
    assert!(late.worlds.now().policies.is_none());

    component("start", "kube-apiserver");
    running.failing(0).await;
    ground::within("the first list", late.source.first_list()).await;
    ground.apply(&policy("shop", "callers-2", &[web()])).await;
    for running in [&running, &late] {
        has_policies(running, &["callers", "callers-2"]).await;
    }
    ground.delete(OWN, "AuthorizationPolicy", "shop", "callers").await;
    ground.delete(OWN, "AuthorizationPolicy", "shop", "callers-2").await;
    has_policies(&running, &[]).await;
}

// K33
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn a_real_api_server_that_lost_objects_unseen_is_believed_in_the_end() {
    let ground = Ground::new().await;
    ground.apply(&namespace("shop")).await;
    ground.apply(&policy("shop", "callers", &[web()])).await;
    ground.apply(&quarantine("node", &json!({ "node": "paper" }))).await;
    let running = ground.source().await;
    has_policies(&running, &["callers"]).await;
    ground.close_the_door();
    running.failing(7).await;
    ground.delete(OWN, "AuthorizationPolicy", "shop", "callers").await;
    ground.delete(OWN, "Quarantine", "", "node").await;
    has_policies(&running, &["callers"]).await;
    let began = Instant::now();
    ground.open_the_door();
    has_policies(&running, &[]).await;
    assert!(began.elapsed() >= Duration::from_secs(4), "the first empty list was believed");
}

// K33
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn a_real_api_server_whose_store_is_restored_from_a_backup_is_followed_from_there() {
    let ground = Ground::new().await;
    ground.apply(&namespace("shop")).await;
    ground.apply(&policy("shop", "old", &[web()])).await;
    let store = Store::of_the_cluster();
    store.away(Store::back_up);
    let running = ground.source().await;
    // The store's revision is far beyond that of the backup when it is restored.
    for round in 0..50 {
        ground.apply(&policy("shop", &format!("new-{round}"), &[web()])).await;
    }
    running.world("all of them", |world| world.count_policies() == 51).await;
    store.away(Store::restore);
    has_policies(&running, &["old"]).await;
    // A watch that waits for a revision from before the restore would not hear of these for long.
    ground.apply(&policy("shop", "after", &[web()])).await;
    has_policies(&running, &["after", "old"]).await;
    ground.delete(OWN, "AuthorizationPolicy", "shop", "old").await;
    ground.delete(OWN, "AuthorizationPolicy", "shop", "after").await;
    has_policies(&running, &[]).await;
}
