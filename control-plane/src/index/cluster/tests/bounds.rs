//! What an author can make large is not kept: what it would have said is refused, with the reason.

use kith_identity::BundleSet;

use super::*;
use crate::index::cluster::pod::{MOST_LABEL_BYTES, MOST_LABELS, MOST_PORTS, MOST_SKIPPED};
use crate::index::{Services, Workload, WorkloadId, World};
use crate::snapshot::snapshot_for;

fn labels(count: usize, bytes: usize) -> Value {
    (0..count).map(|number| (format!("label-{number:05}"), json!("x".repeat(bytes)))).collect()
}

fn labelled(mut pod: Value, count: usize, bytes: usize) -> Value {
    pod["metadata"]["labels"] = labels(count, bytes);
    pod
}

fn kept(object: Value) -> Pod {
    Pod::read(typed(object)).unwrap().1
}

fn workload(object: Value) -> Workload {
    let known = cluster([apply_account("shop", "web"), apply_pod(object)]);
    known.view().workloads.iter().next().unwrap().clone()
}

#[test]
fn a_pod_that_is_no_member_keeps_nothing_of_what_its_author_writes() {
    let web = || labelled(pod("web", &[]), 5_000, 60);
    let changes: [fn(&mut Value); 4] = [
        |pod| pod["spec"]["initContainers"] = Value::Null,
        |pod| pod["spec"]["hostNetwork"] = json!(true),
        |pod| pod["status"]["phase"] = json!("Succeeded"),
        // Pending, and nowhere to go.
        |pod| pod["spec"]["nodeName"] = Value::Null,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut object = web();
        object["spec"]["containers"][0]["ports"] = json!([{ "name": "http", "containerPort": 80 }]);
        change(&mut object);
        let kept = kept(object);
        assert!(kept.labels.is_empty() && kept.ports.is_empty() && kept.skipped.is_empty(), "case {number}");
        assert_eq!(kept.closed, None);
    }
}

#[test]
fn a_member_with_more_labels_than_are_kept_keeps_none_and_is_closed_with_the_reason() {
    for (count, bytes, wanted) in [
        (MOST_LABELS, 3, None),
        (MOST_LABELS + 1, 0, Some("the pod has more labels than 64")),
        (5_000, 60, Some("the pod has more labels than 64")),
        (MOST_LABELS, MOST_LABEL_BYTES / MOST_LABELS, Some("the labels of the pod have 17088 bytes")),
    ] {
        let workload = workload(labelled(pod("web", &["10.0.0.7"]), count, bytes));
        let closed = workload.closed.as_deref();
        assert_eq!(closed.is_some(), wanted.is_some(), "{count} {bytes}: {closed:?}");
        assert!(wanted.is_none_or(|wanted| closed.is_some_and(|it| it.starts_with(wanted))), "{closed:?}");
        assert_eq!(workload.labels.len(), if wanted.is_some() { 0 } else { count });
        // Who it is does not depend on that.
        assert_eq!(workload.identity.as_str(), "spiffe://mesh.example/ns/shop/sa/web");
    }
}

#[test]
fn the_sidecar_of_a_closed_member_refuses_every_call_with_the_reason_and_its_neighbours_do_not() {
    let large = labelled(pod("web", &["10.0.0.7"]), 5_000, 60);
    let known = cluster(
        [apply_account("shop", "web"), apply_account("shop", "api"), apply_namespace("shop", &json!({}))]
            .into_iter()
            .chain([apply_pod(large), apply_pod(pod("api", &["10.0.0.8"]))]),
    );
    let world = World::new(1, ours(), BundleSet::default()).replace_cluster(known.view()).unwrap();
    let told = |uid: &str| {
        let workload = world.workload(&WorkloadId::new(uid)).unwrap();
        snapshot_for(&world, workload, &BTreeSet::new()).refuse_all
    };
    assert!(told("uid-web").starts_with("the pod has more labels than 64"), "{}", told("uid-web"));
    assert_eq!(told("uid-api"), "");
}

#[test]
fn a_member_with_more_ports_or_skipped_ranges_than_are_kept_is_closed() {
    let ports = |count: usize| {
        let mut web = pod("web", &["10.0.0.7"]);
        let ports = (1..=count).map(|port| json!({ "name": format!("http-{port}"), "containerPort": port }));
        web["spec"]["containers"][0]["ports"] = ports.collect();
        workload(web)
    };
    assert_eq!((ports(MOST_PORTS).ports.len(), ports(MOST_PORTS).closed), (MOST_PORTS, None));
    let closed = ports(MOST_PORTS + 1);
    assert!(closed.ports.is_empty() && closed.closed.unwrap().contains("257 ports"));
    let ranges: Vec<_> = (1..=MOST_SKIPPED).map(|port| format!("{port}-{port}")).collect();
    let told = json!({ "skipInbound": ranges }).to_string();
    let redirect = json!({ "name": "kith-redirect", "env": [{ "name": "KITH_REDIRECT", "value": told }] });
    let mut web = pod("web", &["10.0.0.7"]);
    web["spec"]["initContainers"].as_array_mut().unwrap().push(redirect);
    let closed = workload(web);
    assert!(closed.skipped.is_empty() && closed.closed.unwrap().contains("65 skipped ranges"));
}

