//! What each sidecar is sent, and what not.

use std::net::IpAddr;
use std::sync::Arc;

use kith_identity::{BundleSet, SpiffeId};
use kith_policy::document;
use kith_proto::pod::PortRange;

use super::*;
use crate::index::{PodAddress, Services, workloads_from_wire};
use crate::testing::{ALLOW_ORDERS, demo_workloads, id, trust_domain, workload};

fn of(world: &World, identity: &SpiffeId) -> v1::Snapshot {
    snapshot_for(world, world.any_of(identity).unwrap(), &BTreeSet::new())
}

fn world(list: v1::Workloads) -> World {
    let workloads = workloads_from_wire(&trust_domain(), list).unwrap();
    let world = World::new(1, trust_domain(), BundleSet::default()).replace_workloads(workloads).unwrap();
    world.replace_policies(document::parse("payments.yaml", ALLOW_ORDERS).unwrap()).unwrap()
}

#[test]
fn a_snapshot_has_the_policies_that_select_the_workload_and_no_others() {
    let world = world(demo_workloads());
    let payments = of(&world, &id("payments"));
    assert_eq!(payments.policies.len(), 1);
    assert_eq!(payments.policies[0].name, "payments-callers");
    assert_eq!(payments.identity, id("payments").to_string());
    assert_eq!(payments.revision, Some(world.revision.into()));

    // R1
    assert_eq!(of(&world, &id("orders")).policies, []);
}

#[test]
fn a_policy_selects_in_its_own_namespace_only() {
    let mut elsewhere = workload("payments", &[]);
    elsewhere.namespace = "other".into();
    let world = world(v1::Workloads { workloads: vec![elsewhere] });
    let identity = SpiffeId::for_service_account(&trust_domain(), "other", "payments").unwrap();
    assert_eq!(of(&world, &identity).policies, []);
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
        ..v1::Destination::default()
    };
    assert_eq!(of(&world, &id("orders")).destinations, [payments]);
    assert_eq!(of(&world, &id("payments")).destinations, []);
}

#[test]
fn a_port_that_passes_the_sidecar_by_is_reached_without_the_mesh() {
    let world = world(demo_workloads());
    let mut payments = world.any_of(&id("payments")).unwrap().clone();
    payments.skipped = vec![PortRange::parse("9000-9100").unwrap()];
    let ip: IpAddr = [10, 1, 0, 7].into();
    let pod = PodAddress { pod: "demo/payments".into(), workload: Some(payments.id.clone()) };
    let services = Services { pods: [(ip, pod)].into(), ..Services::default() };
    let workloads = [world.any_of(&id("orders")).unwrap().clone(), payments].into_iter().collect();
    let world = World { workloads: Some(Arc::new(workloads)), services: Arc::new(services), ..world };
    let subscribed = [8080, 9001].map(|port| SocketAddr::new(ip, port)).into();
    let orders = world.any_of(&id("orders")).unwrap();
    let destinations = snapshot_for(&world, orders, &subscribed).destinations;
    let identities: Vec<_> = destinations[1..].iter().map(|it| it.endpoints[0].identity.as_str()).collect();
    assert_eq!(identities, [id("payments").as_str(), ""]);
}

#[test]
fn a_sidecar_that_has_no_identity_is_not_called_in_the_clear() {
    let world = world(demo_workloads());
    let ip: IpAddr = [10, 1, 0, 9].into();
    let pod = PodAddress { pod: "demo/nobody".into(), workload: Some(WorkloadId::new("nobody")) };
    let services = Services { pods: [(ip, pod)].into(), ..Services::default() };
    let world = World { services: Arc::new(services), ..world };
    let subscribed = [SocketAddr::new(ip, 8080)].into();
    let orders = world.any_of(&id("orders")).unwrap();
    let destination = snapshot_for(&world, orders, &subscribed).destinations.pop().unwrap();
    assert_eq!((destination.endpoints, destination.outside), (vec![], false));
}

#[test]
fn a_destination_that_does_not_run_has_no_endpoint() {
    let mut not_ready = workload("payments", &[]);
    not_ready.inbound_address.clear();
    let list = vec![workload("orders", &["payments", "ghost"]), not_ready];
    let world = world(v1::Workloads { workloads: list });
    let destinations = of(&world, &id("orders")).destinations;
    let names: Vec<_> = destinations.iter().map(|d| (d.name.as_str(), d.endpoints.len())).collect();
    assert_eq!(names, [("payments", 0), ("ghost", 0)]);
    assert_eq!(destinations[1].protocol(), v1::Protocol::Unspecified, "nobody declared the ghost's");
}
