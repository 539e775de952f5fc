//! Who is found at the ends of a line.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};

use super::*;
use crate::api::pods::{pod, uid, world};
use crate::index::{PodAddress, Services};

const WEB: &str = "spiffe://demo.local/ns/shop/sa/web";
const ORDERS: &str = "spiffe://demo.local/ns/shop/sa/orders";

/// Two pods of `web`, of which the second holds the svid `7b17`, one of `orders`, and one that has no sidecar.
fn ground() -> (World, IssuedSvids) {
    let world = world([pod("web-0", "web"), pod("web-1", "web"), pod("orders-0", "orders")]);
    let address = |last: u8, name: &str, in_mesh: bool| {
        let workload = in_mesh.then(|| uid(&format!("shop/{name}")));
        (std::net::IpAddr::from([10, 0, 0, last]), PodAddress { pod: format!("shop/{name}"), workload })
    };
    let pods = [address(1, "web-0", true), address(3, "orders-0", true), address(9, "cron-x", false)];
    let services = Services { pods: pods.into(), ..Services::default() };
    let issued = IssuedSvids::default();
    let serial = Serial::parse("7b17").unwrap();
    issued.presented(&uid("shop/web-1"), &serial, UNIX_EPOCH + Duration::from_secs(60));
    (World { services: Arc::new(services), ..world }, issued)
}

/// As `source -> destination`.
fn ends(reporter: &str, line: &Value) -> String {
    let (world, issued) = ground();
    let workload = if reporter.starts_with("orders") { ORDERS } else { WEB };
    let reporter = uid(&format!("shop/{reporter}"));
    let workload = SpiffeId::parse(workload).unwrap();
    let line = TapLine { workload, reporter, denied: false, text: line.to_string() };
    let v1::LineEnds { source, destination } = of(&world, &issued, &line);
    format!("{source} -> {destination}")
}

#[test]
fn a_peer_is_the_pod_that_holds_the_svid_that_it_proved_itself_with() {
    let line = json!({
        "event": "call", "kith.direction": "inbound", "kith.source.identity": WEB,
        "kith.destination.identity": ORDERS, "kith.peer.serial": "7b17", "client.address": "10.0.0.1:5000",
    });
    assert_eq!(ends("orders-0", &line), "shop/web-1 -> shop/orders-0", "and not who has its address now");
}

#[test]
fn a_peer_whose_svid_nobody_holds_any_more_is_found_by_its_address_if_that_is_of_its_identity() {
    let line = |address: &str| {
        json!({
            "event": "call", "kith.direction": "inbound", "kith.source.identity": WEB,
            "kith.peer.serial": "01", "client.address": address,
        })
    };
    assert_eq!(ends("orders-0", &line("[::ffff:10.0.0.1]:5000")), "shop/web-0 -> shop/orders-0");
    for other in ["10.0.0.9:5000", "10.0.0.3:5000", "10.0.0.77:5000"] {
        assert_eq!(ends("orders-0", &line(other)), " -> shop/orders-0", "{other}");
    }
}

#[test]
fn who_proved_nothing_is_the_pod_that_has_the_address_in_the_mesh_or_not() {
    let call = json!({ "event": "call", "kith.direction": "inbound", "client.address": "10.0.0.9:5000" });
    assert_eq!(ends("orders-0", &call), "shop/cron-x -> shop/orders-0");
    let refused =
        json!({ "event": "session_refused", "kith.direction": "inbound", "client.address": "10.0.0.9:5000" });
    assert_eq!(ends("orders-0", &refused), "shop/cron-x -> shop/orders-0");
}

#[test]
fn a_call_that_its_own_sidecar_refused_went_to_the_address_that_it_was_for() {
    let line = json!({
        "event": "call", "kith.direction": "outbound", "kith.source.identity": WEB,
        "kith.destination.identity": ORDERS, "client.address": "10.0.0.1:40000", "server.address": "10.0.0.3:8080",
    });
    assert_eq!(ends("web-0", &line), "shop/web-0 -> shop/orders-0");
    let refused = json!({ "event": "session_refused", "kith.direction": "outbound", "client.address": "10.0.0.3:8080" });
    assert_eq!(ends("web-0", &refused), "shop/web-0 -> shop/orders-0");
    let outside = json!({
        "event": "call", "kith.direction": "outbound", "client.address": "10.0.0.1:1", "server.address": "1.1.1.1:443",
    });
    assert_eq!(ends("web-0", &outside), "shop/web-0 -> ");
}

#[test]
fn other_events_are_about_the_workload_whose_sidecar_tells_them() {
    assert_eq!(ends("web-0", &json!({ "event": "svid_renewed" })), "shop/web-0 -> ");
    assert_eq!(ends("web-0", &json!({ "event": "quarantine" })), " -> shop/web-0");
    assert_eq!(ends("gone", &json!({ "event": "svid_renewed" })), " -> ");
}
