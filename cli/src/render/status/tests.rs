//! From a message made by hand.

use std::time::{Duration, UNIX_EPOCH};

use kith_proto::v1;
use unicode_width::UnicodeWidthStr as _;

use super::*;

fn answer() -> StatusResponse {
    let workload = |name: &str| WorkloadStatus {
        name: name.to_owned(),
        identity: format!("spiffe://demo.local/ns/demo/sa/{name}"),
        connected: true,
        acknowledged: Some(v1::Revision { epoch: 2, counter: 5 }),
        refusal: String::new(),
        serial: "5c1e".repeat(4),
        not_after_ms: 1_000_043_000,
        allowed: 12,
        denied: 3,
        quarantined: false,
        would_deny: 0,
    };
    let lost = WorkloadStatus {
        connected: false,
        acknowledged: None,
        serial: String::new(),
        not_after_ms: 0,
        ..workload("web")
    };
    let refusing = WorkloadStatus { refusal: "policy 1 has no name".into(), ..workload("orders\u{202e}") };
    let late =
        WorkloadStatus { acknowledged: Some(v1::Revision { epoch: 2, counter: 4 }), ..workload("late") };
    StatusResponse {
        version: "0.1.0".into(),
        trust_domain: "demo.local".into(),
        root_sha256: "4f9a".repeat(16),
        root_not_after_ms: 1_000_000_000 + 31_535_940_000,
        issuing_not_after_ms: 1_000_000_000 + 604_740_000,
        revision: Some(v1::Revision { epoch: 2, counter: 5 }),
        policies: 2,
        policies_folder: "/tmp/policies".into(),
        policies_error: "payments.yaml:12:5: unknown field `sauces`\n   12 | sauces:\u{1b}[2J\n      | ^"
            .into(),
        workloads: vec![workload("payments"), lost, refusing, late],
        nothing_in_force: false,
        refused_policies: vec![],
        namespaces: vec![],
    }
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_000_000)
}

#[test]
fn the_table() {
    insta::assert_snapshot!(shown(&answer(), None));
}

#[test]
fn the_table_at_80_columns() {
    let calm = |mut workload: WorkloadStatus| {
        workload.refusal = String::new();
        workload
    };
    let calm = StatusResponse {
        workloads: answer().workloads.into_iter().take(2).map(calm).collect(),
        policies_error: String::new(),
        ..answer()
    };
    let text = shown(&calm, Some(80));
    assert!(text.lines().all(|line| line.width() <= 80), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn would_be_denials_are_shown_apart_where_there_are_any() {
    assert!(!shown(&answer(), None).contains("WOULD"));
    let mut would = answer();
    would.policies_error = String::new();
    would.workloads.truncate(1);
    would.workloads[0].would_deny = 7;
    let last = |text: &str| {
        text.lines().last().unwrap().split_whitespace().rev().take(3).collect::<Vec<_>>().join(" ")
    };
    for width in [None, Some(80), Some(120)] {
        let text = shown(&would, width);
        assert!(text.contains("ALLOWED") && text.contains("WOULD"), "{text}");
        assert_eq!(last(&text), "3 7 12", "{text}");
        assert_eq!(text.contains("SERIAL"), width != Some(80), "{text}");
    }
}

#[test]
fn serials_and_identities_are_whole_where_there_is_room() {
    let serial = "5c1e".repeat(4);
    let identity = "spiffe://demo.local/ns/demo/sa/payments";
    let quiet = StatusResponse { workloads: answer().workloads.into_iter().take(1).collect(), ..answer() };
    for (width, whole_serial, whole_identity) in
        [(None, true, true), (Some(130), true, true), (Some(129), false, true), (Some(99), false, false)]
    {
        let text = shown(&quiet, width);
        assert_eq!(text.contains(&serial), whole_serial, "{width:?}");
        assert_eq!(text.contains(identity), whole_identity, "{width:?}");
        assert!(text.contains("5c1e5c1e") && text.contains("demo/sa/payments"), "{width:?}");
    }
    // Wide enough as a rule, but not for this state.
    assert!(!shown(&answer(), Some(110)).contains(identity));
    let foreign = StatusResponse { trust_domain: "other.local".into(), ..quiet };
    assert!(shown(&foreign, Some(80)).contains(identity), "only our own trust domain goes without saying");
}

#[test]
fn a_control_plane_that_could_read_no_policies_says_so_first() {
    let blind = StatusResponse { nothing_in_force: true, ..answer() };
    let text = shown(&blind, None);
    let at = |what: &str| text.find(what).unwrap();
    assert!(at("NO policies could be read since the control plane started") < at("the newest edit"));
    assert!(!shown(&answer(), None).contains("NO policies"));
}

#[test]
fn a_tab_in_the_policy_leaves_the_caret_where_it_belongs() {
    let policies_error = "a.yaml:1:2: no tabs here\n 1 | \tx\n   | \t^".into();
    let text = shown(&StatusResponse { policies_error, ..answer() }, None);
    assert!(text.contains("   1 |  x\n     |  ^\n"), "{text}");
}

#[test]
fn a_workload_that_is_cut_off_is_nothing_else_in_its_state() {
    let mut cut = answer();
    cut.workloads[2].quarantined = true;
    let text = shown(&cut, None);
    let row = text.lines().find(|line| line.starts_with("orders")).unwrap();
    assert!(row.contains("  quarantined  ") && !row.contains("refused"), "{row}");
}

fn shown(answer: &StatusResponse, width: Option<usize>) -> String {
    anstream::adapter::strip_str(&table("demo", answer, now(), width)).to_string()
}

#[test]
fn the_json() {
    insta::assert_snapshot!(crate::render::json::pretty(&StatusJson::new("demo", &answer())).unwrap());
}

#[test]
fn nothing_in_the_table_deceives() {
    // G1, G2
    let text = shown(&answer(), None);
    assert!(text.lines().all(|line| !line.chars().any(crate::render::escape::deceives)), "{text}");
}

#[test]
fn in_a_cluster_each_policy_is_refused_by_itself_and_namespaces_have_a_posture() {
    let refused = RefusedPolicy {
        name: "shop/callers".into(),
        generation: 3,
        error: "spec.rulez: unknown field\u{1b}[2J".into(),
    };
    let namespace = |name: &str, observe_until_ms, refuse_all: &str| NamespaceStatus {
        name: name.into(),
        posture: if observe_until_ms == 0 { "Enforce".into() } else { "Observe".into() },
        observe_until_ms,
        egress: "Deny".into(),
        refuse_all: refuse_all.into(),
        workloads: 2,
    };
    let namespaces = vec![
        namespace("shop", 0, ""),
        namespace("trial", 1_000_043_000, ""),
        namespace("odd", 0, "bad label"),
    ];
    let status = StatusResponse {
        policies_folder: "kubernetes".into(),
        policies_error: String::new(),
        refused_policies: vec![refused],
        namespaces,
        ..answer()
    };
    let text = shown(&status, None);
    assert!(
        text.contains("shop/callers is not in force as it is written (generation 3):\n  spec.rulez"),
        "{text}"
    );
    let row = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(row("shop ").ends_with("Enforce") && row("trial").ends_with("Observe, ends in 43s"), "{text}");
    assert!(row("odd").ends_with("refuses everything: bad label"), "{text}");
    let json = serde_json::to_value(StatusJson::new("trial/kith", &status)).unwrap();
    assert_eq!(json["refused_policies"][0]["name"], "shop/callers");
    assert_eq!(json["namespaces"][1]["observe_until"], "1970-01-12T13:47:23.000Z");
}
