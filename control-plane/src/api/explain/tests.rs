//! What becomes of a call of pods, some of which are cut off though their identity is not; and of one that a posture lets
//! through.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::api::pods::{cut, open_to_web, pod, target};
use crate::index::Namespace;
use crate::quarantine::Target;

const FIRST: &str = "web-6b9c7d5f4d-x2x4z";
const SECOND: &str = "web-6b9c7d5f4d-9q8lm";

fn world() -> World {
    open_to_web([pod(FIRST, "web"), pod(SECOND, "web"), pod("orders-0", "orders"), pod("orders-1", "orders")])
}

fn ask(world: &World, source: &str, destination: &str) -> v1::ExplainResponse {
    ask_at(world, source, destination, UNIX_EPOCH)
}

fn ask_at(world: &World, source: &str, destination: &str, now: SystemTime) -> v1::ExplainResponse {
    let [source, destination, method, path] = [source, destination, "GET", "/orders/1"].map(str::to_owned);
    let question = v1::ExplainRequest { source, destination, method, path, port: 0 };
    explain(world, &question, now).unwrap()
}

#[test]
fn a_pod_that_is_cut_off_is_refused_whichever_end_it_is_and_its_quarantine_is_named() {
    assert!(ask(&world(), "shop/web", "shop/orders").allowed);
    let pod_of = |name: &str| format!("shop/{name}");
    let first = pod_of(FIRST);
    let table = [
        (cut(&world(), target(FIRST), &[&first]), (&*first, "shop/orders"), format!("pod shop/{FIRST}")),
        (
            cut(&world(), target("orders-0"), &["shop/orders-0"]),
            ("shop/web", "orders-0"),
            "pod shop/orders-0".into(),
        ),
        (
            cut(&world(), Target::Node("worker-1".into()), &[&first]),
            (&*first, "shop/orders"),
            "node worker-1".into(),
        ),
    ];
    for (world, (source, destination), means) in table {
        let answer = ask(&world, source, destination);
        assert!(!answer.allowed, "{source} to {destination}");
        assert_eq!((answer.policy.as_str(), answer.rule.as_str()), ("", ""), "no rule decided it");
        for part in ["quarantined: ", "Quarantine/emergency", &means, "it scans"] {
            assert!(answer.because.contains(part), "{:?} has no {part:?}", answer.because);
        }
    }
}

#[test]
fn of_several_pods_those_that_are_cut_off_are_told_beside_what_becomes_of_the_others() {
    let first = format!("shop/{FIRST}");
    let one = cut(&world(), target(FIRST), &[&first]);
    for source in ["shop/web", "spiffe://demo.local/ns/shop/sa/web"] {
        let answer = ask(&one, source, "shop/orders");
        assert!(answer.allowed, "{}", answer.because);
        for part in ["allows it", first.as_str(), "Quarantine/emergency"] {
            assert!(answer.because.contains(part), "{:?} has no {part:?}", answer.because);
        }
    }
    // Nothing is said of a pod that was not asked about.
    let other = ask(&one, &format!("shop/{SECOND}"), "shop/orders");
    assert!(other.allowed && !other.because.contains("quarantine"), "{}", other.because);
    // When all are, nobody of them is let in.
    let all = cut(&world(), Target::Node("worker-1".into()), &[&first, &format!("shop/{SECOND}")]);
    assert!(!ask(&all, "shop/web", "shop/orders").allowed);
}

const END: Duration = Duration::from_secs(60);

fn under(world: &World, posture: Posture) -> World {
    let namespace = Namespace { posture, ..Namespace::default() };
    World { namespaces: Arc::new([("shop".to_owned(), namespace)].into()), ..world.clone() }
}

#[test]
fn a_call_that_only_enforce_would_refuse_is_let_through_until_the_posture_ends() {
    let observe = Posture::Observe { until: UNIX_EPOCH + END };
    let table = [
        (observe, Duration::ZERO, (true, "Observe", 60_000)),
        (observe, END, (false, "Enforce", 0)),
        (Posture::Encrypt, END, (true, "Encrypt", 0)),
        (Posture::Enforce, Duration::ZERO, (false, "Enforce", 0)),
    ];
    for (posture, after, wanted) in table {
        let world = under(&world(), posture);
        // Nobody lets orders call web.
        let answer = ask_at(&world, "shop/orders", "shop/web", UNIX_EPOCH + after);
        let told = (answer.would_deny, answer.posture.as_str(), answer.observe_until_ms);
        assert_eq!((told, answer.allowed), (wanted, false), "{posture:?}");
        let allowed = ask_at(&world, "shop/web", "shop/orders", UNIX_EPOCH + after);
        assert!(allowed.allowed && !allowed.would_deny, "{posture:?}");
    }
    let answer = ask(&world(), "shop/orders", "shop/web");
    assert_eq!((answer.would_deny, answer.posture.as_str()), (false, ""), "local mode has none");
}

#[test]
fn no_posture_lets_through_what_a_quarantine_or_a_rule_refuses() {
    let observe = |world: &World| under(world, Posture::Observe { until: UNIX_EPOCH + END });
    let cut = cut(&world(), Target::Node("worker-1".into()), &["shop/orders-0", "shop/orders-1"]);
    let answer = ask(&observe(&cut), "shop/orders", "shop/web");
    assert!(!answer.allowed && !answer.would_deny && answer.because.contains("quarantined"), "{answer:?}");
    let deny = "apiVersion: kith.dev/v1alpha1\nkind: AuthorizationPolicy\nmetadata: { name: no, namespace: shop }\n\
                spec:\n  action: DENY\n  rules: [{}]\n";
    let policies = kith_policy::document::parse("p.yaml", deny).unwrap();
    let answer = ask(&observe(&world().replace_policies(policies).unwrap()), "shop/orders", "shop/web");
    assert!(!answer.allowed && !answer.would_deny && answer.policy == "shop/no", "{answer:?}");
}
