//! From messages made by hand.

use kith_proto::v1;

use super::*;

fn request() -> ExplainRequest {
    ExplainRequest {
        source: "intruder".into(),
        destination: "payments".into(),
        method: "POST".into(),
        path: "/charge/7".into(),
    }
}

fn check(field: &str, outcome: &str, got: &str, wanted: &str) -> Check {
    Check { field: field.into(), outcome: outcome.into(), got: got.into(), wanted: wanted.into() }
}

fn considered(rule: &str, matched: bool, checks: Vec<Check>) -> Considered {
    let origin =
        Origin { file: "payments.yaml".into(), line: 11, column: 5, text: format!("  - name: {rule}") };
    Considered {
        policy: "demo/orders-to-payments".into(),
        action: "ALLOW".into(),
        rule: rule.into(),
        origin: Some(origin),
        matched,
        checks,
    }
}

fn denied() -> ExplainResponse {
    let source = check("source", "false", "intruder", "orders");
    ExplainResponse {
        source: "spiffe://demo.local/ns/demo/sa/intruder".into(),
        destination: "spiffe://demo.local/ns/demo/sa/payments".into(),
        allowed: false,
        because: "1 policy targets this workload; none has source intruder".into(),
        policy: String::new(),
        rule: String::new(),
        revision: Some(v1::Revision { epoch: 1, counter: 3 }),
        considered: vec![
            considered("refund", false, vec![source.clone(), check("method", "unknown", "", "DELETE")]),
            considered("create-charge", false, vec![source, check("method", "true", "POST", "POST")]),
        ],
    }
}

fn shown(answer: &ExplainResponse) -> String {
    anstream::adapter::strip_str(&table(&request(), answer)).to_string()
}

#[test]
fn a_denied_call() {
    insta::assert_snapshot!(shown(&denied()));
}

#[test]
fn an_allowed_call() {
    let answer = ExplainResponse {
        allowed: true,
        because: "demo/orders-to-payments rule create-charge allows it".into(),
        policy: "demo/orders-to-payments".into(),
        rule: "create-charge".into(),
        considered: vec![considered("create-charge", true, vec![check("method", "true", "POST", "POST")])],
        ..denied()
    };
    insta::assert_snapshot!(shown(&answer));
}

#[test]
fn the_json() {
    insta::assert_snapshot!(crate::render::json::pretty(&ExplainJson::new(&request(), &denied())).unwrap());
}

#[test]
fn a_call_that_a_rule_denies_gets_no_hint_how_to_allow_it() {
    let answer = ExplainResponse { policy: "demo/no-intruder".into(), rule: "rule-1".into(), ..denied() };
    assert!(!shown(&answer).contains("to allow it"));
}

#[test]
fn nothing_that_somebody_wrote_deceives() {
    // G1, G2
    let mut answer = denied();
    answer.because = "\u{1b}[2J".into();
    answer.considered[0].rule = "a\u{202e}b".into();
    let origin = answer.considered[0].origin.as_mut().unwrap();
    origin.text = "  - name: \u{200b}x".into();
    origin.file = "a\u{2066}.yaml".into();
    assert!(shown(&answer).lines().all(|line| !line.chars().any(crate::render::escape::deceives)));
}
