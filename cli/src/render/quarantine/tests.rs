//! From messages made by hand.

use std::time::{Duration, UNIX_EPOCH};

use kith_proto::v1;

use super::*;
use crate::render::{escape, json};

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_000_000)
}

fn identity(name: &str) -> String {
    format!("spiffe://demo.local/ns/demo/sa/{name}")
}

fn edge(source: &str, destination: &str) -> Edge {
    Edge {
        source: identity(source),
        destination: identity(destination),
        allowed: 12,
        denied: 3,
        failed: 0,
        would_deny: 0,
    }
}

fn answer() -> QuarantineResponse {
    QuarantineResponse {
        identity: identity("orders"),
        unchanged: false,
        revision: Some(v1::Revision { epoch: 2, counter: 6 }),
        edges: vec![edge("orders", "payments"), edge("web", "orders"), edge("evil\u{202e}", "orders")],
        known: true,
        connected: true,
        in_force_at: vec!["payments".into(), "web".into()],
        waiting_for: vec![],
        took_ms: 12,
        others_until_ms: 0,
        target: identity("orders"),
        ..QuarantineResponse::default()
    }
}

fn laggards() -> QuarantineResponse {
    QuarantineResponse {
        waiting_for: vec!["intruder\u{1b}[2J".into()],
        others_until_ms: 1_000_043_000,
        ..answer()
    }
}

fn plain(text: &str) -> String {
    let text = anstream::adapter::strip_str(text).to_string();
    assert!(!text.lines().any(|line| line.chars().any(escape::deceives)), "G1, G2: {text}");
    text
}

#[test]
fn a_quarantine_of_nobody_says_so_before_it_is_done_and_after() {
    let nobody = "there is no service account shop/wbe now; did you mean web?";
    let slip = QuarantineResponse { known: false, unmatched: nobody.into(), ..answer() };
    let (now, before) = (SystemTime::UNIX_EPOCH, plain(&hits(&slip, Naming::Cluster)));
    let after = plain(&done(Change::Add, &slip, now));
    assert!(before.contains(nobody) && after.contains(nobody), "{before}\n{after}");
    assert!(after.starts_with("QUARANTINED"), "it is done all the same: {after}");
    assert!(!plain(&done(Change::Add, &answer(), now)).contains("nobody"));
    let json = serde_json::to_value(EffectJson::new(Change::Add, false, &slip)).unwrap();
    assert_eq!(json["unmatched"], nobody);
}

#[test]
fn what_will_be_hit_names_both_directions() {
    insta::assert_snapshot!(plain(&hits(&answer(), Naming::Local)));
}

#[test]
fn an_identity_that_does_not_run_and_never_called_is_named_so() {
    let stranger = QuarantineResponse { edges: vec![], known: false, connected: false, ..answer() };
    let text = plain(&hits(&stranger, Naming::Local));
    assert!(text.contains("no workload of this mesh") && text.contains("nobody so far"), "{text}");
    assert!(!text.contains("already"));
    assert!(
        hits(&QuarantineResponse { unchanged: true, ..answer() }, Naming::Local)
            .contains("in quarantine already")
    );
}

#[test]
fn a_cut_that_is_in_force_everywhere() {
    assert_eq!(
        plain(&done(Change::Add, &answer(), now())),
        "QUARANTINED  spiffe://demo.local/ns/demo/sa/orders\n  \
         since     revision 2.6\n  in force  at 2 of 2 connected sidecars after 12 ms"
    );
}

#[test]
fn who_did_not_confirm_is_named_and_until_when_that_can_matter() {
    let text = plain(&done(Change::Add, &laggards(), now()));
    assert!(text.contains("at 2 of 3 connected sidecars"), "{text}");
    insta::assert_snapshot!(text);
    // A release leaves no svid to wait for.
    assert!(!done(Change::Remove, &laggards(), now()).contains("others"));
}

#[test]
fn what_was_so_before_is_said_to_have_been() {
    let unchanged = QuarantineResponse { unchanged: true, ..answer() };
    assert!(done(Change::Add, &unchanged, now()).contains("(it was already)"));
    assert!(done(Change::Remove, &unchanged, now()).contains("(it was not in quarantine)"));
    let alone = QuarantineResponse { in_force_at: vec![], ..answer() };
    assert!(done(Change::Add, &alone, now()).ends_with("no sidecar is connected"));
}

