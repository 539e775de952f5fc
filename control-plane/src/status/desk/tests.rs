//! When an object is read again, and when nothing is said of it yet.

use std::time::Duration;

use tokio::time::{Instant, advance};

use super::super::document::{CONTROLLER, Condition, PROGRAMMED, QuarantineStatus, Statement};
use super::{Known, ObjectFacts, PATIENCE};

fn facts(version: &str, generation: i64) -> ObjectFacts {
    ObjectFacts { uid: "u".to_owned(), generation, resource_version: version.to_owned(), read: Ok(()) }
}

fn status(holds: bool) -> QuarantineStatus {
    let reason = if holds { PROGRAMMED } else { "Reconciling" };
    let condition: Condition =
        Statement { kind: PROGRAMMED, holds, reason, message: CONTROLLER.to_owned() }.at(1, "t");
    QuarantineStatus { target: None, conditions: vec![condition] }
}

fn known(told: &str, version: &str) -> Known<QuarantineStatus, ()> {
    Known {
        uid: "u".to_owned(),
        told: told.to_owned(),
        version: version.to_owned(),
        generation: 1,
        status: status(true),
        target: None,
        not_before: Instant::now(),
        waits_since: None,
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_is_read_again_when_somebody_else_changed_it_and_only_then() {
    // Read at 5; written as 7; the facts follow.
    let known = known("5", "7");
    assert!(known.is_current(&facts("5", 1)) && known.is_current(&facts("7", 1)));
    assert!(!known.is_current(&facts("8", 1)), "somebody wrote since");
    assert!(!known.is_current(&facts("7", 2)), "its spec is another one");
    let another = ObjectFacts { uid: "v".to_owned(), ..facts("7", 1) };
    assert!(!known.is_current(&another), "another object of the same name");
    assert!(!self::known("", "").is_current(&facts("", 1)), "it was never read");
}

#[tokio::test(start_paused = true)]
async fn sidecars_get_a_moment_before_it_is_said_that_they_are_missing() {
    let (mut known, settled) = (known("5", "5"), Instant::now());
    assert!(!known.keeps_quiet(&status(true), settled));
    assert!(known.keeps_quiet(&status(false), settled));
    advance(PATIENCE - Duration::from_millis(1)).await;
    assert!(known.keeps_quiet(&status(false), settled));
    advance(Duration::from_millis(1)).await;
    assert!(!known.keeps_quiet(&status(false), settled));
    // Who came back in time starts the moment anew.
    assert!(!known.keeps_quiet(&status(true), settled));
    assert!(known.keeps_quiet(&status(false), settled));
}

#[tokio::test(start_paused = true)]
async fn right_after_a_start_the_moment_lasts_until_sidecars_had_time_to_come_back() {
    let mut known = known("5", "5");
    let settled = Instant::now() + Duration::from_secs(30);
    advance(Duration::from_secs(29)).await;
    assert!(known.keeps_quiet(&status(false), settled));
    advance(Duration::from_secs(2)).await;
    assert!(!known.keeps_quiet(&status(false), settled));
}
