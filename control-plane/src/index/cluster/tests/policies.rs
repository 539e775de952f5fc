//! Which policies hold, and which namespaces are closed.

use super::*;
use crate::index::Namespace;

fn policy(uid: &str, action: &str) -> Value {
    json!({
        "apiVersion": "kith.dev/v1alpha1",
        "kind": "AuthorizationPolicy",
        "metadata": { "namespace": "shop", "name": "callers", "uid": uid, "generation": 1, "resourceVersion": "7" },
        "spec": {
            "action": action,
            "rules": [{
                "name": "web",
                "sources": [{ "type": "ServiceAccount", "serviceAccount": { "namespace": "shop", "name": "web" } }],
            }],
        },
    })
}

fn misspelt(uid: &str) -> Value {
    let mut misspelt = policy(uid, "ALLOW");
    misspelt["metadata"]["generation"] = json!(2);
    misspelt["spec"]["rules"][0]["operation"] = json!([{ "http": { "methods": ["GET"] } }]);
    misspelt
}

fn closed(cluster: &Cluster) -> Option<String> {
    cluster.view().namespaces.get("shop").and_then(|namespace| namespace.refuse_all.clone())
}

fn in_force(cluster: &Cluster) -> usize {
    cluster.view().policies.len()
}

#[test]
fn a_readable_policy_holds() {
    let known = cluster([apply_policy(&policy("1", "ALLOW"))]);
    assert_eq!((in_force(&known), closed(&known)), (1, None));
}

// K26
#[test]
fn an_unreadable_policy_without_a_good_version_closes_its_namespace_until_it_is_deleted() {
    let mut known = cluster([apply_policy(&misspelt("1"))]);
    assert_eq!(in_force(&known), 0);
    let reason = closed(&known).unwrap();
    assert!(reason.contains("shop/callers") && reason.contains("operation"), "{reason}");
    assert_eq!(known.view().namespaces.len(), 1, "no other one is closed");
    known.take(Change::AuthorizationPolicies(Event::Delete(Key::new("shop", "callers"))));
    assert_eq!(closed(&known), None);
}

// K26
#[test]
fn an_edit_that_cannot_be_read_leaves_the_last_good_version_in_force_and_is_told() {
    let mut known = cluster([apply_policy(&policy("1", "ALLOW"))]);
    let good = known.view().policies;
    known.take(apply_policy(&misspelt("1")));
    assert_eq!(known.view().policies, good);
    assert_eq!(closed(&known), None);
    // A list of everything is no reason to forget it.
    let (key, again) = PolicyObject::read(&ours(), &metadata(&misspelt("1")), &misspelt("1")).unwrap();
    known.take(Change::AuthorizationPolicies(Event::All(vec![(key, again)])));
    assert_eq!(known.view().policies, good);

    let mut facts = Facts::default();
    facts.refresh(&known, Kind::AuthorizationPolicies);
    let told = &facts.policies[&Key::new("shop", "callers")];
    assert_eq!((told.uid.as_str(), told.generation, told.resource_version.as_str()), ("1", 2, "7"));
    assert!(told.read.as_ref().is_err_and(|reason| reason.contains("operation")), "{told:?}");
}

#[test]
fn the_good_version_of_a_deleted_object_does_not_stand_in_for_another_object_of_its_name() {
    let mut known = cluster([apply_policy(&policy("1", "ALLOW"))]);
    known.take(apply_policy(&misspelt("2")));
    assert_eq!(in_force(&known), 0);
    assert!(closed(&known).is_some());
}

#[test]
fn a_policy_that_can_be_read_and_makes_no_set_counts_as_unreadable() {
    let mut nothing = policy("1", "DENY");
    nothing["spec"]["rules"] = json!([]);
    let known = cluster([apply_policy(&nothing)]);
    assert!(closed(&known).is_some_and(|reason| reason.contains("shop/callers")));
}

#[test]
fn a_closed_namespace_keeps_what_else_is_said_of_it() {
    let object = json!({ "metadata": { "name": "shop", "labels": { "kith.dev/posture": "Encrypt" } } });
    let (key, namespace) = NamespaceObject::read(metadata(&object)).unwrap();
    let known = cluster([apply_policy(&misspelt("1")), Change::Namespaces(Event::Apply(key, namespace))]);
    let view = known.view();
    assert!(matches!(
        &view.namespaces["shop"],
        Namespace { posture: crate::index::Posture::Encrypt, refuse_all: Some(_), .. }
    ));
}

#[test]
fn a_reason_that_travels_to_every_sidecar_is_short_whatever_is_in_the_object() {
    let mut long = policy("1", "ALLOW");
    long["spec"]["x".repeat(100_000)] = json!("y".repeat(100_000));
    let reason = closed(&cluster([apply_policy(&long)])).unwrap();
    assert!(reason.chars().count() <= 1_100, "{}", reason.len());
}

// K27
#[test]
fn a_policy_selects_workloads_of_its_own_namespace_only() {
    let mut elsewhere = policy("2", "ALLOW");
    elsewhere["metadata"]["namespace"] = json!("evil");
    let view = cluster([
        apply_account("shop", "web"),
        apply_pod(pod("web", &["10.0.0.1"])),
        apply_policy(&elsewhere),
    ])
    .view();
    let workload = view.workloads.iter().next().unwrap();
    let selected = view.policies.iter().filter(|policy| {
        policy.targets.selects(&workload.namespace, &workload.service_account, &workload.labels)
    });
    assert_eq!(selected.count(), 0);
    assert_eq!(view.policies.len(), 1);
}
