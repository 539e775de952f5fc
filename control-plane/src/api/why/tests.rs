//! Answers to denial ids, over the world that is in force.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use kith_identity::{BundleSet, SpiffeId};
use kith_policy::document;
use serde_json::{Value, json};
use tonic::Code;

use super::*;
use crate::index::workloads_from_wire;
use crate::observed::Denial;
use crate::testing::{ALLOW_ORDERS, demo_workloads, id, trust_domain};

mod found;
mod quarantined;

const ID: &str = "0123456789abcdef0123456789abcdef";
const DENY: &str = "\
apiVersion: kith.dev/v1alpha1
kind: AuthorizationPolicy
metadata: { name: no-deletes, namespace: demo }
spec:
  action: DENY
  rules:
  - name: delete
    operations: [{ http: { methods: [DELETE] } }]
";

fn world(policies: &[&str]) -> World {
    let parsed = policies
        .iter()
        .enumerate()
        .flat_map(|(at, text)| document::parse(&format!("{at}.yaml"), text).unwrap());
    let workloads = workloads_from_wire(&trust_domain(), demo_workloads()).unwrap();
    let world = World::new(1, trust_domain(), BundleSet::default());
    world.replace_policies(parsed.collect()).unwrap().replace_workloads(workloads).unwrap()
}

/// What payments' sidecar writes of a refused call of orders.
fn line(method: &str, path: &str, reason: &str) -> Value {
    json!({
        "time": "2026-01-01T00:00:00.000Z",
        "kith.workload": id("payments").as_str(),
        "event": "call",
        "kith.direction": "inbound",
        "kith.source.identity": id("orders").as_str(),
        "kith.destination.identity": id("payments").as_str(),
        "http.request.method": method,
        "url.path": path,
        "network.protocol.version": "2",
        "kith.verdict": "deny",
        "kith.denial.id": ID,
        "kith.denial.reason": reason,
        "kith.denial.detail": "as it was then",
        "kith.something.new": [1, 2],
    })
}

fn report(observed: &Observed, reporter: &str, denial_id: &str, source: Option<&str>, line: &Value) {
    observed.denied(&id(reporter), vec![denial(denial_id, source.map(id), line)], 0);
}

fn denial(denial_id: &str, source: Option<SpiffeId>, line: &Value) -> Denial {
    Denial { id: denial_id.into(), source, line: line.to_string() }
}

/// What is answered about a refused call of `source`, as `reporter` tells of it.
pub(super) fn answer_of(
    world: &World,
    issued: &IssuedSvids,
    reporter: &SpiffeId,
    source: &SpiffeId,
    line: &Value,
) -> v1::WhyResponse {
    let observed = Observed::default();
    observed.denied(reporter, vec![denial(ID, Some(source.clone()), line)], 0);
    why(world, &observed, issued, ID).unwrap()
}

fn answer_to(world: &World, line: &Value) -> v1::WhyResponse {
    answer_of(world, &IssuedSvids::default(), &id("payments"), &id("orders"), line)
}

/// As the caller's own sidecar writes it.
fn outbound(line: &Value) -> Value {
    let mut line = line.clone();
    line["kith.direction"] = "outbound".into();
    line
}

/// Of a line that orders' own sidecar reported.
fn answer_to_own(world: &World, line: &Value) -> v1::WhyResponse {
    answer_of(world, &IssuedSvids::default(), &id("orders"), &id("orders"), line)
}

fn status(observed: &Observed, id: &str) -> Status {
    why(&world(&[]), observed, &IssuedSvids::default(), id).unwrap_err().into()
}

#[test]
fn a_default_denial_is_answered_with_its_nearest_miss_and_the_policy_that_would_allow_it() {
    let line = line("DELETE", "/charge/7", "default_deny");
    let before = world(&[ALLOW_ORDERS]);
    let answer = answer_to(&before, &line);
    assert_eq!((answer.id.as_str(), answer.reporter.as_str()), (ID, id("payments").as_str()));
    assert_eq!(answer.line, line.to_string());
    assert!(answer.nearest_miss.contains("create-charge failed on method"), "{}", answer.nearest_miss);
    let origin = answer.origin.unwrap();
    assert_eq!((origin.file.as_str(), origin.line), ("0.yaml", 8));
    assert_eq!((answer.allowed_now, answer.no_suggestion.as_str()), (false, ""));

    // With it, the same id is answered otherwise.
    let after = answer_to(&world(&[ALLOW_ORDERS, &answer.suggestion]), &line);
    assert!(after.allowed_now, "{}", answer.suggestion);
    assert_eq!((after.suggestion.as_str(), after.no_suggestion.as_str()), ("", ""));
    let other = self::line("DELETE", "/charge/8", "default_deny");
    assert!(!answer_to(&world(&[ALLOW_ORDERS, &answer.suggestion]), &other).allowed_now);
}

