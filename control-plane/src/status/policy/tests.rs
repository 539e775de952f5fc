//! What is said of a policy (GEP-713), and when nothing is.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use super::super::document::{Condition, PolicyStatus, condition};
use super::super::testing::{Ground, STAMP, callers};
use super::status;
use crate::index::cluster::{Change, Event, Key, NamespaceObject};

fn of(ground: &Ground) -> PolicyStatus {
    try_of(ground).expect("the world and the facts are of one version")
}

fn try_of(ground: &Ground) -> Option<PolicyStatus> {
    let world = ground.worlds.now();
    status(&ground.view(&world), &callers(), &ground.facts.policies[&callers()])
}

/// `Type=Status/Reason: message`, one line for each.
fn told(conditions: &[Condition]) -> Vec<String> {
    let told = |it: &Condition| format!("{}={}/{}: {}", it.kind, it.status, it.reason, it.message);
    conditions.iter().map(told).collect()
}

fn pods(app: &str) -> Value {
    json!({ "kind": "Pod", "selector": { "matchLabels": { "app": app } } })
}

const RESOLVED: &str = "ResolvedRefs=True/ResolvedRefs: everybody whom it means is there";
const VALID: &str = "Accepted=True/Accepted: the policy is valid";

#[test]
fn a_policy_is_programmed_once_every_selected_sidecar_confirmed_it() {
    let mut ground = Ground::new(&["a", "b"]);
    ground.policy(1, &json!({ "targetRefs": [pods("payments")], "rules": [{}] }));
    let (_a, b) = (ground.confirms("a"), ground.acks.connect(&ground.workload("b").id));
    let waits = "Programmed=False/Reconciling: waiting for shop/b (1 of 2 sidecars have it)";
    assert_eq!(told(&of(&ground).conditions), [VALID, waits, RESOLVED]);
    b.acknowledged(ground.worlds.now().revision);
    let status = of(&ground);
    assert_eq!(
        told(&status.conditions),
        [VALID, "Programmed=True/Programmed: in force at 2 sidecars", RESOLVED]
    );
    let accepted = condition(&status.conditions, "Accepted").unwrap();
    assert_eq!((accepted.observed_generation, accepted.last_transition_time.as_str()), (1, STAMP));
}

#[test]
fn each_target_is_an_ancestor_with_its_own_sidecars() {
    let mut ground = Ground::new(&["a"]);
    ground.pod("b", "front");
    let account = json!({ "kind": "ServiceAccount", "name": "payments" });
    ground.policy(3, &json!({ "targetRefs": [pods("front"), account], "rules": [{}] }));
    let _b = ground.confirms("b");
    let _a = ground.acks.connect(&ground.workload("a").id);
    let status = of(&ground);
    assert_eq!(status.target.as_deref(), Some("Pod app=front; ServiceAccount payments"));
    let ancestors: Vec<_> = status
        .ancestors
        .iter()
        .map(|it| {
            let of = &it.ancestor_ref;
            assert_eq!((it.controller_name.as_str(), of.group.as_str()), ("kith.dev/control-plane", ""));
            (of.kind.as_str(), of.namespace.as_deref(), of.name.as_str(), told(&it.conditions)[1].clone())
        })
        .collect();
    let waits = "Programmed=False/Reconciling: waiting for shop/a (1 of 2 sidecars have it)".to_owned();
    assert_eq!(
        ancestors,
        [
            (
                "Pod",
                Some("shop"),
                "app=front",
                "Programmed=True/Programmed: in force at 1 sidecar".to_owned()
            ),
            ("ServiceAccount", Some("shop"), "payments", waits),
        ]
    );
}

#[test]
fn a_policy_without_targets_is_for_its_namespace() {
    let mut ground = Ground::new(&[]);
    ground.policy(1, &json!({}));
    let status = of(&ground);
    assert_eq!(status.target.as_deref(), Some("Namespace shop"));
    let ancestor = &status.ancestors[0].ancestor_ref;
    assert_eq!(
        (ancestor.kind.as_str(), &ancestor.namespace, ancestor.name.as_str()),
        ("Namespace", &None, "shop")
    );
}

#[test]
fn a_policy_that_selects_nobody_now_is_accepted_and_says_that_and_what_was_probably_meant() {
    let mut ground = Ground::new(&["a"]);
    let _a = ground.confirms("a");
    ground.policy(1, &json!({ "targetRefs": [pods("paymets")], "rules": [{}] }));
    let nobody = "app=paymets selects no pod of the mesh in shop now; did you mean app=payments?; the namespace \
                  has no label kith.dev/inject";
    let wanted = [
        VALID.to_owned(),
        format!("Programmed=True/Programmed: {nobody}"),
        format!("ResolvedRefs=False/NotFound: {nobody}"),
    ];
    let status = of(&ground);
    assert_eq!(told(&status.conditions), wanted);
    assert_eq!(told(&status.ancestors[0].conditions), wanted);

    // Beside a target that selects somebody it is only said.
    ground.policy(2, &json!({ "targetRefs": [pods("paymets"), pods("payments")], "rules": [{}] }));
    let _a = ground.confirms("a");
    let status = of(&ground);
    let whole = [VALID, "Programmed=True/Programmed: in force at 1 sidecar", &wanted[2]];
    assert_eq!(told(&status.conditions), whole);
    assert_eq!(told(&status.ancestors[1].conditions)[2], RESOLVED);
}

