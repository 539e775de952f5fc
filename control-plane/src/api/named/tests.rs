//! What people may call things, and what is never guessed.

use kith_identity::BundleSet;

use super::*;
use crate::api::pods::{pod, uid, world};
use crate::index::{ServiceEndpoint, ServicePort, Services, workloads_from_wire};
use crate::testing::{demo_workloads, trust_domain};

fn cluster() -> World {
    world([
        pod("web-6b9c7d5f4d-x2x4z", "web"),
        pod("web-6b9c7d5f4d-9q8lm", "web"),
        pod("web-admin-7c5d9b8f6-zzzzz", "admin"),
        pod("orders-0", "backend"),
        pod("orders-1", "backend"),
        pod("web-5d6f7b8c9-bbbbb", "other/web"),
        pod("report-zzzzz", "other/batch"),
    ])
}

fn names_of(world: &World, text: &str) -> Result<Vec<String>, NoSuch> {
    let mut names: Vec<_> = workloads(world, text)?.iter().map(|workload| workload.name.clone()).collect();
    names.sort_unstable();
    Ok(names)
}

#[test]
fn a_pod_is_meant_by_its_name_by_what_made_it_or_by_its_account() {
    let world = cluster();
    let (first, second) = ("shop/web-6b9c7d5f4d-9q8lm", "shop/web-6b9c7d5f4d-x2x4z");
    let web = format!("spiffe://{}/ns/shop/sa/web", trust_domain());
    let table: [(&str, &[&str]); 11] = [
        (&web, &[first, second]),
        (second, &[second]),
        ("web-6b9c7d5f4d-x2x4z", &[second]),
        // The Deployment, its ReplicaSet, and the service account: not web-admin, which begins the same.
        ("shop/web", &[first, second]),
        ("shop/web-6b9c7d5f4d", &[first, second]),
        ("web-6b9c7d5f4d", &[first, second]),
        ("web-admin", &["shop/web-admin-7c5d9b8f6-zzzzz"]),
        // A StatefulSet, whose account has another name, and that account.
        ("orders", &["shop/orders-0", "shop/orders-1"]),
        ("shop/backend", &["shop/orders-0", "shop/orders-1"]),
        ("other/report", &["other/report-zzzzz"]),
        ("report", &["other/report-zzzzz"]),
    ];
    for (text, want) in table {
        assert_eq!(names_of(&world, text).unwrap(), want, "{text}");
    }
}

#[test]
fn what_could_mean_two_identities_is_asked_back_with_the_candidates() {
    let world = cluster();
    let error = names_of(&world, "web").unwrap_err();
    assert!(matches!(error, NoSuch::Ambiguous { .. }), "{error:?}");
    for candidate in ["shop/web-6b9c7d5f4d-x2x4z", "other/web-5d6f7b8c9-bbbbb"] {
        assert!(error.to_string().contains(candidate), "{error} does not name {candidate}");
    }
    assert!(error.to_string().contains("/sa/web)"), "{error}: identities tell them apart");
    assert_eq!(Status::from(error).code(), tonic::Code::InvalidArgument);
}

#[test]
fn a_beginning_of_a_name_means_nobody_and_is_asked_back_with_what_may_be_meant() {
    let world = cluster();
    let beginnings = [
        ("shop/order", "shop/orders"),
        ("order", "orders"),
        ("shop/w", "shop/web"),
        ("shop/web-6b9c7d5f4d-x2x4", "shop/web-6b9c7d5f4d-x2x4z"),
        ("shop/bakend", "shop/backend"),
    ];
    for (text, meant) in beginnings {
        let error = names_of(&world, text).unwrap_err();
        assert!(matches!(error, NoSuch::Workload { .. }), "{text:?}: {error:?}");
        assert!(error.to_string().contains(&format!("did you mean {meant:?}?")), "{text:?}: {error}");
    }
}