fn opaque_line() -> Value {
    let mut opaque = line("", "", "default_deny");
    for field in ["http.request.method", "url.path"] {
        opaque.as_object_mut().unwrap().remove(field);
    }
    opaque
}

/// With payments declared to take opaque bytes.
fn tcp_world(policies: &[&str]) -> World {
    let mut list = demo_workloads();
    list.workloads.iter_mut().for_each(|workload| workload.protocol = v1::Protocol::Tcp.into());
    world(policies).replace_workloads(workloads_from_wire(&trust_domain(), list).unwrap()).unwrap()
}

#[test]
fn an_opaque_stream_gets_a_policy_only_where_everything_is_opaque() {
    let answer = answer_to(&tcp_world(&[]), &opaque_line());
    assert!(!answer.suggestion.contains("operations"), "{}", answer.suggestion);
    assert!(answer_to(&tcp_world(&[&answer.suggestion]), &opaque_line()).allowed_now);

    // Elsewhere the same policy would let in every HTTP call of orders.
    let answer = answer_to(&world(&[]), &opaque_line());
    assert_eq!(answer.suggestion, "");
    for part in ["would allow every call of", "/sa/orders", "declare protocol: tcp"] {
        assert!(answer.no_suggestion.contains(part), "{}", answer.no_suggestion);
    }
}

#[test]
fn a_grpc_call_gets_a_policy_of_its_kind() {
    let mut grpc = line("POST", "/payments.v1.Charges/Create", "default_deny");
    grpc["rpc.system"] = "grpc".into();
    let suggestion = answer_to(&world(&[]), &grpc).suggestion;
    assert!(suggestion.contains("grpc"), "{suggestion}");
    assert!(answer_to(&world(&[&suggestion]), &grpc).allowed_now);
    // The same method, version and path, with another content type.
    let http = line("POST", "/payments.v1.Charges/Create", "default_deny");
    let suggestion = answer_to(&world(&[]), &http).suggestion;
    assert!(!suggestion.contains("grpc"), "it was not judged as gRPC: {suggestion}");
    assert!(answer_to(&world(&[&suggestion]), &http).allowed_now);
}

#[test]
fn every_suggestion_can_be_saved_beside_those_before_it() {
    let mut in_force = vec![ALLOW_ORDERS.to_owned()];
    for (path, name) in [("/a", ""), ("/b", "-2"), ("/c", "-3")] {
        let policies: Vec<_> = in_force.iter().map(String::as_str).collect();
        let suggestion = answer_to(&world(&policies), &line("GET", path, "default_deny")).suggestion;
        assert!(suggestion.contains(&format!("name: allow-orders-to-payments{name}\n")), "{suggestion}");
        in_force.push(suggestion);
    }
    // Another namespace's is no obstacle; a file that is called so is, whatever stands in it.
    let elsewhere = in_force[1].replace("namespace: demo", "namespace: ops");
    let named = |policies: World| answer_to(&policies, &line("GET", "/d", "default_deny")).suggestion;
    assert!(named(world(&[&elsewhere])).contains("name: allow-orders-to-payments\n"));
    let file = document::parse("policies/allow-orders-to-payments.yaml", DENY).unwrap();
    let beside = world(&[]).replace_policies(file).unwrap();
    assert!(named(beside).contains("name: allow-orders-to-payments-2\n"));
}

#[test]
fn a_caller_whom_no_rule_names_is_told_the_rule_that_it_missed() {
    let mistyped = ALLOW_ORDERS.replace("name: orders", "name: ordesr");
    let answer = answer_to(&world(&[&mistyped]), &line("POST", "/charge/7", "default_deny"));
    for part in ["demo/payments-callers rule create-charge failed on source", "/sa/orders", "/sa/ordesr"] {
        assert!(answer.nearest_miss.contains(part), "{}", answer.nearest_miss);
    }
    let origin = answer.origin.unwrap();
    assert_eq!((origin.file.as_str(), origin.line), ("0.yaml", 8));
    assert!(!answer.suggestion.is_empty());
    // Without a rule there is none.
    let answer = answer_to(&world(&[]), &line("POST", "/charge/7", "default_deny"));
    assert_eq!((answer.nearest_miss.as_str(), answer.origin), ("", None));
}

#[test]
fn a_denial_by_a_rule_names_the_rule_and_its_place_and_suggests_no_allow() {
    let mut line = line("DELETE", "/charge/7", "policy_deny");
    line["kith.policy"] = "demo/no-deletes".into();
    line["kith.rule"] = "delete".into();
    let answer = answer_to(&world(&[ALLOW_ORDERS, DENY]), &line);
    assert_eq!((answer.suggestion.as_str(), answer.allowed_now), ("", false));
    assert!(
        answer.no_suggestion.contains("demo/no-deletes rule delete (1.yaml:7)"),
        "{}",
        answer.no_suggestion
    );
    assert_eq!(answer.origin.unwrap().line, 7);
    // Where the rule is gone, the denial is one by default.
    let answer = answer_to(&world(&[ALLOW_ORDERS]), &line);
    assert!(answer.suggestion.contains("DELETE"), "{}", answer.suggestion);
}

