//! Who is cut off.

use std::time::{Duration, UNIX_EPOCH};

use super::*;

fn quarantine(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "kith.dev/v1alpha1",
        "kind": "Quarantine",
        "metadata": { "name": name, "uid": format!("uid-{name}"), "creationTimestamp": "2026-01-01T00:00:00Z" },
        "spec": spec,
    })
}

fn identities(cluster: &Cluster) -> Vec<String> {
    cluster.view().quarantines.keys().map(ToString::to_string).collect()
}

fn cut(cluster: &Cluster) -> Vec<String> {
    cluster.view().cut.iter().map(ToString::to_string).collect()
}

fn told(cluster: &Cluster, name: &str) -> Result<(), String> {
    let mut facts = Facts::default();
    facts.refresh(cluster, Kind::Quarantines);
    facts.quarantines[name].read.clone().map_err(|reason| reason.to_string())
}

const WEB: &str = "spiffe://mesh.example/ns/shop/sa/web";

fn delete_pod(name: &str) -> Change {
    Change::Pods(Event::Delete(Key::new("shop", name)))
}

#[test]
fn an_identity_and_a_service_account_are_cut_off_since_the_first_object_that_means_them() {
    let mut later = quarantine(
        "b",
        &json!({ "serviceAccount": { "namespace": "shop", "name": "web" }, "reason": "later" }),
    );
    later["metadata"]["creationTimestamp"] = json!("2026-06-01T00:00:00Z");
    let first = quarantine("c", &json!({ "identity": WEB, "reason": "stolen key" }));
    let view = cluster([apply_quarantine(&later), apply_quarantine(&first)]).view();
    let (since, reason) = &view.quarantines[&kith_identity::SpiffeId::parse(WEB).unwrap()];
    assert_eq!(*since, UNIX_EPOCH + Duration::from_secs(1_767_225_600));
    assert_eq!(&**reason, "stolen key");
    assert_eq!(view.quarantines.len(), 1);
}

#[test]
fn foreign_and_reserved_identities_are_refused_and_that_is_told() {
    let reserved = json!({ "serviceAccount": { "namespace": "kith", "name": "kith-control-plane" } });
    let known = cluster([
        apply_quarantine(&quarantine("foreign", &json!({ "identity": "spiffe://other.example/ns/a/sa/b" }))),
        apply_quarantine(&quarantine("reserved", &reserved)),
    ]);
    assert_eq!(identities(&known), [""; 0]);
    assert!(told(&known, "foreign").is_err() && told(&known, "reserved").is_err());
}

#[test]
fn a_pod_and_whatever_runs_on_a_node_are_cut_off_and_stay_so_when_they_are_gone() {
    let mut other_node = pod("b", &["10.0.0.2"]);
    other_node["spec"]["nodeName"] = json!("node-2");
    let mut known = cluster([
        apply_pod(pod("a", &["10.0.0.1"])),
        apply_quarantine(&quarantine("pod", &json!({ "pod": { "namespace": "shop", "name": "b" } }))),
        apply_quarantine(&quarantine("node", &json!({ "node": "node-1" }))),
        apply_pod(other_node),
        apply_pod(plain_pod("c", &["10.0.0.3"])),
    ]);
    assert_eq!(cut(&known), ["uid-a", "uid-b"]);
    assert_eq!(identities(&known), [""; 0]);
    known.take(delete_pod("a"));
    known.take(Change::Pods(Event::All(vec![])));
    assert_eq!(cut(&known), ["uid-a", "uid-b"], "their svids may still hold");
    // The next one of that name is meant as well.
    let mut again = pod("b", &["10.0.0.2"]);
    again["metadata"]["uid"] = json!("uid-b2");
    known.take(apply_pod(again));
    assert_eq!(cut(&known), ["uid-a", "uid-b", "uid-b2"]);
    known.take(Change::Quarantines(Event::Delete(Key::new("", "node"))));
    assert_eq!(cut(&known), ["uid-b", "uid-b2"]);
    known.take(Change::Quarantines(Event::All(vec![])));
    assert_eq!(cut(&known), [""; 0]);
}

#[test]
fn whoever_was_seen_is_remembered_over_edits_of_the_reason_and_over_lists_but_not_over_another_target() {
    let reason = |reason: &str| quarantine("q", &json!({ "node": "node-1", "reason": reason }));
    let mut known = cluster([apply_quarantine(&reason("one")), apply_pod(pod("a", &[])), delete_pod("a")]);
    assert_eq!(cut(&known), ["uid-a"]);
    known.take(apply_quarantine(&reason("two")));
    let (key, listed) = QuarantineObject::read(&ours(), &metadata(&reason("two")), &reason("two")).unwrap();
    known.take(Change::Quarantines(Event::All(vec![(key, listed)])));
    assert_eq!(cut(&known), ["uid-a"]);
    known.take(apply_quarantine(&quarantine("q", &json!({ "node": "node-2" }))));
    assert_eq!(cut(&known), [""; 0]);
}

#[test]
fn a_quarantine_with_a_mistake_cuts_off_its_last_good_target_else_the_one_that_can_be_read() {
    let misspelt = |target: &str| quarantine("q", &json!({ "identity": target, "raeson": "typo" }));
    let mut known = cluster([apply_quarantine(&misspelt(WEB))]);
    assert_eq!(identities(&known), [WEB]);
    assert!(told(&known, "q").is_err_and(|reason| reason.contains("raeson")));
    known.take(apply_quarantine(&quarantine("q", &json!({ "identity": WEB, "reason": "x" }))));
    assert!(told(&known, "q").is_ok());
    known.take(apply_quarantine(&misspelt("spiffe://mesh.example/ns/shop/sa/orders")));
    assert_eq!(identities(&known), [WEB], "the last good version");
    assert!(told(&known, "q").is_err());
    // A list of everything is no reason to forget it, and what is right again holds again.
    known.take(apply_quarantine(&quarantine(
        "q",
        &json!({ "identity": "spiffe://mesh.example/ns/shop/sa/orders" }),
    )));
    assert_eq!(identities(&known), ["spiffe://mesh.example/ns/shop/sa/orders"]);
}

#[test]
fn what_is_remembered_of_a_node_is_bounded_and_those_who_still_run_are_never_forgotten() {
    let mut known =
        cluster([apply_quarantine(&quarantine("q", &json!({ "node": "node-1" }))), apply_pod(pod("a", &[]))]);
    for number in 0..9_000 {
        let name = format!("job-{number}");
        known.take(apply_pod(pod(&name, &[])));
        known.take(delete_pod(&name));
    }
    let remembered = cut(&known);
    assert!(remembered.len() <= 8_193, "{}", remembered.len());
    assert!(remembered.contains(&"uid-a".to_owned()) && remembered.contains(&"uid-job-8999".to_owned()));
}
