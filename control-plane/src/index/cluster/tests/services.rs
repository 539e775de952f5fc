//! What is behind the addresses of services.

use std::net::SocketAddr;

use kith_proto::v1::Protocol;

use super::*;

fn service(name: &str, ips: &[&str]) -> Value {
    json!({
        "metadata": { "namespace": "shop", "name": name, "creationTimestamp": "2026-01-01T00:00:00Z" },
        "spec": {
            "clusterIPs": ips,
            "ports": [
                { "name": "http", "port": 80, "targetPort": "web" },
                { "name": "dns", "port": 53, "protocol": "UDP" },
            ],
        },
    })
}

/// A slice of the service `web`.
fn slice(name: &str, endpoints: &Value) -> Value {
    json!({
        "metadata": { "namespace": "shop", "name": name, "labels": { "kubernetes.io/service-name": "web" } },
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [{ "name": "http", "port": 8080 }, { "name": "dns", "port": 53, "protocol": "UDP" }],
    })
}

fn endpoint(pod: &str, address: &str, conditions: &Value) -> Value {
    let target = json!({ "kind": "Pod", "namespace": "shop", "name": pod, "uid": format!("uid-{pod}") });
    json!({ "addresses": [address], "conditions": conditions, "targetRef": target })
}

/// Address and workload of those behind an address.
fn behind(cluster: &Cluster, address: &str) -> Option<Vec<(String, Option<String>)>> {
    let view = cluster.view();
    let port = view.services.by_address.get(&address.parse::<SocketAddr>().unwrap())?;
    let shown = port
        .endpoints
        .iter()
        .map(|endpoint| (endpoint.address.to_string(), endpoint.workload.as_ref().map(|id| id.to_string())));
    Some(shown.collect())
}

fn meshed(address: &str, pod: &str) -> (String, Option<String>) {
    (address.to_owned(), Some(format!("uid-{pod}")))
}

fn plain(address: &str) -> (String, Option<String>) {
    (address.to_owned(), None)
}

#[test]
fn each_address_of_a_service_leads_to_the_endpoints_of_its_family_at_their_own_port() {
    let ready = json!({ "ready": true });
    let mut six = slice("six", &json!([endpoint("a", "fd00::a", &ready)]));
    six["addressType"] = json!("IPv6");
    let known = cluster([
        apply_service(service("web", &["10.96.0.1", "fd00:96::1"])),
        apply_pod(pod("a", &["10.0.0.1", "fd00::a"])),
        apply_pod(plain_pod("b", &["10.0.0.2"])),
        apply_slice(slice(
            "four",
            &json!([endpoint("b", "10.0.0.2", &ready), endpoint("a", "10.0.0.1", &ready)]),
        )),
        apply_slice(six),
    ]);
    let four = vec![meshed("10.0.0.1:8080", "a"), plain("10.0.0.2:8080")];
    assert_eq!(behind(&known, "10.96.0.1:80"), Some(four));
    assert_eq!(behind(&known, "[fd00:96::1]:80"), Some(vec![meshed("[fd00::a]:8080", "a")]));
    assert_eq!(behind(&known, "10.96.0.1:53"), None);
    let view = known.view();
    assert_eq!(view.services.by_address.len(), 2);
    let port = view.services.by_address.values().next().unwrap();
    assert_eq!((port.service.as_str(), port.protocol), ("shop/web", Protocol::Http));
}

#[test]
fn calls_go_to_those_who_are_ready_else_to_those_who_end_and_still_answer_and_to_nobody_else() {
    let known = |endpoints: &[Value]| {
        let pods =
            ["a", "b", "c"].iter().zip(1..).map(|(name, n)| apply_pod(pod(name, &[&format!("10.0.0.{n}")])));
        let slice = apply_slice(slice("one", &json!(endpoints)));
        let known = cluster(pods.chain([apply_service(service("web", &["10.96.0.1"])), slice]));
        behind(&known, "10.96.0.1:80").unwrap()
    };
    let ready = endpoint("a", "10.0.0.1", &json!({ "ready": true, "serving": true }));
    let ending = endpoint("b", "10.0.0.2", &json!({ "ready": false, "serving": true, "terminating": true }));
    let away = endpoint("c", "10.0.0.3", &json!({ "ready": false, "serving": false, "terminating": true }));
    let starting = endpoint("c", "10.0.0.3", &json!({ "ready": false, "serving": false }));
    // What publishNotReadyAddresses makes of one that starts.
    let published = endpoint("c", "10.0.0.3", &json!({ "ready": true, "serving": false }));
    let unsaid = endpoint("a", "10.0.0.1", &Value::Null);
    assert_eq!(known(&[ready.clone(), ending.clone(), away.clone()]), [meshed("10.0.0.1:8080", "a")]);
    assert_eq!(known(&[ending, away.clone(), starting.clone()]), [meshed("10.0.0.2:8080", "b")]);
    assert_eq!(known(&[away, starting]), []);
    assert_eq!(
        known(&[ready.clone(), published]),
        [meshed("10.0.0.1:8080", "a"), meshed("10.0.0.3:8080", "c")]
    );
    assert_eq!(known(&[unsaid]), [meshed("10.0.0.1:8080", "a")]);
    assert_eq!(known(&[]), []);
}