#[test]
fn a_policy_that_names_a_caller_who_is_not_there_says_so_and_is_in_force() {
    let mut ground = Ground::new(&["a"]);
    let caller = |name: &str| json!({ "type": "ServiceAccount", "serviceAccount": { "name": name } });
    let sources = [caller("web"), caller("wbe")];
    ground.policy(1, &json!({ "targetRefs": [pods("payments")], "rules": [{ "sources": sources }] }));
    let _a = ground.confirms("a");
    let status = of(&ground);
    let says = "ResolvedRefs=False/NotFound: there is no service account shop/wbe now; did you mean web?";
    assert_eq!(told(&status.conditions), [VALID, "Programmed=True/Programmed: in force at 1 sidecar", says]);
    assert_eq!(told(&status.ancestors[0].conditions)[2], says, "whoever reads either reads the same");
}

#[test]
fn a_policy_for_a_service_account_that_is_not_there_says_so_and_is_not_programmed() {
    let mut ground = Ground::new(&["a"]);
    let missing = json!({ "kind": "ServiceAccount", "name": "paymets" });
    ground.policy(1, &json!({ "targetRefs": [missing] }));
    let status = of(&ground);
    let says = "Accepted=False/TargetNotFound: there is no service account shop/paymets; once there is, the policy \
                holds for it";
    assert_eq!(told(&status.conditions), [says]);
    assert_eq!(told(&status.ancestors[0].conditions), [says]);
    // Beside one that is there it is no reason to say nothing.
    ground.policy(2, &json!({ "targetRefs": [missing, pods("none")] }));
    let status = of(&ground);
    assert_eq!(told(&status.conditions).len(), 3);
    assert_eq!(told(&status.ancestors[0].conditions), [says]);
}

#[test]
fn a_policy_that_cannot_be_read_says_why_and_what_holds_instead() {
    // K26
    let mut ground = Ground::new(&["a"]);
    ground.policy(1, &json!({ "rules": [{ "sourcs": [] }] }));
    let why =
        "Accepted=False/Invalid: spec.rules[0].sourcs: unknown field \"sourcs\"; did you mean \"sources\"?";
    let status = of(&ground);
    let closed = "until it is corrected or deleted every call in the namespace shop is refused";
    assert_eq!(told(&status.conditions), [format!("{why}; {closed}")]);
    assert_eq!((status.target.as_deref(), told(&status.ancestors[0].conditions).len()), (None, 1));

    ground.policy(2, &json!({ "rules": [{}] }));
    ground.policy(3, &json!({ "rules": [{ "sourcs": [] }] }));
    let status = of(&ground);
    let before = "authorizationpolicies/shop/callers (generation 2) stays in force";
    assert_eq!(told(&status.conditions), [format!("{why}; {before}")]);
    assert_eq!(
        (status.conditions[0].observed_generation, status.target.as_deref()),
        (3, Some("Namespace shop"))
    );
}

#[test]
fn nothing_is_said_while_the_world_is_of_another_version() {
    // It would be of the version before: programmed, although nobody was told of this one.
    let mut ground = Ground::new(&["a"]);
    ground.policy(1, &json!({ "rules": [{}] }));
    let _a = ground.confirms("a");
    ground.only_facts(2, &json!({ "rules": [] }));
    assert_eq!(try_of(&ground), None);
}

#[test]
fn a_policy_in_a_closed_namespace_is_overridden() {
    let mut ground = Ground::new(&["a"]);
    ground.policy(1, &json!({ "rules": [{}] }));
    let _a = ground.confirms("a");
    let labels = [("kith.dev/posture".to_owned(), "Enforced".to_owned())].into();
    let metadata =
        ObjectMeta { name: Some("shop".to_owned()), labels: Some(labels), ..ObjectMeta::default() };
    let (_, namespace) = NamespaceObject::read(metadata).unwrap();
    ground.apply(Change::Namespaces(Event::Apply(Key::new("", "shop"), namespace)));
    let told = told(&of(&ground).conditions);
    assert!(
        told[1].starts_with("Programmed=False/Overridden: every call in the namespace is refused: "),
        "{told:?}"
    );
}

#[test]
fn a_policy_decides_nothing_for_pods_that_are_closed_and_says_so() {
    let mut ground = Ground::new(&["a"]);
    ground.policy(1, &json!({ "rules": [{}] }));
    let _a = ground.confirms("a");
    ground.pod("large", &"x".repeat(1 << 20));
    let told = told(&of(&ground).conditions);
    let refused =
        "Programmed=False/Overridden: every call to 1 of the selected pods is refused, such as shop/large: ";
    assert!(told[1].starts_with(refused), "{told:?}");
}

#[test]
fn a_label_of_any_text_fits_a_line_of_a_column() {
    let mut ground = Ground::new(&[]);
    ground.policy(1, &json!({ "targetRefs": [pods("x\n\u{1b}[2J")] }));
    assert_eq!(of(&ground).target.as_deref(), Some("Pod app=x??[2J..."));
    ground.policy(2, &json!({ "targetRefs": [pods(&"é".repeat(5000))] }));
    let status = of(&ground);
    assert_eq!(status.ancestors[0].ancestor_ref.name.chars().count(), 253);
    assert_eq!(status.target.unwrap().chars().count(), 253);
}
