//! Refusals by a quarantine: while it holds, and after it was lifted.

use super::*;

#[test]
fn a_quarantine_is_lifted_and_not_allowed_around() {
    let denied = line("POST", "/charge/7", "quarantined");
    let open = world(&[ALLOW_ORDERS]);
    let cut = open.quarantine(&id("orders"), UNIX_EPOCH, &Arc::from("it scans")).unwrap();
    for answer in [answer_to(&cut, &denied), answer_to_own(&cut, &outbound(&denied))] {
        assert_eq!((answer.suggestion.as_str(), answer.allowed_now), ("", false));
        for part in ["/sa/orders is quarantined (it scans)", "kith quarantine remove orders"] {
            assert!(answer.no_suggestion.contains(part), "{}", answer.no_suggestion);
        }
    }
    // A default denial of somebody who was quarantined since.
    let answer = answer_to(&cut, &line("DELETE", "/charge/7", "default_deny"));
    assert!(answer.no_suggestion.contains("kith quarantine remove orders"), "{}", answer.no_suggestion);
}

#[test]
fn a_quarantine_that_was_lifted_is_judged_again_whichever_side_had_refused() {
    let open = world(&[ALLOW_ORDERS]);
    let denied = |path| line("POST", path, "quarantined");
    for (path, allowed) in [("/charge/7", true), ("/refund", false)] {
        for answer in [answer_to(&open, &denied(path)), answer_to_own(&open, &outbound(&denied(path)))] {
            assert_eq!((answer.allowed_now, answer.judged), (allowed, true), "{}", answer.no_suggestion);
            assert_eq!(answer.suggestion.contains("/refund"), !allowed);
        }
    }
    // A sidecar speaks for its own workload, and the policies of others are not known here.
    let elsewhere = {
        let mut line = outbound(&denied("/charge/7"));
        line["kith.destination.identity"] = "spiffe://far.example/ns/a/sa/b".into();
        line
    };
    for answer in [answer_to(&open, &outbound(&denied("/charge/7"))), answer_to_own(&open, &elsewhere)] {
        assert_eq!((answer.allowed_now, answer.judged), (false, false));
        assert!(answer.no_suggestion.contains("lifted since"), "{}", answer.no_suggestion);
    }
}

#[test]
fn a_session_that_a_quarantine_refused_is_not_said_to_be_let_in_while_it_holds() {
    let mut refused = line("", "", "quarantined");
    refused["event"] = "session_refused".into();
    for field in ["kith.source.identity", "kith.destination.identity"] {
        refused.as_object_mut().unwrap().remove(field);
    }
    let open = world(&[ALLOW_ORDERS]);
    let cut = open.quarantine(&id("orders"), UNIX_EPOCH, &Arc::from("it scans")).unwrap();
    let answer = answer_to(&cut, &refused);
    assert!(answer.no_suggestion.contains("kith quarantine remove orders"), "{}", answer.no_suggestion);
    assert!(answer_to(&open, &refused).no_suggestion.contains("lifted since"));
}
