//! Answers about calls of pods that are cut off by themselves.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use kith_proto::quarantined::UNDER_WAY;
use serde_json::{Value, json};

use super::*;
use crate::api::pods::{cut, open_to_web, pod, target as pod_target, uid};
use crate::api::why::tests::answer_of;
use crate::index::Cut;

const WEB: &str = "spiffe://demo.local/ns/shop/sa/web";
const ORDERS: &str = "spiffe://demo.local/ns/shop/sa/orders";

fn open() -> World {
    open_to_web([pod("web-0", "web"), pod("web-1", "web"), pod("orders-0", "orders")])
}

/// In which `shop/web-0` is.
fn web_0_is_cut() -> World {
    cut(&open(), pod_target("web-0"), &["shop/web-0"])
}

fn svids() -> IssuedSvids {
    let issued = IssuedSvids::default();
    for (pod, serial) in [("shop/web-0", "7b17"), ("shop/web-1", "7b18"), ("shop/orders-0", "0d00")] {
        issued.presented(&uid(pod), &serial_of(serial), UNIX_EPOCH + Duration::from_secs(60));
    }
    issued
}

fn serial_of(text: &str) -> Serial {
    Serial::parse(text).unwrap()
}

/// A call of web to orders, by the sidecar of one of them.
fn line(direction: &str, reason: &str, detail: &str, serials: Option<[&str; 2]>) -> Value {
    let mut line = json!({
        "event": "call",
        "kith.direction": direction,
        "kith.source.identity": WEB,
        "kith.destination.identity": ORDERS,
        "http.request.method": "GET",
        "url.path": "/orders/1",
        "kith.denial.reason": reason,
        "kith.denial.detail": detail,
    });
    if let Some([own, peer]) = serials {
        line["kith.own.serial"] = own.into();
        line["kith.peer.serial"] = peer.into();
    }
    line
}

fn ask(world: &World, issued: &IssuedSvids, line: &Value) -> kith_proto::v1::WhyResponse {
    let reporter = if line["kith.direction"] == "inbound" { ORDERS } else { WEB };
    let [reporter, web] = [reporter, WEB].map(|identity| SpiffeId::parse(identity).unwrap());
    answer_of(world, issued, &reporter, &web, line)
}

const SELF: &str = "this workload itself is quarantined";
const HELD: &str = "the holder of the svid 7b17 is quarantined";

#[test]
fn a_refusal_for_a_pod_that_is_still_cut_off_names_the_pod_its_quarantine_and_how_it_ends() {
    for line in [
        line("inbound", "quarantined", HELD, Some(["0d00", "7b17"])),
        line("outbound", "quarantined", SELF, Some(["7b17", "0d00"])),
        // An older denial of it: what is in force now comes first.
        line("inbound", "default_deny", "as it was then", Some(["0d00", "7b17"])),
    ] {
        let answer = ask(&web_0_is_cut(), &svids(), &line);
        assert_eq!((answer.judged, answer.allowed_now, &*answer.suggestion), (true, false, ""), "{line}");
        for part in
            ["shop/web-0", "Quarantine/emergency", "it scans", "kith quarantine remove --pod shop/web-0"]
        {
            assert!(answer.no_suggestion.contains(part), "{:?} has no {part:?}", answer.no_suggestion);
        }
    }
    // The other pod of the identity is not.
    let other = line("inbound", "default_deny", "as it was then", Some(["0d00", "7b18"]));
    assert!(ask(&web_0_is_cut(), &svids(), &other).allowed_now);
}

#[test]
fn where_the_pod_of_a_refusal_is_not_known_nobody_is_said_to_be_let_in() {
    let forgotten = IssuedSvids::default();
    for (issued, line) in [
        // The caller's own sidecar refused before any session; or the svid ended since.
        (svids(), line("outbound", "quarantined", SELF, None)),
        (svids(), line("outbound", "quarantined", &format!("{SELF}{UNDER_WAY}"), None)),
        (forgotten.clone(), line("inbound", "quarantined", HELD, Some(["0d00", "7b17"]))),
    ] {
        let answer = ask(&web_0_is_cut(), &issued, &line);
        assert_eq!((answer.judged, answer.allowed_now), (false, false), "{line}");
        for part in ["shop/web-0", "Quarantine/emergency", "not known any more"] {
            assert!(answer.no_suggestion.contains(part), "{:?} has no {part:?}", answer.no_suggestion);
        }
        assert!(!answer.no_suggestion.contains("lifted since"), "{}", answer.no_suggestion);
    }
    // A pod that is gone, and its svid is kept off until it ends.
    let gone = cut(&open(), pod_target("web-2"), &["shop/web-2"]);
    let answer = ask(&gone, &forgotten, &line("outbound", "quarantined", SELF, None));
    assert!(answer.no_suggestion.contains("Quarantine/emergency"), "{}", answer.no_suggestion);
    let serials = Arc::new(Cut { serials: [serial_of("7b17")].into(), ..Cut::default() });
    let held = line("inbound", "quarantined", HELD, Some(["0d00", "7b17"]));
    let answer = ask(&World { cut: serials, ..open() }, &forgotten, &held);
    assert!(answer.no_suggestion.contains("the svid 7b17"), "{}", answer.no_suggestion);
    assert!(!answer.allowed_now);
}

#[test]
fn a_quarantine_of_a_pod_that_was_lifted_refuses_nothing_any_more() {
    for line in [
        line("inbound", "quarantined", HELD, Some(["0d00", "7b17"])),
        line("outbound", "quarantined", SELF, None),
    ] {
        let answer = ask(&open(), &svids(), &line);
        assert_eq!((answer.judged, answer.allowed_now), (true, true), "{line}");
        // What is allowed needs no advice.
        assert_eq!(answer.no_suggestion, "");
    }
    // That of another pod of the identity goes on.
    let other = cut(&open(), pod_target("web-1"), &["shop/web-1"]);
    let held = line("inbound", "quarantined", HELD, Some(["0d00", "7b17"]));
    assert!(ask(&other, &svids(), &held).allowed_now);
}