/// The same call, let through by a posture that only watches.
fn observed(line: &Value) -> Value {
    let mut line = line.clone();
    let fields = line.as_object_mut().unwrap();
    for field in ["id", "reason", "detail"] {
        let value = fields.remove(&format!("kith.denial.{field}")).unwrap();
        fields.insert(format!("kith.would_deny.{field}"), value);
    }
    line["kith.verdict"] = "allow".into();
    line
}

#[test]
fn a_call_that_would_have_been_refused_is_answered_like_one_that_was() {
    let refused = line("DELETE", "/charge/7", "default_deny");
    let world = world(&[ALLOW_ORDERS]);
    let (was, would) = (answer_to(&world, &refused), answer_to(&world, &observed(&refused)));
    assert!(would.judged && would.suggestion.contains("DELETE"), "{would:?}");
    assert_eq!((would.suggestion, would.nearest_miss), (was.suggestion, was.nearest_miss));
}

#[test]
fn what_came_in_the_clear_is_mended_by_an_identity_and_by_no_policy() {
    let mut line = observed(&line("GET", "/charge/7", "no_identity"));
    line.as_object_mut().unwrap().remove("kith.source.identity");
    let answer = answer_to(&world(&[ALLOW_ORDERS]), &line);
    assert_eq!((answer.judged, answer.suggestion.as_str()), (false, ""));
    assert!(answer.no_suggestion.contains("only allow an identity"), "{}", answer.no_suggestion);
    assert!(answer.no_suggestion.contains("as it was then"), "{}", answer.no_suggestion);
}

#[test]
fn what_no_policy_mends_is_answered_with_what_does() {
    let change = |reason: &str, fields: &[(&str, &str)]| {
        let mut line = line("GET", "/charge/7", reason);
        for (field, value) in fields {
            line[*field] = (*value).into();
        }
        line
    };
    let table = [
        (
            change("no_client_certificate", &[("event", "session_refused")]),
            "proves itself with has to change",
        ),
        (change("unknown_authority", &[("event", "session_refused")]), "(unknown_authority)"),
        (change("no_endpoint", &[("kith.direction", "outbound")]), "own sidecar refused it (no_endpoint)"),
        (change("refused_by_peer", &[("kith.direction", "outbound")]), "its own report is not here"),
        (change("bad_request", &[]), "(bad_request), before any policy was asked: as it was then"),
        (change("ambiguous_path", &[("url.path", "/charge/%2F7")]), "in its plain form"),
        (change("default_deny", &[("url.path", "/aaa...")]), "only the beginning"),
        (change("default_deny", &[("http.request.method", "AAA...")]), "only the beginning"),
        (change("default_deny", &[("event", "\u{1b}")]), "refused before any call"),
    ];
    for (line, expected) in table {
        let answer = answer_to(&world(&[ALLOW_ORDERS]), &line);
        assert!(answer.no_suggestion.contains(expected), "{:?} for {line}", answer.no_suggestion);
        assert_eq!(answer.judged, line["kith.denial.reason"] == "ambiguous_path", "{line}");
        assert_eq!((answer.suggestion.as_str(), answer.allowed_now), ("", false));
    }
}

#[test]
fn a_line_that_cannot_be_read_or_judged_is_shown_without_a_guess() {
    let mut bad_identity = line("GET", "/", "default_deny");
    bad_identity["kith.source.identity"] = "nobody".into();
    for line in [json!({}), json!(null), json!([1]), bad_identity] {
        let answer = answer_to(&world(&[]), &line);
        assert!(answer.no_suggestion.contains("cannot be read"), "{line}");
        assert_eq!(answer.line, line.to_string());
    }
    let observed = Observed::default();
    report(&observed, "payments", ID, None, &line("GET", "/", "default_deny"));
    let answer = why(&world(&[]), &observed, &IssuedSvids::default(), ID).unwrap();
    assert!(answer.no_suggestion.contains("proved no identity"), "{}", answer.no_suggestion);

    let observed = Observed::default();
    report(&observed, "gone", ID, Some("orders"), &line("GET", "/", "default_deny"));
    let answer = why(&world(&[]), &observed, &IssuedSvids::default(), ID).unwrap();
    assert!(
        answer.no_suggestion.contains("not a workload of this mesh any more"),
        "{}",
        answer.no_suggestion
    );
}
