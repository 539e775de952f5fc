//! What each sidecar is sent, and what not.

use kith_identity::BundleSet;
use kith_policy::document;

use super::*;
use crate::index::workloads_from_wire;
use crate::testing::{ALLOW_ORDERS, demo_workloads, id, trust_domain, workload};

fn world(list: v1::Workloads) -> World {
    let workloads = workloads_from_wire(&trust_domain(), list).unwrap();
    let world = World::new(1, trust_domain(), BundleSet::default()).replace_workloads(workloads).unwrap();
    world.replace_policies(document::parse("payments.yaml", ALLOW_ORDERS).unwrap()).unwrap()
}

#[test]
fn a_snapshot_has_the_policies_that_select_the_workload_and_no_others() {
    let world = world(demo_workloads());
    let payments = snapshot_for(&world, &id("payments")).unwrap();
    assert_eq!(payments.policies.len(), 1);
    assert_eq!(payments.policies[0].name, "payments-callers");
    assert_eq!(payments.identity, id("payments").to_string());
    assert_eq!(payments.revision, Some(world.revision.into()));

    // R1
    assert_eq!(snapshot_for(&world, &id("orders")).unwrap().policies, []);
}

#[test]
fn a_policy_selects_in_its_own_namespace_only() {
    let mut elsewhere = workload("payments", &[]);
    elsewhere.namespace = "other".into();
    let world = world(v1::Workloads { workloads: vec![elsewhere] });
    let identity = SpiffeId::for_service_account(&trust_domain(), "other", "payments").unwrap();
    assert_eq!(snapshot_for(&world, &identity).unwrap().policies, []);
}

#[test]
fn destinations_are_the_declared_ones_with_the_endpoints_own_identity() {
    let mut list = demo_workloads();
    list.workloads[1].protocol = v1::Protocol::Tcp.into();
    let world = world(list);
    let endpoint = v1::Endpoint { address: "127.0.0.1:15001".into(), identity: id("payments").to_string() };
    let payments = v1::Destination {
        name: "payments".into(),
        endpoints: vec![endpoint],
        protocol: v1::Protocol::Tcp.into(),
    };
    assert_eq!(snapshot_for(&world, &id("orders")).unwrap().destinations, [payments]);
    assert_eq!(snapshot_for(&world, &id("payments")).unwrap().destinations, []);
}

#[test]
fn a_destination_that_does_not_run_has_no_endpoint() {
    let mut not_ready = workload("payments", &[]);
    not_ready.inbound_address.clear();
    let list = vec![workload("orders", &["payments", "ghost"]), not_ready];
    let world = world(v1::Workloads { workloads: list });
    let destinations = snapshot_for(&world, &id("orders")).unwrap().destinations;
    let names: Vec<_> = destinations.iter().map(|d| (d.name.as_str(), d.endpoints.len())).collect();
    assert_eq!(names, [("payments", 0), ("ghost", 0)]);
    assert_eq!(destinations[1].protocol(), v1::Protocol::Unspecified, "nobody declared the ghost's");
}
