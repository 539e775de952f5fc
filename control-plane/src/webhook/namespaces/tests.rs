//! Namespaces that may be stored, that may not, and what is said of those that may.

use serde_json::json;

use super::*;
use crate::webhook::testing::{OWN, now, world};

const LATER: (&str, &str) = ("config.kith.dev/observe-until", "2026-01-31T00:00:00Z");
const OBSERVE: (&str, &str) = ("kith.dev/posture", "Observe");
const INJECT: (&str, &str) = ("kith.dev/inject", "enabled");

/// Labels and annotations.
type Said<'a> = (&'a [(&'a str, &'a str)], &'a [(&'a str, &'a str)]);

fn namespace(name: &str, (labels, annotations): Said<'_>) -> Value {
    let map = |entries: &[(&str, &str)]| {
        entries.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect::<Value>()
    };
    json!({ "metadata": { "name": name, "labels": map(labels), "annotations": map(annotations) } })
}

fn made(said: Said<'_>) -> Result<Vec<String>, String> {
    review(&Value::Null, &namespace("quiet", said), OWN, &world(), now())
}

fn changed(before: Said<'_>, after: Said<'_>) -> Result<Vec<String>, String> {
    review(&namespace("quiet", before), &namespace("quiet", after), OWN, &world(), now())
}

#[test]
fn what_is_right_is_stored_and_nothing_is_said_of_it() {
    for said in [
        (&[][..], &[][..]),
        (&[INJECT, OBSERVE, ("kith.dev/egress", "Deny")], &[LATER]),
        // The end may be written first.
        (&[], &[LATER]),
        (&[("team", "shop")], &[("config.kith.dev/permit-skip-inbound-ports", "9000-9100")]),
    ] {
        assert_eq!(made(said), Ok(vec![]), "{said:?}");
        assert_eq!(changed((&[], &[]), said), Ok(vec![]), "{said:?}");
    }
}

