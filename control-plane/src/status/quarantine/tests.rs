//! What is said of a quarantine.

use serde_json::{Value, json};

use super::super::testing::{Ground, STAMP};
use super::{status, target};
use crate::testing::trust_domain;

fn told(spec: &Value) -> (Option<String>, String) {
    let mut ground = Ground::new(&[]);
    let object = ground.quarantine(spec);
    let target = target(&trust_domain(), &object);
    let status = status(&ground.facts.quarantines["leaked"], target.as_deref(), STAMP);
    let [accepted] = <[_; 1]>::try_from(status.conditions).unwrap();
    assert_eq!((accepted.kind.as_str(), accepted.observed_generation), ("Accepted", 2));
    (status.target, format!("{}/{}: {}", accepted.status, accepted.reason, accepted.message))
}

#[test]
fn a_quarantine_says_whom_it_means() {
    let (target, accepted) = told(&json!({ "pod": { "namespace": "shop", "name": "web" } }));
    assert_eq!(target.as_deref(), Some("Pod shop/web"));
    assert_eq!(accepted, "True/Accepted: the quarantine is valid");
}

#[test]
fn a_quarantine_that_cannot_be_read_says_whether_anybody_is_cut_off() {
    // K26
    let (target, accepted) = told(&json!({ "node": "n", "reson": "x" }));
    assert_eq!(target.as_deref(), Some("Node n"));
    assert_eq!(
        accepted,
        "False/Invalid: spec.reson: unknown field \"reson\"; did you mean \"reason\"?; Node n is cut off all the same"
    );
    let (target, accepted) = told(&json!({}));
    assert_eq!(target, None);
    assert!(accepted.ends_with("; nobody is cut off by what is written now"), "{accepted}");
}
