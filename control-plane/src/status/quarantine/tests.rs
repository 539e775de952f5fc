//! What is said of a quarantine, and when nothing is.

use serde_json::{Value, json};

use super::super::document::QuarantineStatus;
use super::super::testing::Ground;
use super::{status, target};
use crate::testing::trust_domain;

/// As it is with this stored object, which the world may not have yet.
fn try_of(ground: &Ground, object: &Value) -> Option<QuarantineStatus> {
    let target = target(&trust_domain(), object);
    let world = ground.worlds.now();
    status(&ground.view(&world), "leaked", &ground.facts.quarantines["leaked"], target.as_ref())
}

fn of(ground: &Ground, object: &Value) -> QuarantineStatus {
    try_of(ground, object).expect("the world and the facts are of one version")
}

/// `Type=Status/Reason: message`, one line for each.
fn told(status: &QuarantineStatus) -> Vec<String> {
    assert!(status.conditions.iter().all(|it| it.observed_generation == 2));
    let told = |it: &super::super::document::Condition| {
        format!("{}={}/{}: {}", it.kind, it.status, it.reason, it.message)
    };
    status.conditions.iter().map(told).collect()
}

fn web() -> Value {
    json!({ "serviceAccount": { "namespace": "shop", "name": "payments" } })
}

const VALID: &str = "Accepted=True/Accepted: the quarantine is valid";
const RESOLVED: &str = "ResolvedRefs=True/ResolvedRefs: everybody whom it means is there";

#[test]
fn a_quarantine_is_programmed_once_every_sidecar_confirmed_who_is_cut_off() {
    for spec in [web(), json!({ "pod": { "namespace": "shop", "name": "a" } }), json!({ "node": "node" })] {
        let mut ground = Ground::new(&["a", "b"]);
        let (a, b) = (ground.confirms("a"), ground.acks.connect(&ground.workload("b").id));
        let object = ground.quarantine(&spec);
        let revision = ground.worlds.now().revision;
        a.quarantines_acknowledged(revision);
        // The snapshot says nothing of who is cut off.
        b.acknowledged(revision);
        let waits = "Programmed=False/Reconciling: waiting for shop/b (1 of 2 sidecars have it)";
        assert_eq!(told(&of(&ground, &object)), [VALID, waits, RESOLVED], "{spec}");
        b.quarantines_acknowledged(revision);
        let programmed = "Programmed=True/Programmed: in force at 2 sidecars";
        assert_eq!(told(&of(&ground, &object)), [VALID, programmed, RESOLVED], "{spec}");
    }
}

#[test]
fn a_quarantine_of_nobody_who_is_there_says_so_and_is_in_force() {
    let mut ground = Ground::new(&["a"]);
    let object = ground.quarantine(&json!({ "pod": { "namespace": "shop", "name": "b" } }));
    let status = of(&ground, &object);
    assert_eq!(status.target.as_deref(), Some("Pod shop/b"));
    let [accepted, _, resolved] = <[_; 3]>::try_from(told(&status)).unwrap();
    assert_eq!(accepted, VALID);
    assert!(
        resolved.starts_with("ResolvedRefs=False/NotFound: there is no pod shop/b in the mesh now"),
        "{resolved}"
    );
}

#[test]
fn nothing_is_said_while_the_world_has_another_version_of_it() {
    let mut ground = Ground::new(&["a"]);
    let object = ground.quarantine(&web());
    assert!(try_of(&ground, &object).is_some());
    // The object names somebody else by now, and nobody was told of that.
    assert_eq!(try_of(&ground, &json!({ "spec": { "node": "node" } })), None);
}

#[test]
fn a_quarantine_that_cannot_be_read_says_whether_anybody_is_cut_off() {
    // K26
    let mut ground = Ground::new(&[]);
    let object = ground.quarantine(&json!({ "node": "n", "reson": "x" }));
    let status = of(&ground, &object);
    assert_eq!(status.target.as_deref(), Some("Node n"));
    assert_eq!(
        told(&status),
        [
            "Accepted=False/Invalid: spec.reson: unknown field \"reson\"; did you mean \"reason\"?; Node n is cut off \
          all the same"
        ]
    );
    let mut ground = Ground::new(&[]);
    let object = ground.quarantine(&json!({}));
    let status = of(&ground, &object);
    assert_eq!(status.target, None);
    let [accepted] = <[_; 1]>::try_from(told(&status)).unwrap();
    assert!(accepted.ends_with("; nobody is cut off by what is written now"), "{accepted}");
}