#[test]
fn a_mistake_is_refused_when_it_is_made() {
    let until = |text| ("config.kith.dev/observe-until", text);
    let cases: [(Said<'_>, &str); 12] = [
        ((&[("kith.dev/inject", "true")], &[]), "write enabled or required"),
        ((&[("kith.dev/posture", "observe")], &[LATER]), "write Observe, Encrypt or Enforce"),
        ((&[("kith.dev/egress", "allow")], &[]), "write Deny, Observe or Allow"),
        ((&[("kith.dev/injct", "enabled")], &[]), "did you mean the label kith.dev/inject?"),
        ((&[], &[("kith.dev/inject", "enabled")]), "is a label, not an annotation"),
        ((&[("config.kith.dev/posture", "Observe")], &[]), "did you mean the label kith.dev/posture?"),
        ((&[], &[("config.kith.dev/permit-skip-inbound-ports", "all")]), "permit-skip-inbound-ports"),
        ((&[OBSERVE], &[]), "config.kith.dev/observe-until] is missing"),
        ((&[OBSERVE], &[until("tomorrow")]), "Observe needs the time of its end"),
        ((&[], &[until("tomorrow")]), "Observe needs the time of its end"),
        ((&[OBSERVE], &[until("2025-12-31T23:59:59Z")]), "lies in the past"),
        ((&[], &[until("2026-01-01T00:00:00Z")]), "lies in the past"),
    ];
    for (said, reason) in cases {
        for refused in [made(said), changed((&[], &[]), said), changed((&[("team", "a")], &[]), said)] {
            let refused = refused.unwrap_err();
            assert!(refused.contains(reason) && refused.starts_with("namespace quiet: "), "{refused}");
            assert_eq!(refused.matches(reason).count(), 1, "{refused}");
        }
    }
}

#[test]
fn what_is_wrong_already_keeps_nobody_from_changing_something_else() {
    let past = ("config.kith.dev/observe-until", "2020-01-01T00:00:00Z");
    let wrong = ("kith.dev/posture", "observe");
    let cases: [(Said<'_>, Said<'_>); 6] = [
        ((&[wrong], &[]), (&[wrong, ("team", "a")], &[])),
        ((&[wrong], &[]), (&[wrong, ("kith.dev/egress", "Deny")], &[])),
        ((&[OBSERVE], &[past]), (&[OBSERVE, ("team", "a")], &[past])),
        // One after the other is put right, in either order.
        ((&[wrong], &[]), (&[wrong], &[LATER])),
        ((&[wrong, ("kith.dev/injct", "enabled")], &[]), (&[("kith.dev/injct", "enabled")], &[])),
        ((&[OBSERVE], &[past]), (&[("kith.dev/posture", "Enforce")], &[past])),
    ];
    for (before, after) in cases {
        assert_eq!(changed(before, after), Ok(vec![]), "{before:?} {after:?}");
    }
    // A new mistake beside an old one is still a mistake.
    let refused = changed((&[wrong], &[]), (&[wrong, ("kith.dev/egress", "allow")], &[])).unwrap_err();
    assert!(refused.contains("kith.dev/egress") && !refused.contains("kith.dev/posture"), "{refused}");
}

#[test]
fn all_that_is_ours_may_be_removed_and_the_end_of_observe_only_after_it() {
    let all: Said<'_> = (&[INJECT, OBSERVE], &[LATER]);
    assert_eq!(changed(all, (&[], &[])), Ok(vec![]));
    assert_eq!(changed(all, (&[INJECT], &[LATER])), Ok(vec![]));
    assert_eq!(changed((&[INJECT], &[LATER]), (&[INJECT], &[])), Ok(vec![]));
    let refused = changed(all, (&[INJECT, OBSERVE], &[])).unwrap_err();
    assert!(refused.contains("observe-until] is missing"), "{refused}");
}

#[test]
fn an_end_that_is_far_away_is_said_when_it_is_set() {
    let far = ("config.kith.dev/observe-until", "2026-04-02T00:00:00Z");
    let said = made((&[OBSERVE], &[far])).unwrap();
    assert_eq!(said.len(), 1);
    assert!(said[0].contains("lies 91 days ahead"), "{said:?}");
    assert_eq!(made((&[OBSERVE], &[("config.kith.dev/observe-until", "2026-04-01T00:00:00Z")])), Ok(vec![]));
    assert_eq!(changed((&[OBSERVE], &[far]), (&[OBSERVE, INJECT], &[far])), Ok(vec![]));
    assert_eq!(changed((&[], &[far]), (&[OBSERVE], &[far])), Ok(vec![]), "it was said when it was set");
}

#[test]
fn a_label_that_pods_do_not_follow_yet_is_said_with_what_to_do() {
    let shop = |before: Said<'_>, after: Said<'_>| {
        review(&namespace("shop", before), &namespace("shop", after), OWN, &world(), now()).unwrap()
    };
    let restart = "until restarted: kubectl -n shop rollout restart deployment,statefulset,daemonset";
    let set = shop((&[], &[]), (&[INJECT], &[]));
    assert_eq!(set[0], format!("in shop 1 pod goes on without a sidecar {restart}"));
    assert!(set[1].contains("the posture of shop is Enforce") && set.len() == 2, "{set:?}");
    assert_eq!(shop((&[], &[]), (&[INJECT, OBSERVE], &[LATER])).len(), 1);

    let removed = shop((&[INJECT], &[]), (&[], &[]));
    assert_eq!(removed[0], format!("in shop 1 pod goes on with a sidecar {restart}"));
    assert!(removed[1].contains("not in the posture Observe") && removed.len() == 2, "{removed:?}");
    assert_eq!(shop((&[INJECT, OBSERVE], &[LATER]), (&[OBSERVE], &[LATER])).len(), 1);

    // Nothing becomes of it.
    assert_eq!(shop((&[INJECT], &[]), (&[("kith.dev/inject", "required")], &[])), [""; 0]);
}

#[test]
fn a_label_under_enforce_is_said_also_before_there_are_pods() {
    let encrypt = ("kith.dev/posture", "Encrypt");
    for said in [made((&[INJECT], &[])), changed((&[], &[]), (&[INJECT], &[]))] {
        let [only] = said.unwrap().try_into().unwrap();
        assert!(only.contains("is Enforce: its pods will refuse every call that no policy allows"), "{only}");
        assert!(only.contains("kith.dev/posture=Observe"), "{only}");
    }
    assert_eq!(
        made((&[INJECT, encrypt], &[])),
        Ok(vec![]),
        "only the default is refused, and that is forgiven"
    );
}

#[test]
fn a_namespace_that_is_never_injected_cannot_be_labelled_and_can_lose_the_label() {
    for (name, why) in [("kube-system", "what the cluster itself runs on"), (OWN, "its own control plane")] {
        let reviewed =
            |before: &Value, after: Said<'_>| review(before, &namespace(name, after), OWN, &world(), now());
        for before in [Value::Null, namespace(name, (&[], &[]))] {
            let refused = reviewed(&before, (&[INJECT], &[])).unwrap_err();
            assert!(refused.contains("never injected") && refused.contains(why), "{refused}");
            assert_eq!(reviewed(&before, (&[("team", "a")], &[])), Ok(vec![]));
        }
        let labelled = namespace(name, (&[INJECT], &[]));
        assert_eq!(reviewed(&labelled, (&[INJECT, ("team", "a")], &[])), Ok(vec![]));
        assert_eq!(reviewed(&labelled, (&[], &[])), Ok(vec![]));
    }
}

#[test]
fn the_injector_of_the_chart_is_not_asked_about_the_same_namespaces() {
    let chart = include_str!("../../../../charts/kith/templates/webhooks.yaml");
    let never = format!("operator: NotIn, values: [{CLUSTERS_OWN}, {{{{ .Release.Namespace }}}}]");
    assert_eq!(chart.matches("operator: NotIn").count(), chart.matches(&never).count());
    assert!(chart.contains(&never));
}

#[test]
fn a_sentence_is_no_longer_than_the_api_server_passes_on() {
    let name = "n".repeat(63);
    let object = |said| namespace(&name, said);
    let said = review(
        &object((&[], &[])),
        &object((&[INJECT, OBSERVE], &[("config.kith.dev/observe-until", "9999-01-01T00:00:00Z")])),
        OWN,
        &world(),
        now(),
    );
    assert!(said.unwrap().iter().all(|sentence| sentence.len() <= 256));
}

#[test]
fn what_is_no_namespace_is_refused() {
    for object in [json!({}), json!({ "metadata": 1 }), json!({ "metadata": { "name": "a", "labels": [] } })]
    {
        review(&Value::Null, &object, OWN, &world(), now()).unwrap_err();
    }
}
