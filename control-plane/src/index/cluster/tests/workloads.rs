//! Who is in the mesh, and as whom.

use kith_proto::v1::Protocol;

use super::*;
use crate::index::WorkloadId;

fn names(cluster: &Cluster) -> Vec<String> {
    cluster.view().workloads.iter().map(|workload| workload.name.clone()).collect()
}

fn one(change: impl FnOnce(&mut Value)) -> Cluster {
    let mut object = pod("web", &["10.0.0.7"]);
    change(&mut object);
    cluster([apply_account("shop", "web"), apply_account("shop", "default"), apply_pod(object)])
}

#[test]
fn a_running_pod_with_a_sidecar_is_a_workload_with_the_identity_of_its_service_account() {
    let view = one(|_| {}).view();
    let workload = view.workloads.get(&WorkloadId::new("uid-web")).unwrap();
    assert_eq!(workload.identity.as_str(), "spiffe://mesh.example/ns/shop/sa/web");
    assert_eq!((workload.name.as_str(), workload.node.as_deref()), ("shop/web", Some("node-1")));
    assert_eq!(workload.labels["app"], "web");
    assert_eq!(view.workloads.of_identity(&workload.identity).count(), 1);
}

#[test]
fn a_pod_that_names_no_service_account_runs_as_the_default_one() {
    let view = one(|pod| pod["spec"]["serviceAccountName"] = Value::Null).view();
    let workload = view.workloads.iter().next().unwrap();
    assert_eq!(workload.service_account, "default");
    assert_eq!(workload.identity.as_str(), "spiffe://mesh.example/ns/shop/sa/default");
}

#[test]
fn a_pod_is_a_workload_before_anybody_knows_its_address() {
    assert_eq!(names(&one(|pod| pod["status"] = json!({ "phase": "Pending" }))), ["shop/web"]);
    assert_eq!(names(&one(|pod| pod["status"] = Value::Null)), ["shop/web"]);
}

#[test]
fn who_has_no_sidecar_or_does_not_run_or_shares_its_nodes_network_is_no_workload() {
    let cases: [fn(&mut Value); 7] = [
        |pod| pod["spec"]["initContainers"] = Value::Null,
        |pod| pod["spec"]["initContainers"][0]["name"] = json!("kith-sidecar-2"),
        // Only what cannot be changed counts: a container is no init container, and a label is nothing.
        |pod| pod["spec"] = json!({ "nodeName": "node-1", "containers": [{ "name": "kith-sidecar" }] }),
        |pod| pod["status"]["phase"] = json!("Succeeded"),
        |pod| pod["status"]["phase"] = json!("Failed"),
        |pod| pod["spec"]["nodeName"] = Value::Null,
        |pod| pod["spec"]["hostNetwork"] = json!(true),
    ];
    for (number, change) in cases.into_iter().enumerate() {
        assert_eq!(names(&one(change)), [""; 0], "case {number}");
    }
}