#[test]
fn an_endpoint_that_is_in_two_slices_is_one() {
    let ready = endpoint("a", "10.0.0.1", &json!({ "ready": true }));
    let away = endpoint("a", "10.0.0.1", &json!({ "ready": false }));
    let known = cluster([
        apply_service(service("web", &["10.96.0.1"])),
        apply_pod(pod("a", &["10.0.0.1"])),
        apply_slice(slice("one", &json!([away]))),
        apply_slice(slice("two", &json!([ready]))),
    ]);
    assert_eq!(behind(&known, "10.96.0.1:80"), Some(vec![meshed("10.0.0.1:8080", "a")]));
}

#[test]
fn an_endpoint_is_the_pod_that_it_names_or_has_the_address_of_and_nobody_once_that_is_somebody_elses() {
    let ready = json!({ "ready": true });
    let unnamed = json!({ "addresses": ["10.0.0.1"] });
    let foreign =
        json!({ "addresses": ["10.0.0.1"], "targetRef": { "kind": "Pod", "namespace": "evil", "uid": "x" } });
    let elsewhere = json!({ "addresses": ["203.0.113.9"] });
    let known = |slices: Value, pods: Vec<Value>| {
        let pods = pods.into_iter().map(apply_pod);
        let service = apply_service(service("web", &["10.96.0.1"]));
        behind(&cluster(pods.chain([service, apply_slice(slice("one", &slices))])), "10.96.0.1:80").unwrap()
    };
    let a = || vec![pod("a", &["10.0.0.1"])];
    assert_eq!(known(json!([unnamed]), a()), [meshed("10.0.0.1:8080", "a")]);
    // Whom a slice names in another namespace says nothing; who has the address does.
    assert_eq!(known(json!([foreign]), a()), [meshed("10.0.0.1:8080", "a")]);
    assert_eq!(known(json!([elsewhere]), a()), [plain("203.0.113.9:8080")]);
    let named = || json!([endpoint("a", "10.0.0.1", &ready)]);
    assert_eq!(known(named(), vec![]), [], "a pod that is not known");
    let mut old = pod("a", &["10.0.0.1"]);
    old["metadata"]["deletionTimestamp"] = json!("2026-01-02T00:00:00Z");
    assert_eq!(known(named(), vec![old, pod("b", &["10.0.0.1"])]), [], "its address is somebody else's now");
}

#[test]
fn a_service_takes_no_address_from_another_one_or_from_a_pod_by_writing_it_down() {
    let mut greedy = service("greedy", &["10.96.0.2"]);
    greedy["metadata"]["namespace"] = json!("evil");
    greedy["spec"]["externalIPs"] = json!(["10.96.0.1", "10.0.0.1", "203.0.113.1", "169.254.169.254"]);
    greedy["status"] = json!({ "loadBalancer": { "ingress": [
        { "ip": "10.96.0.1" }, { "ip": "203.0.113.2", "ipMode": "VIP" }, { "ip": "203.0.113.3", "ipMode": "Proxy" },
        { "hostname": "lb.example" },
    ] } });
    let mut older = service("web", &["10.96.0.1"]);
    older["spec"]["externalIPs"] = json!(["203.0.113.1"]);
    older["metadata"]["creationTimestamp"] = json!("2025-01-01T00:00:00Z");
    let view =
        cluster([apply_service(greedy), apply_service(older), apply_pod(pod("a", &["10.0.0.1"]))]).view();
    let owners: Vec<_> =
        view.services.by_address.iter().map(|(at, it)| format!("{at} {}", it.service)).collect();
    assert_eq!(
        owners,
        [
            "10.96.0.1:80 shop/web",
            "10.96.0.2:80 evil/greedy",
            "203.0.113.1:80 shop/web",
            "203.0.113.2:80 evil/greedy",
        ]
    );
}

#[test]
fn headless_services_and_names_for_something_elsewhere_have_no_address() {
    let headless = service("headless", &["None"]);
    let mut elsewhere = service("elsewhere", &["10.96.0.9"]);
    elsewhere["spec"]["type"] = json!("ExternalName");
    elsewhere["spec"]["externalIPs"] = json!(["203.0.113.1"]);
    let known = cluster([apply_service(headless), apply_service(elsewhere)]);
    assert!(known.view().services.by_address.is_empty());
}
