//! What becomes of a call of pods, some of which are cut off though their identity is not.

use std::time::UNIX_EPOCH;

use super::*;
use crate::api::pods::{cut, open_to_web, pod, target};
use crate::quarantine::Target;

const FIRST: &str = "web-6b9c7d5f4d-x2x4z";
const SECOND: &str = "web-6b9c7d5f4d-9q8lm";

fn world() -> World {
    open_to_web([pod(FIRST, "web"), pod(SECOND, "web"), pod("orders-0", "orders"), pod("orders-1", "orders")])
}

fn ask(world: &World, source: &str, destination: &str) -> v1::ExplainResponse {
    let [source, destination, method, path] = [source, destination, "GET", "/orders/1"].map(str::to_owned);
    let question = v1::ExplainRequest { source, destination, method, path, port: 0 };
    explain(world, &question, UNIX_EPOCH).unwrap()
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