#[test]
fn only_what_a_controller_generates_is_left_out_of_the_name_of_a_pod() {
    let world = world([
        // A DaemonSet, two pods that nobody made, a StatefulSet, a CronJob.
        pod("log-agent-x2x4z", "agent"),
        pod("web-old", "old"),
        pod("web-grpc-x2x4z", "grpc"),
        pod("orders-db-0", "db"),
        pod("night-29345678-x2x4z", "night"),
    ]);
    for (text, want) in [
        ("log-agent", "shop/log-agent-x2x4z"),
        ("web-grpc", "shop/web-grpc-x2x4z"),
        ("orders-db", "shop/orders-db-0"),
        ("shop/night-29345678", "shop/night-29345678-x2x4z"),
        ("shop/night", "shop/night-29345678-x2x4z"),
    ] {
        assert_eq!(names_of(&world, text).unwrap(), [want], "{text}");
    }
    for text in ["log", "shop/log", "web", "shop/web", "orders", "shop/orders", "night-2934567"] {
        assert!(matches!(names_of(&world, text), Err(NoSuch::Workload { .. })), "{text}");
    }
}

#[test]
fn a_service_is_a_name_of_the_pods_behind_it_where_nothing_else_is_called_so() {
    let behind = |pods: &[&str]| {
        let address = "10.0.0.7:8080".parse().unwrap();
        let endpoints =
            pods.iter().map(|pod| ServiceEndpoint { address, workload: Some(uid(&format!("shop/{pod}"))) });
        ServicePort { service: String::new(), protocol: Default::default(), endpoints: endpoints.collect() }
    };
    let named = |name: &str, port| ServicePort { service: name.into(), ..port };
    let by_address = [
        ("10.96.0.1:80", named("shop/front", behind(&["web-6b9c7d5f4d-x2x4z", "web-6b9c7d5f4d-9q8lm"]))),
        // Whoever may make a Service takes no name away by it.
        ("10.96.0.2:80", named("shop/web", behind(&["orders-0"]))),
        ("10.96.0.3:80", named("shop/all", behind(&["orders-0", "web-6b9c7d5f4d-x2x4z"]))),
    ];
    let by_address = by_address.map(|(address, port)| (address.parse().unwrap(), port)).into();
    let services = Services { by_address, ..Services::default() };
    let world = World { services: services.into(), ..cluster() };
    let web = ["shop/web-6b9c7d5f4d-9q8lm", "shop/web-6b9c7d5f4d-x2x4z"];
    for text in ["shop/front", "front", "shop/web"] {
        assert_eq!(names_of(&world, text).unwrap(), web, "{text}");
    }
    assert!(matches!(names_of(&world, "shop/all"), Err(NoSuch::Ambiguous { .. })));
    assert!(matches!(names_of(&world, "shop/fron"), Err(NoSuch::Workload { .. })));
}

#[test]
fn a_pod_that_is_named_like_an_account_takes_nothing_from_it() {
    let world = world([pod("web", "frontend"), pod("web-6b9c7d5f4d-x2x4z", "web")]);
    assert!(matches!(names_of(&world, "shop/web"), Err(NoSuch::Ambiguous { .. })));
    // A Deployment of that name under another account neither.
    let world = self::world([pod("web-6b9c7d5f4d-x2x4z", "frontend"), pod("api-6b9c7d5f4d-x2x4z", "web")]);
    assert!(matches!(names_of(&world, "shop/web"), Err(NoSuch::Ambiguous { .. })));
}

#[test]
fn what_is_nothing_is_told_with_what_there_is() {
    let world = cluster();
    for text in ["", "ghost", "shop/", "shop", "/web", "shop/web/", "shop/x", "spiffe://x"] {
        let error = names_of(&world, text).unwrap_err();
        assert!(matches!(error, NoSuch::Workload { .. }), "{text:?}: {error}");
        assert!(error.to_string().contains("shop/orders-0"), "{error}");
    }
}

#[test]
fn on_one_machine_a_name_is_whole() {
    let workloads = workloads_from_wire(&trust_domain(), demo_workloads()).unwrap();
    let world = World::new(1, trust_domain(), BundleSet::default()).replace_workloads(workloads).unwrap();
    assert_eq!(names_of(&world, "orders").unwrap(), ["orders"]);
    for text in ["order", "demo/orders", "demo/sa/orders"] {
        assert!(names_of(&world, text).is_err(), "{text}");
    }
}

#[test]
fn an_identity_of_several_workloads_is_called_by_none_of_them() {
    let world = cluster();
    let of = |namespace: &str, name: &str| {
        SpiffeId::for_service_account(&trust_domain(), namespace, name).unwrap()
    };
    assert_eq!(name_of(&world, &of("shop", "web")), of("shop", "web").to_string());
    assert_eq!(name_of(&world, &of("shop", "admin")), "shop/web-admin-7c5d9b8f6-zzzzz");
}
