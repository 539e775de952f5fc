//! What of the stored status stays, and when nothing is said.

use super::super::document::{
    ACCEPTED, Ancestor, AncestorRef, CONTROLLER, Condition, PROGRAMMED, PolicyStatus, Statement,
};
use super::Merge as _;

fn programmed(holds: bool, generation: i64, now: &str) -> Condition {
    let reason = if holds { PROGRAMMED } else { "Reconciling" };
    Statement { kind: PROGRAMMED, holds, reason, message: String::new() }.at(generation, now)
}

fn accepted(holds: bool, reason: &'static str, generation: i64) -> Condition {
    Statement { kind: ACCEPTED, holds, reason, message: "why".to_owned() }.at(generation, "t")
}

fn status(conditions: Vec<Condition>, controller: &str) -> PolicyStatus {
    let ancestor_ref =
        AncestorRef { group: String::new(), kind: "Pod".into(), namespace: None, name: "a=b".into() };
    let ancestor =
        Ancestor { ancestor_ref, controller_name: controller.to_owned(), conditions: conditions.clone() };
    PolicyStatus { target: None, conditions, ancestors: vec![ancestor] }
}

#[test]
fn a_condition_that_stays_keeps_its_time_and_one_that_turns_gets_a_new_one() {
    let stored = status(vec![programmed(true, 1, "then")], CONTROLLER);
    // Of another generation, and still so.
    let same = status(vec![programmed(true, 2, "now")], CONTROLLER).over(&stored);
    assert_eq!(same, status(vec![programmed(true, 2, "then")], CONTROLLER));
    let turned = status(vec![programmed(false, 1, "now")], CONTROLLER).over(&stored);
    assert_eq!(turned, status(vec![programmed(false, 1, "now")], CONTROLLER));
}

#[test]
fn nothing_but_the_time_is_no_change() {
    let stored = status(vec![programmed(true, 1, "then")], CONTROLLER);
    assert_eq!(status(vec![programmed(true, 1, "now")], CONTROLLER).over(&stored), stored);
}

#[test]
fn what_other_controllers_wrote_stays_and_is_none_of_ours() {
    let others = status(vec![programmed(true, 1, "then")], "other.example/controller");
    let ours = status(vec![programmed(true, 1, "now")], CONTROLLER);
    let merged = ours.clone().over(&others);
    assert_eq!(merged.ancestors, [ours.ancestors[0].clone(), others.ancestors[0].clone()]);
    assert_eq!(merged.ancestors[0].conditions[0].last_transition_time, "now");
    assert_eq!(ours.over(&merged).ancestors.len(), 2);
}

#[test]
fn only_an_object_that_cannot_be_read_is_refused_and_only_for_its_generation() {
    let refuses =
        |condition, generation| status(vec![condition], CONTROLLER).refuses(generation).map(str::to_owned);
    assert_eq!(refuses(accepted(false, "Invalid", 2), 2).as_deref(), Some("why"));
    assert_eq!(refuses(accepted(false, "Invalid", 1), 2), None);
    assert_eq!(refuses(accepted(false, "TargetNotFound", 2), 2), None);
    assert_eq!(refuses(accepted(true, "Accepted", 2), 2), None);
}

#[test]
fn waiting_alone_is_waiting_for_what_was_in_force_before() {
    let stored = status(vec![programmed(true, 1, "then")], CONTROLLER);
    let waits = |conditions| status(conditions, CONTROLLER).only_waits(&stored);
    assert!(waits(vec![programmed(false, 1, "now")]));
    assert!(!waits(vec![programmed(true, 1, "now")]));
    assert!(!waits(vec![programmed(false, 2, "now")]), "a new generation was never in force");
    assert!(!waits(vec![accepted(false, "Invalid", 1)]));
    let overridden = Condition { reason: "Overridden".to_owned(), ..programmed(false, 1, "now") };
    assert!(!waits(vec![overridden]));
    let never = status(vec![programmed(false, 1, "then")], CONTROLLER);
    assert!(!status(vec![programmed(false, 1, "now")], CONTROLLER).only_waits(&never));
}
