//! From a message made by hand.

use std::time::{Duration, UNIX_EPOCH};

use kith_proto::v1;

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
    }
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_000_000)
}

#[test]
fn the_table() {
    insta::assert_snapshot!(anstream::adapter::strip_str(&table(&answer(), now())).to_string());
}

#[test]
fn the_json() {
    insta::assert_snapshot!(crate::render::json::pretty(&StatusJson::from(&answer())).unwrap());
}

#[test]
fn nothing_in_the_table_deceives() {
    // G1, G2
    let text = anstream::adapter::strip_str(&table(&answer(), now())).to_string();
    assert!(text.lines().all(|line| !line.chars().any(crate::render::escape::deceives)), "{text}");
}