#[test]
fn ports_that_pass_the_sidecar_by_are_those_that_the_redirect_step_was_told_and_its_own_health() {
    let skipped = |told: Value| {
        let redirect =
            json!({ "name": "kith-redirect", "env": [{ "name": "KITH_REDIRECT", "value": told }] });
        let view = one(|pod| pod["spec"]["initContainers"].as_array_mut().unwrap().push(redirect)).view();
        let skipped: Vec<String> =
            view.workloads.iter().next().unwrap().skipped.iter().copied().map(Into::into).collect();
        skipped
    };
    assert_eq!(skipped(json!(r#"{"skipInbound":["9000-9100"]}"#)), ["9000-9100", "7447"]);
    for unreadable in [json!(""), json!("{"), json!(r#"{"skipInbund":["1-65535"]}"#), Value::Null] {
        assert_eq!(skipped(unreadable), ["7447"]);
    }
}

// K30
#[test]
fn a_pod_whose_service_account_is_gone_is_nobody() {
    let mut cluster = one(|_| {});
    assert_eq!(names(&cluster), ["shop/web"]);
    cluster.take(Change::ServiceAccounts(Event::Delete(Key::new("shop", "web"))));
    assert_eq!(names(&cluster), [""; 0]);
    // Nobody with a sidecar: not somebody without one.
    let view = cluster.view();
    assert_eq!(view.services.pods.values().next().unwrap().workload, Some(WorkloadId::new("uid-web")));
}

#[test]
fn what_is_told_again_changes_nothing_and_what_is_told_anew_does() {
    let mut cluster = one(|_| {});
    let again = pod("web", &["10.0.0.1"]);
    cluster.take(apply_pod(again.clone()));
    let listed = |object: Value| match apply_pod(object) {
        Change::Pods(Event::Apply(key, pod)) => Change::Pods(Event::All(vec![(key, pod)])),
        other => panic!("{other:?}"),
    };
    assert!(!cluster.take(apply_pod(again.clone())));
    assert!(!cluster.take(listed(again.clone())));
    let moved = pod("web", &["10.0.0.2"]);
    assert!(cluster.take(listed(moved.clone())) && cluster.take(apply_pod(again)));
    assert!(cluster.take(Change::Pods(Event::Delete(Key::new("shop", "web")))));
    assert!(!cluster.take(Change::Pods(Event::Delete(Key::new("shop", "web")))));
    assert!(cluster.take(listed(moved)) && cluster.take(Change::Pods(Event::All(vec![]))));
}

// K29
#[test]
fn a_label_changes_what_applies_to_a_pod_and_never_who_it_is() {
    let before = one(|_| {}).view();
    let after = one(|pod| {
        pod["metadata"]["labels"] = json!({ "app": "payments", "kith.dev/identity": "payments" });
    });
    let identity = |view: &ClusterView| view.workloads.iter().next().unwrap().identity.clone();
    assert_eq!(identity(&before), identity(&after.view()));
}

#[test]
fn the_reserved_identity_and_names_that_make_none_are_nobodys() {
    let reserved = one(|pod| {
        pod["metadata"]["namespace"] = json!("kith");
        pod["spec"]["serviceAccountName"] = json!("kith-control-plane");
    });
    let mut reserved = reserved;
    reserved.take(apply_account("kith", "kith-control-plane"));
    assert_eq!(names(&reserved), [""; 0]);
    let mut odd = one(|pod| pod["spec"]["serviceAccountName"] = json!("a/../b"));
    odd.take(apply_account("shop", "a/../b"));
    assert_eq!(names(&odd), [""; 0]);
}

#[test]
fn an_address_is_that_of_the_pod_that_goes_on_and_never_a_nodes() {
    let mut ending = pod("old", &["10.0.0.7", "fd00::7"]);
    ending["metadata"]["deletionTimestamp"] = json!("2026-01-02T00:00:00Z");
    ending["metadata"]["creationTimestamp"] = json!("2026-01-03T00:00:00Z");
    let mut over = pod("over", &["10.0.0.8"]);
    over["status"]["phase"] = json!("Succeeded");
    let mut on_node = plain_pod("agent", &["192.168.0.1"]);
    on_node["spec"]["hostNetwork"] = json!(true);
    let (new, plain) = (pod("new", &["10.0.0.7"]), plain_pod("plain", &["10.0.0.8", "not an address"]));
    let view = cluster([new, over, ending, on_node, plain].map(apply_pod)).view();
    let at =
        |ip: &str| view.services.pods.get(&ip.parse().unwrap()).map(|it| (&*it.pod, it.workload.is_some()));
    assert_eq!(at("10.0.0.7"), Some(("shop/new", true)));
    assert_eq!(at("fd00::7"), Some(("shop/old", true)));
    assert_eq!(at("10.0.0.8"), Some(("shop/plain", false)));
    assert_eq!(at("192.168.0.1"), None);
    assert_eq!(view.services.pods.len(), 3);
}

#[test]
fn a_port_speaks_what_its_containers_and_services_declare_unless_they_contradict_each_other() {
    let mut web = pod("web", &["10.0.0.7"]);
    web["spec"]["containers"][0]["ports"] = json!([
        { "name": "http-api", "containerPort": 8080 },
        { "name": "grpc", "containerPort": 8081 },
        { "name": "http", "containerPort": 53, "protocol": "UDP" },
        { "name": "metrics", "containerPort": 9090 },
    ]);
    let slice = |namespace: &str, pod: Value, ports: Value| {
        apply_slice(json!({
            "metadata": { "namespace": namespace, "name": "s", "labels": { "kubernetes.io/service-name": "web" } },
            "addressType": "IPv4",
            "endpoints": [{ "addresses": ["10.0.0.7"], "targetRef": pod }],
            "ports": ports,
        }))
    };
    let target = json!({ "kind": "Pod", "namespace": "shop", "uid": "uid-web" });
    let ports = json!([
        { "name": "a", "port": 8080, "appProtocol": "http" },
        { "name": "b", "port": 8081, "appProtocol": "tcp" },
        { "name": "c", "port": 9090, "appProtocol": "kubernetes.io/h2c" },
    ]);
    let declared = slice("shop", target.clone(), ports);
    // Nobody declares anything for the pods of others.
    let foreign = slice("evil", Value::Null, json!([{ "name": "tcp", "port": 8080 }]));
    let known = cluster([apply_account("shop", "web"), apply_pod(web), declared, foreign]);
    let view = known.view();
    let ports = &view.workloads.iter().next().unwrap().ports;
    assert_eq!(ports.iter().collect::<Vec<_>>(), [(&8080, &Protocol::Http), (&9090, &Protocol::Http)]);
}
