//! What people may call things, and what is never guessed.

use kith_identity::BundleSet;

use super::*;
use crate::index::{Workloads, workloads_from_wire};
use crate::testing::{demo_workloads, trust_domain, workload};

/// A pod of the service account `shop/ACCOUNT`, or of `NAMESPACE/ACCOUNT`.
fn pod(name: &str, account: &str) -> Workload {
    let (namespace, account) = account.split_once('/').unwrap_or(("shop", account));
    let wire = kith_proto::v1::Workload { namespace: namespace.into(), ..workload(account, &[]) };
    let list = kith_proto::v1::Workloads { workloads: vec![wire] };
    let made = workloads_from_wire(&trust_domain(), list).unwrap();
    let made = made.iter().next().unwrap().clone();
    Workload {
        id: crate::index::WorkloadId::new(&format!("uid-{namespace}-{name}")),
        name: format!("{namespace}/{name}"),
        port: 0,
        ..made
    }
}

fn world(workloads: impl IntoIterator<Item = Workload>) -> World {
    let workloads: Workloads = workloads.into_iter().collect();
    World::new(1, trust_domain(), BundleSet::default()).replace_workloads(workloads).unwrap()
}

fn cluster() -> World {
    world([
        pod("web-6b9c7d5f4d-x2x4z", "web"),
        pod("web-6b9c7d5f4d-9q8lm", "web"),
        pod("web-admin-7c5d-aaaaa", "admin"),
        pod("orders-0", "backend"),
        pod("orders-1", "backend"),
        pod("web-5d6f-bbbbb", "other/web"),
        pod("report-zzzzz", "other/batch"),
    ])
}

fn names_of(world: &World, text: &str) -> Result<Vec<String>, NoSuch> {
    let mut names: Vec<_> = workloads(world, text)?.iter().map(|workload| workload.name.clone()).collect();
    names.sort_unstable();
    Ok(names)
}

#[test]
fn a_pod_is_meant_by_its_name_by_what_made_it_by_its_account_or_by_a_beginning() {
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
        ("web-admin", &["shop/web-admin-7c5d-aaaaa"]),
        // A StatefulSet, whose account has another name, and that account.
        ("orders", &["shop/orders-0", "shop/orders-1"]),
        ("shop/backend", &["shop/orders-0", "shop/orders-1"]),
        ("other/rep", &["other/report-zzzzz"]),
        ("rep", &["other/report-zzzzz"]),
    ];
    for (text, want) in table {
        assert_eq!(names_of(&world, text).unwrap(), want, "{text}");
    }
}

#[test]
fn what_could_mean_two_identities_is_asked_back_with_the_candidates() {
    let world = cluster();
    for (text, candidates) in [
        ("web", ["shop/web-6b9c7d5f4d-x2x4z", "other/web-5d6f-bbbbb"]),
        ("shop/we", ["shop/web-6b9c7d5f4d-x2x4z", "shop/web-admin-7c5d-aaaaa"]),
    ] {
        let error = names_of(&world, text).unwrap_err();
        assert!(matches!(error, NoSuch::Ambiguous { .. }), "{error:?}");
        for candidate in candidates {
            assert!(error.to_string().contains(candidate), "{error} does not name {candidate}");
        }
        assert!(error.to_string().contains("/sa/web)"), "{error}: identities tell them apart");
        assert_eq!(Status::from(error).code(), tonic::Code::InvalidArgument);
    }
}

#[test]
fn a_pod_that_is_named_like_an_account_takes_nothing_from_it() {
    let world = world([pod("web", "frontend"), pod("web-6b9c7d5f4d-x2x4z", "web")]);
    assert!(matches!(names_of(&world, "shop/web"), Err(NoSuch::Ambiguous { .. })));
    // A Deployment of that name under another account neither.
    let world = self::world([pod("web-6b9c-x2x4z", "frontend"), pod("api-6b9c-x2x4z", "web")]);
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
    assert_eq!(name_of(&world, &of("shop", "admin")), "shop/web-admin-7c5d-aaaaa");
}
