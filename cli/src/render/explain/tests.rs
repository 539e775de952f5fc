//! From messages made by hand.

use kith_proto::v1;
use kith_proto::v1::Origin;

use super::*;

fn request() -> ExplainRequest {
    ExplainRequest {
        source: "intruder".into(),
        destination: "payments".into(),
        method: "POST".into(),
        path: "/charge/7".into(),
        port: 0,
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
        because: "no rule for source spiffe://demo.local/ns/demo/sa/intruder (1 ALLOW policy applies)".into(),
        policy: String::new(),
        rule: String::new(),
        revision: Some(v1::Revision { epoch: 1, counter: 3 }),
        port: 8080,
        would_deny: false,
        posture: String::new(),
        observe_until_ms: 0,
        considered: vec![
            considered("refund", false, vec![source.clone(), check("method", "unknown", "", "DELETE")]),
            considered("create-charge", false, vec![source, check("method", "true", "POST", "POST")]),
        ],
    }
}

fn shown(answer: &ExplainResponse) -> String {
    anstream::adapter::strip_str(&table(&request(), answer, Naming::Local)).to_string()
}

#[test]
fn in_a_cluster_both_ends_are_named_with_their_namespace() {
    let text = table(&request(), &denied(), Naming::Cluster);
    assert!(text.contains("demo/intruder → demo/payments  POST /charge/7"), "{text}");
}

#[test]
fn a_denied_call() {
    insta::assert_snapshot!(shown(&denied()));
}

#[test]
fn a_call_that_a_posture_lets_through_is_told_as_one_that_passes() {
    let observe = ExplainResponse {
        would_deny: true,
        posture: "Observe".into(),
        observe_until_ms: 4_073_500_800_000,
        ..denied()
    };
    let text = shown(&observe);
    assert!(text.starts_with("WOULD DENY  intruder → payments"), "{text}");
    let passes =
        "the call passes: the posture is Observe until 2099-01-31T00:00:00.000Z; Enforce would refuse it";
    assert!(text.contains(passes) && text.contains("no rule for source"), "{text}");
    let json = serde_json::to_value(ExplainJson::new(&request(), &observe)).unwrap();
    assert_eq!((&json["verdict"], &json["posture"]), (&"would_deny".into(), &"Observe".into()));
    assert_eq!(json["observe_until"], "2099-01-31T00:00:00.000Z");

    let encrypt = ExplainResponse { posture: "Encrypt".into(), observe_until_ms: 0, ..observe };
    assert!(shown(&encrypt).contains("the posture is Encrypt; Enforce"), "it has no end");
    let json = serde_json::to_value(ExplainJson::new(&request(), &denied())).unwrap();
    assert_eq!((&json["verdict"], &json["posture"]), (&"deny".into(), &serde_json::Value::Null));
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
fn a_call_that_a_rule_denies_gets_no_advice_and_the_rule_no_praise() {
    let mut deny = considered("rule-1", true, vec![check("source", "true", "intruder", "intruder")]);
    deny.action = "DENY".into();
    let answer = ExplainResponse {
        because: "demo/no-intruder rule rule-1 denies it".into(),
        policy: "demo/no-intruder".into(),
        rule: "rule-1".into(),
        considered: vec![deny, considered("create-charge", true, vec![])],
        ..denied()
    };
    let text = shown(&answer);
    assert!(!text.contains("to allow it") && !text.contains('✔'), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn a_path_with_two_readings_is_the_callers_to_mend() {
    let source = check("source", "true", "orders", "orders");
    let path = check("path", "unknown", "/charge/../7", "/charge/{id}");
    let ambiguous = |checks: &[Check]| ExplainResponse {
        considered: vec![considered("create-charge", false, checks.to_vec())],
        ..denied()
    };
    let advice = "the caller must send a path that can be read in one way only";
    let text = shown(&ambiguous(&[source.clone(), path.clone()]));
    assert!(text.ends_with(advice) && !text.contains("to allow it"), "{text}");
    let elsewhere = check("port", "false", "80", "8443");
    assert!(!shown(&ambiguous(&[source.clone(), elsewhere, path.clone()])).contains(advice));
    let opaque = ExplainRequest { method: String::new(), path: String::new(), ..request() };
    let text = table(&opaque, &ambiguous(&[source, path]), Naming::Local);
    assert!(!text.contains(advice), "{text}");
}

#[test]
fn a_method_in_the_wrong_case_is_the_callers_to_mend() {
    let wrong = |got: &str| ExplainResponse {
        considered: vec![considered("read", false, vec![check("method", "false", got, "HEAD or GET")])],
        ..denied()
    };
    assert!(shown(&wrong("get")).ends_with("to allow it: send GET"));
    assert!(shown(&wrong("put")).ends_with("let read (payments.yaml:11) accept method put"));
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
