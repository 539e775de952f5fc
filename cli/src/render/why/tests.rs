//! From messages made by hand. The lines are read as JSON, as they come from a sidecar.

use super::*;
use crate::render::json;

const SUGGESTION: &str = "\
apiVersion: kith.dev/v1alpha1
kind: AuthorizationPolicy
metadata: { name: intruder-to-payments, namespace: demo }
spec:
  targetRefs: [{ kind: ServiceAccount, name: payments }]
  action: ALLOW
  rules:
  - sources: [{ type: ServiceAccount, serviceAccount: { name: intruder } }]
    operations: [{ http: { methods: [POST], paths: [\"/charge/7\"] } }]
";
const MISS: &str = "demo/orders-to-payments rule create-charge failed on source: got intruder, wants orders";

fn line(path: &str) -> String {
    serde_json::json!({
        "time": "2026-11-21T10:04:07.112Z",
        "kith.workload": "spiffe://demo.local/ns/demo/sa/payments",
        "event": "call",
        "kith.direction": "inbound",
        "kith.source.identity": "spiffe://demo.local/ns/demo/sa/intruder",
        "kith.destination.identity": "spiffe://demo.local/ns/demo/sa/payments",
        "client.address": "127.0.0.1:5000",
        "http.request.method": "POST",
        "url.path": path,
        "network.protocol.version": "1.1",
        "http.response.status_code": 403,
        "kith.verdict": "deny",
        "kith.revision": "2.5",
        "kith.denial.id": "0123456789abcdef0123456789abcdef",
        "kith.denial.reason": "default_deny",
        "kith.denial.detail": MISS,
        "kith.duration_us": 74,
    })
    .to_string()
}

fn answer() -> WhyResponse {
    let text = "  - name: create-charge".to_owned();
    WhyResponse {
        id: "0123456789abcdef0123456789abcdef".into(),
        reporter: "spiffe://demo.local/ns/demo/sa/payments".into(),
        line: line("/charge/7"),
        origin: Some(Origin { file: "payments.yaml".into(), line: 8, column: 5, text }),
        allowed_now: false,
        suggestion: SUGGESTION.into(),
        no_suggestion: String::new(),
        nearest_miss: MISS.into(),
        judged: true,
    }
}

fn folder() -> Place {
    Place::Folder(Some(PathBuf::from("/tmp/policies")))
}

fn shown(answer: &WhyResponse) -> String {
    let text = Why::new(answer, &folder()).table();
    let text = anstream::adapter::strip_str(&text).to_string();
    assert!(!text.lines().any(|line| line.chars().any(deceives)), "G1, G2: {text}");
    text
}

#[test]
fn a_refusal_by_default_comes_with_what_would_allow_it() {
    insta::assert_snapshot!(shown(&answer()));
}

#[test]
fn the_suggestion_can_be_pasted_as_it_stands() {
    assert!(shown(&answer()).ends_with(SUGGESTION.trim_end()));
    let text = Why::new(&answer(), &Place::Folder(None)).table();
    assert!(text.contains("save this as a file in the folder of the policies"), "{text}");
    assert!(!text.contains("-o json"));
}

#[test]
fn a_nearest_miss_that_the_line_does_not_tell_is_told() {
    assert_eq!(shown(&answer()).matches("failed on source").count(), 1);
    let other = WhyResponse { nearest_miss: "demo/refunds failed on method".into(), ..answer() };
    assert!(shown(&other).contains("nearest   demo/refunds failed on method"));
}

#[test]
fn a_call_that_is_allowed_by_now_needs_no_advice() {
    let text = shown(&WhyResponse { allowed_now: true, ..answer() });
    assert!(text.ends_with("by what is in force now, the same call is allowed"), "{text}");
}

#[test]
fn of_what_was_not_judged_again_nothing_is_said() {
    let unknown = WhyResponse {
        judged: false,
        suggestion: String::new(),
        no_suggestion: "the quarantine that refused it was lifted since".into(),
        ..answer()
    };
    let text = shown(&unknown);
    assert!(!text.contains("in force now") && text.contains("was lifted since"), "{text}");
    let json = serde_json::to_value(Why::new(&unknown, &folder()).json()).unwrap();
    assert!(json["allowed_now"].is_null(), "{json}");
}

#[test]
fn a_call_that_was_let_through_is_said_to_be_one_that_would_be_refused() {
    let mut line: serde_json::Value = serde_json::from_str(&line("/charge/7")).unwrap();
    let fields = line.as_object_mut().unwrap();
    for field in ["id", "reason", "detail"] {
        let value = fields.remove(&format!("kith.denial.{field}")).unwrap();
        fields.insert(format!("kith.would_deny.{field}"), value);
    }
    line["kith.verdict"] = "allow".into();
    let text = shown(&WhyResponse { line: line.to_string(), ..answer() });
    assert!(text.starts_with("WOULD DENY  ") && text.contains("default_deny"), "{text}");
    assert!(text.contains("failed on source") && text.ends_with(SUGGESTION.trim_end()), "{text}");
    assert!(text.contains("in force now, the same call would still be refused"), "nobody refused it: {text}");
    let text = shown(&WhyResponse { line: line.to_string(), allowed_now: true, ..answer() });
    assert!(text.ends_with("by what is in force now, a rule allows the same call"), "{text}");
}

#[test]
fn in_a_cluster_both_ends_are_named_with_their_namespace() {
    let (answer, cluster) = (answer(), Place::Cluster);
    let text = Why::new(&answer, &cluster).table();
    assert!(text.contains("demo/intruder → demo/payments  POST /charge/7"), "{text}");
}

#[test]
fn a_suggestion_for_opaque_bytes_is_said_to_allow_every_connection() {
    let mut line: serde_json::Value = serde_json::from_str(&line("")).unwrap();
    for field in ["http.request.method", "url.path"] {
        line.as_object_mut().unwrap().remove(field);
    }
    let text = shown(&WhyResponse { line: line.to_string(), ..answer() });
    assert!(text.contains("to allow every connection of intruder to payments, save this"), "{text}");
    assert!(!text.contains("exactly this call"));
    assert!(shown(&answer()).contains("to allow exactly this call, save this"));
}

#[test]
fn a_refusal_that_no_policy_lifts_says_why_not() {
    let refused = WhyResponse {
        suggestion: String::new(),
        no_suggestion: "it is in quarantine: kith quarantine remove intruder".into(),
        origin: None,
        ..answer()
    };
    let text = shown(&refused);
    assert!(text.ends_with("no policy is suggested: it is in quarantine: kith quarantine remove intruder"));
    assert!(!text.contains("payments.yaml"));
}

#[test]
fn nothing_that_a_caller_sent_deceives() {
    // G1, G2
    let mut evil = answer();
    evil.line = line("/\u{1b}[2J\n\u{202e}");
    evil.origin.as_mut().unwrap().text = "  - name: \u{200b}x".into();
    evil.nearest_miss = "a\u{2066}b\nDENY".into();
    evil.suggestion = SUGGESTION.replace("/charge/7", "/\u{202e}");
    let text = shown(&evil);
    assert!(text.contains("copy it from -o json") && text.contains("\\u{202e}"), "{text}");
    let json = json::pretty(&Why::new(&evil, &folder()).json()).unwrap();
    assert!(!json.lines().any(|line| line.chars().any(deceives)), "{json}");
    let read: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(read["suggestion"], evil.suggestion, "to be copied, it must be exact");
}

#[test]
fn a_line_of_another_version_leaves_what_the_control_plane_knows() {
    let other = WhyResponse { line: "{\"event\":\"new\"}".into(), ..answer() };
    assert!(!Why::new(&other, &folder()).is_readable());
    let text = shown(&other);
    assert!(text.starts_with("DENY  a call") && text.contains(MISS), "{text}");
    assert!(text.contains("by        spiffe://demo.local/ns/demo/sa/payments"), "{text}");
}

#[test]
fn the_json() {
    let answer = answer();
    let place = folder();
    let why = Why::new(&answer, &place);
    insta::assert_snapshot!(json::pretty(&why.json()).unwrap());
}

#[test]
fn in_a_cluster_the_suggestion_is_for_kubectl_and_a_place_in_an_object_is_a_field() {
    let object = "authorizationpolicies/demo/callers (generation 3)";
    let origin = Origin { file: object.into(), line: 0, column: 0, text: "spec.rules[0]".into() };
    let answer = WhyResponse { origin: Some(origin), ..answer() };
    let why = Why::new(&answer, &Place::Cluster);
    let text = anstream::adapter::strip_str(&why.table()).to_string();
    assert!(text.contains("to allow exactly this call:\n\nkubectl apply -f - <<'EOF'\napiVersion"), "{text}");
    assert!(text.ends_with("\nEOF"), "{text}");
    assert!(text.contains("callers (generation 3), spec.rules[0]\n"), "{text}");
    let json = serde_json::to_value(why.json()).unwrap();
    assert_eq!(
        (&json["suggestion_file"], &json["origin"]["line"]),
        (&serde_json::Value::Null, &serde_json::Value::Null)
    );
}