fn listed() -> ListQuarantinesResponse {
    let quarantine = |name: &str, reason: &str| Quarantine {
        identity: identity(name),
        since_ms: 999_988_000,
        reason: reason.into(),
        revision: Some(v1::Revision { epoch: 2, counter: 6 }),
        ..Quarantine::default()
    };
    ListQuarantinesResponse {
        quarantines: vec![quarantine("intruder", "leaked key\n\u{1b}[2J"), quarantine("orders", "")],
    }
}

#[test]
fn the_list() {
    insta::assert_snapshot!(plain(&list(&listed(), Hits::Known, now(), None)));
    assert_eq!(
        list(&ListQuarantinesResponse::default(), Hits::Known, now(), None),
        "nobody is in quarantine"
    );
}

#[test]
fn the_json_of_the_list() {
    insta::assert_snapshot!(json::pretty(&QuarantinesJson::new(&listed(), Hits::Known)).unwrap());
}

#[test]
fn the_json_of_a_change() {
    insta::assert_snapshot!(json::pretty(&EffectJson::new(Change::Add, false, &laggards())).unwrap());
}

fn hit(name: &str, connected: bool) -> HitWorkload {
    HitWorkload { name: name.into(), identity: identity("web"), connected }
}

#[test]
fn a_pod_or_a_node_is_told_by_the_workloads_that_it_means() {
    let node = QuarantineResponse {
        identity: String::new(),
        target: "node worker-1".into(),
        edges: vec![],
        workloads: vec![hit("shop/web-0", true), hit("shop/web-1", false)],
        ..answer()
    };
    let text = plain(&hits(&node, Naming::Local));
    assert!(text.starts_with("node worker-1: runs here"), "{text}");
    assert!(text.contains("shop/web-0 (spiffe://demo.local/ns/demo/sa/web), connected\n"), "{text}");
    assert!(text.ends_with("not connected") && !text.contains("it called"), "{text}");
    assert!(plain(&done(Change::Add, &node, now())).starts_with("QUARANTINED  node worker-1\n"));
    let json = serde_json::to_value(EffectJson::new(Change::Add, false, &node)).unwrap();
    assert_eq!((&json["identity"], &json["target"]), (&serde_json::Value::Null, &"node worker-1".into()));
}

#[test]
fn in_a_cluster_the_list_is_one_of_objects() {
    let object = |object: &str, target: &str, workloads: &[&str]| Quarantine {
        object: object.into(),
        target: target.into(),
        since_ms: 999_990_000,
        workloads: workloads.iter().map(|name| (*name).to_owned()).collect(),
        ..Quarantine::default()
    };
    let quarantines = vec![
        object("node-worker-1", "node worker-1", &["shop/web-0", "shop/web-1"]),
        object("pod-shop-old", "pod shop/old", &[]),
    ];
    let answer = ListQuarantinesResponse { quarantines };
    let text = plain(&list(&answer, Hits::Known, now(), None));
    let row = |name: &str| {
        text.lines().find(|line| line.starts_with(name)).unwrap().split_whitespace().collect::<Vec<_>>()
    };
    assert_eq!(row("node-worker-1"), ["node-worker-1", "node", "worker-1", "10s", "ago", "2", "-"]);
    assert!(text.contains("pod shop/old") && text.contains("none now"), "{text}");
}

#[test]
fn whom_an_object_hits_is_not_said_where_nobody_could_be_asked() {
    let quarantine = Quarantine {
        target: "pod shop/web-0".into(),
        object: "pod-shop-web-0".into(),
        ..Quarantine::default()
    };
    let answer = ListQuarantinesResponse { quarantines: vec![quarantine] };
    let text = plain(&list(&answer, Hits::Unknown, now(), None));
    assert!(text.contains("not known") && !text.contains("none now"), "{text}");
    let json = serde_json::to_value(QuarantinesJson::new(&answer, Hits::Unknown)).unwrap();
    assert!(json["quarantines"][0]["workloads"].is_null(), "{json}");
}

#[test]
fn what_was_only_written_down_is_not_said_to_be_in_force() {
    let written = QuarantineResponse {
        target: "pod shop/web-0".into(),
        objects: vec!["pod-shop-web-0".into()],
        ..QuarantineResponse::default()
    };
    let text = plain(&stored(Change::Add, &written));
    assert!(text.starts_with("QUARANTINED  pod shop/web-0\n"), "{text}");
    assert!(text.contains("pod-shop-web-0") && text.contains("not confirmed"), "{text}");
}
