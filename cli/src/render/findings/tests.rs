//! From findings made by hand.

use kith_control_plane::kubernetes::check::{CHECKS, Judgement};

use super::*;
use crate::render::{escape, json};

fn finding(id: &str, outcome: Outcome, detail: Option<&str>, causes: &[&str], hint: Option<&str>) -> Finding {
    let check = *CHECKS.iter().find(|check| check.id == id).unwrap();
    let causes = causes.iter().map(|cause| (*cause).to_owned()).collect();
    let (detail, hint) = (detail.map(str::to_owned), hint.map(str::to_owned));
    Finding { check, judgement: Judgement { outcome, detail, causes, hint } }
}

fn findings() -> Vec<Finding> {
    let away = "the pod kith-control-plane-0 is ImagePullBackOff: no such image \u{1b}[2J";
    vec![
        finding("api-reachable", Outcome::Ok, Some("v1.36.2"), &[], None),
        finding("api-version", Outcome::Ok, Some("v1.36.2"), &[], None),
        finding("deployment", Outcome::Error, None, &["0 of 1 pods are ready", away], Some("see its log")),
        finding("service", Outcome::Skipped, Some("because of the error in deployment"), &[], None),
        finding("root", Outcome::Warning, None, &["it ends in 12 days"], Some("replace it in time")),
        finding(
            "members",
            Outcome::Error,
            None,
            &["web-0 has a sidecar"],
            Some("in this order:\nkubectl one\nkubectl two"),
        ),
    ]
}

#[test]
fn the_table() {
    let text = anstream::adapter::strip_str(&table(&findings())).to_string();
    assert!(!text.lines().any(|line| line.chars().any(escape::deceives)), "G1, G2: {text}");
    insta::assert_snapshot!(text);
}

#[test]
fn the_json() {
    insta::assert_snapshot!(json::pretty(&FindingsJson::new("kith", &findings())).unwrap());
}

#[test]
fn the_worst_finding_is_the_outcome_of_all() {
    let outcome = |findings: &[Finding]| FindingsJson::new("kith", findings).outcome;
    let all = findings();
    assert_eq!((outcome(&all), outcome(&all[..2]), outcome(&all[3..5])), ("error", "ok", "warning"));
}