#[test]
fn a_service_with_more_ports_than_are_kept_answers_at_none_and_is_not_outside_the_mesh() {
    let service = |count: usize| {
        let ports: Vec<_> =
            (1..=count).map(|port| json!({ "name": format!("p{port}"), "port": port })).collect();
        let external: Vec<_> = (0..100).map(|ip| format!("192.0.2.{ip}")).collect();
        let spec = json!({ "clusterIPs": ["10.96.0.1"], "externalIPs": external, "ports": ports });
        let object = json!({ "metadata": { "namespace": "shop", "name": "web" }, "spec": spec });
        cluster([apply_service(object)]).view().services
    };
    let at = |services: &Services, address: &str| {
        services.at(address.parse().unwrap()).map(|port| (port.service.clone(), port.endpoints.len()))
    };
    let whole = service(256);
    assert_eq!(whole.by_address.len(), 256 * 17, "16 addresses of its author's");
    assert_eq!(at(&whole, "10.96.0.1:256"), Some(("shop/web".to_owned(), 0)));
    assert_eq!(at(&whole, "10.96.0.1:257"), None);
    let closed = service(257);
    assert_eq!(closed.by_address.len(), 17);
    assert_eq!(at(&closed, "10.96.0.1:257"), Some(("shop/web".to_owned(), 0)));
}

#[test]
fn endpoints_do_not_multiply_without_end() {
    let ports: Vec<_> = (1..=256).map(|port| json!({ "name": format!("p{port}"), "port": port })).collect();
    let endpoints: Vec<_> =
        (0..1_200).map(|it| json!({ "addresses": [format!("10.1.{}.{}", it / 250, it % 250)] })).collect();
    let metadata =
        json!({ "namespace": "shop", "name": "web", "labels": { "kubernetes.io/service-name": "web" } });
    let spec = json!({ "clusterIPs": ["10.96.0.1"], "ports": ports });
    let services = cluster([
        apply_service(json!({ "metadata": metadata, "spec": spec })),
        apply_slice(
            json!({ "metadata": metadata, "addressType": "IPv4", "endpoints": endpoints, "ports": ports }),
        ),
    ])
    .view()
    .services;
    let counts: Vec<_> = services.by_address.values().map(|port| port.endpoints.len()).collect();
    assert_eq!((counts[0], counts[255]), (1_000, 0));
    assert_eq!(counts.iter().sum::<usize>(), 32_000);
}

#[test]
fn an_endpoint_whose_pod_has_a_name_that_no_pod_has_is_unknown_however_long_it_is() {
    let target = json!({ "kind": "Pod", "namespace": "shop", "uid": "u".repeat(1_000_000) });
    let object = json!({
        "metadata": { "namespace": "shop", "name": "web" }, "addressType": "IPv4",
        "endpoints": [{ "addresses": ["10.0.0.7"], "targetRef": target }],
        "ports": (1..=257).map(|port| json!({ "name": format!("p{port}"), "port": port })).collect::<Vec<_>>(),
    });
    let (_, slice) = EndpointSlice::read(typed(object)).unwrap();
    assert_eq!(slice.endpoints[0].pod.as_deref(), Some(""));
    assert!(slice.ports.is_empty());
}

#[test]
fn what_is_kept_of_a_namespace_is_bounded_and_a_value_that_is_too_long_closes_it() {
    let strays = (0..1_000).map(|number| (format!("config.kith.dev/a{number}"), json!("x")));
    let long = ("config.kith.dev/permit-skip-inbound-ports".to_owned(), json!("1,".repeat(100_000)));
    let annotations: Value = strays.chain([long]).collect();
    let metadata =
        json!({ "name": "shop", "annotations": annotations, "labels": { "kith.dev/inject": "enabled" } });
    let (_, namespace) = NamespaceObject::read(typed(metadata)).unwrap();
    assert_eq!((namespace.annotations.len(), namespace.labels.len()), (33, 1));
    assert!(namespace.annotations.values().all(|value| value.len() < 100));
    assert!(namespace.meaning("shop").refuse_all.unwrap().contains("permit-skip-inbound-ports"));
}

#[test]
fn a_policy_that_is_larger_than_is_kept_closes_its_namespace() {
    let rule = |number: usize| {
        json!({ "name": format!("r{number}"), "sources": [{ "type": "ServiceAccount",
            "serviceAccount": { "namespace": "shop", "name": "w".repeat(200) } }] })
    };
    let object = |rules: usize| {
        json!({
            "apiVersion": "kith.dev/v1alpha1", "kind": "AuthorizationPolicy",
            "metadata": { "namespace": "shop", "name": "large", "uid": "1" },
            "spec": { "action": "ALLOW", "rules": (0..rules).map(rule).collect::<Vec<_>>() },
        })
    };
    let view = cluster([apply_policy(&object(2_000))]).view();
    assert!(view.policies.is_empty());
    let reason = view.namespaces["shop"].refuse_all.clone().unwrap();
    assert!(reason.contains("more than 262144; make it several policies"), "{reason}");
}
