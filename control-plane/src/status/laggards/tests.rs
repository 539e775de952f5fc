//! Who counts as missing, and how that is told.

use std::time::Duration;

use kith_identity::svid::Serial;
use kith_policy::Revision;
use serde_json::json;

use super::super::testing::{Ground, now};
use super::{Required, Roll};
use crate::stream::acks::Refused;

const NOBODY: &str = "no sidecar is selected now";

fn roll(ground: &Ground) -> String {
    let world = ground.worlds.now();
    let revision = world.revision;
    ground
        .sidecars()
        .roll(world.workloads().map(|workload| (workload, Required::Snapshot(revision))))
        .told(NOBODY)
}

/// Pods that come after the first world.
fn ground(pods: &[&str]) -> Ground {
    let mut ground = Ground::new(&["first"]);
    drop(ground.confirms("first"));
    pods.iter().for_each(|pod| ground.pod(pod, "x"));
    drop(ground.confirms("first"));
    ground
}

#[test]
fn who_confirmed_has_it_also_when_its_stream_is_gone() {
    let ground = ground(&["a"]);
    drop(ground.confirms("a"));
    assert_eq!(roll(&ground), "in force at 2 sidecars");
}

#[test]
fn who_holds_an_svid_and_did_not_confirm_is_waited_for_until_the_svid_ends() {
    let ground = ground(&["a"]);
    let id = ground.workload("a").id;
    let serial = Serial::parse("0a").unwrap();
    ground.acks.has_svid(&id, &serial, now() + Duration::from_secs(1));
    assert_eq!(roll(&ground), "waiting for shop/a (1 of 2 sidecars have it)");
    let ground = self::ground(&["a"]);
    ground.acks.has_svid(&id, &serial, now());
    assert_eq!(roll(&ground), "in force at 1 sidecar");
}

#[test]
fn a_sidecar_that_never_came_is_waited_for_only_if_it_may_hold_an_svid_from_before() {
    assert_eq!(roll(&ground(&["a"])), "in force at 1 sidecar");
    let mut ground = Ground::new(&[]);
    ground.since = super::super::since::Since::default();
    ground.pod("a", "x");
    assert_eq!(roll(&ground), "waiting for shop/a (0 of 1 sidecars have it)");
    let world = ground.worlds.now();
    let later = super::Sidecars { now: now() + Duration::from_secs(60), ..ground.sidecars() };
    let roll = later.roll(world.workloads().map(|workload| (workload, Required::Snapshot(world.revision))));
    assert_eq!(roll.told(NOBODY), NOBODY);
}

#[test]
fn who_refuses_is_named_first_with_the_reason() {
    let ground = ground(&["a", "b"]);
    let (a, b) =
        (ground.acks.connect(&ground.workload("a").id), ground.acks.connect(&ground.workload("b").id));
    let old = Revision { epoch: 7, counter: 1 };
    a.refused(Refused::Snapshot(old), "of before".to_owned());
    assert_eq!(roll(&ground), "waiting for shop/a, shop/b (1 of 3 sidecars have it)");
    b.refused(Refused::Snapshot(ground.worlds.now().revision), "unknown language 9".to_owned());
    assert_eq!(
        roll(&ground),
        "refused by shop/b: unknown language 9; waiting for shop/a (1 of 3 sidecars have it)"
    );
}

#[test]
fn ten_are_named_and_the_others_counted() {
    let names = |count: usize| (0..count).map(|number| format!("n{number}")).collect::<Vec<_>>();
    let refusing = vec![("r".to_owned(), "no".to_owned())];
    let roll = Roll { has: 3, waiting: names(12), refusing: refusing.clone() };
    assert_eq!(
        roll.told(NOBODY),
        "refused by r: no; waiting for n0, n1, n2, n3, n4, n5, n6, n7, n8; and 3 more (3 of 16 sidecars have it)"
    );
    let roll = Roll { has: 0, waiting: names(9), refusing };
    assert!(!roll.told(NOBODY).contains("more"), "{}", roll.told(NOBODY));
}

#[test]
fn an_older_world_is_not_enough_once_the_policy_changed() {
    let mut ground = ground(&[]);
    let _sidecar = ground.confirms("first");
    ground.policy(1, &json!({ "rules": [{}] }));
    assert_eq!(roll(&ground), "waiting for shop/first (0 of 1 sidecars have it)");
}

#[test]
fn who_is_cut_off_is_confirmed_apart_from_policies_and_refused_apart() {
    let ground = ground(&["a", "b"]);
    let world = ground.worlds.now();
    let required = Required::Quarantines(world.revision);
    let roll = || ground.sidecars().roll(world.workloads().map(|it| (it, required))).told(NOBODY);
    let [first, a, b] = ["first", "a", "b"].map(|pod| ground.acks.connect(&ground.workload(pod).id));
    first.quarantines_acknowledged(world.revision);
    a.acknowledged(world.revision);
    assert_eq!(roll(), "waiting for shop/a, shop/b (1 of 3 sidecars have it)");
    b.refused(Refused::Quarantines(world.revision), "no room".to_owned());
    a.quarantines_acknowledged(world.revision);
    assert_eq!(roll(), "refused by shop/b: no room (2 of 3 sidecars have it)");
}
