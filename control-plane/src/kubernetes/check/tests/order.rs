//! The order of causes: what is wrong first is said, what follows from it is skipped, and nothing else is.

use super::*;
use crate::kubernetes::check::Outcome::{Error, Skipped};

fn outcomes(facts: &Facts, stage: Stage) -> BTreeMap<&'static str, (Outcome, Option<String>)> {
    let findings = judge(facts, stage);
    findings.into_iter().map(|it| (it.check.id, (it.judgement.outcome, it.judgement.detail))).collect()
}

fn of(facts: &Facts, outcome: Outcome) -> Vec<&'static str> {
    let findings = judge(facts, Stage::After);
    findings.iter().filter(|it| it.judgement.outcome == outcome).map(|it| it.check.id).collect()
}

/// As it looks when the control plane never started.
fn down(change: impl FnOnce(&mut Facts)) -> Facts {
    with(|facts| {
        let waiting = vec!["the pod x is ImagePullBackOff: no such image".to_owned()];
        facts.deployment = Ok(Some(Deployment { wanted: 1, ready: 0, waiting }));
        facts.endpoints = Ok(Some(0));
        for (_, webhooks) in &mut facts.webhooks {
            let webhooks = webhooks.as_mut().unwrap().as_mut().unwrap();
            webhooks.ca_bundles.values_mut().for_each(Vec::clear);
        }
        facts.webhook_answers = Ok(Err("no endpoints available".into()));
        facts.status = Err("no control plane is ready".into());
        facts.refused =
            Ok(vec![refused("failed calling webhook \"inject.kith.dev\": no endpoints available")]);
        change(facts);
    })
}

#[test]
fn a_control_plane_that_does_not_run_is_one_error_and_the_rest_follows_from_it() {
    let down = down(|_| {});
    assert_eq!(of(&down, Error), ["deployment"]);
    let skipped = [
        "service",
        "webhooks",
        "webhook-answers",
        "control-plane-answers",
        "root",
        "issuing",
        "pods-refused",
        "sidecars-connected",
        "sidecars-current",
        "policies",
        "versions",
    ];
    assert_eq!(of(&down, Skipped), skipped);
    // The cause is named, and not what merely stands between.
    for id in ["service", "root", "versions"] {
        let (_, detail) = &outcomes(&down, Stage::After)[id];
        assert_eq!(detail.as_deref(), Some("because of the error in deployment"), "{id}");
    }
}

#[test]
fn a_key_that_is_none_is_the_cause_of_a_control_plane_that_does_not_run() {
    for stored in [Stored::Missing, Stored::Wrong("31 bytes".into())] {
        let broken = down(|facts| facts.key = Ok(Some(KeySecret { stored: Ok(stored), ..key() })));
        assert_eq!(of(&broken, Error), ["key-secret"]);
        let (outcome, detail) = &outcomes(&broken, Stage::After)["deployment"];
        assert_eq!(*outcome, Skipped);
        assert_eq!(detail.as_deref(), Some("because of the error in key-secret"));
    }
    let broken = down(|facts| facts.config = Ok(None));
    assert_eq!(of(&broken, Error), ["configuration"]);
}

#[test]
fn without_our_kinds_nothing_is_asked_of_their_objects_and_with_older_ones_everything_is() {
    let change = |stored: Option<serde_json::Value>| {
        with(|facts| {
            facts.definitions[0].1 = Ok(stored);
            facts.webhook_answers = Ok(Err("x509: unknown authority".into()));
            facts.unmatched = Err("404 page not found".into());
        })
    };
    let missing = change(None);
    assert_eq!(of(&missing, Error), ["definitions"]);
    assert_eq!(of(&missing, Skipped), ["webhook-answers", "unmatched"]);
    let older = change(Some(json!({ "type": "object" })));
    assert_eq!(of(&older, Error), ["definitions", "webhook-answers"]);
}

#[test]
fn what_is_well_in_spite_of_a_cause_is_said_to_be() {
    let lost = with(|facts| facts.key = Ok(Some(KeySecret { stored: Ok(Stored::Missing), ..key() })));
    assert_eq!(of(&lost, Error), ["key-secret"]);
    assert_eq!(of(&lost, Skipped), [""; 0], "it runs on with the key that it has");
}

#[test]
fn where_nothing_is_installed_the_key_is_not_asked_for() {
    let absent = with(|facts| (facts.deployment, facts.key) = (Ok(None), Ok(None)));
    assert_eq!(outcomes(&absent, Stage::After)["key-secret"].0, Skipped);
}

#[test]
fn who_may_not_ask_the_control_plane_hears_that_and_nothing_against_it() {
    let stranger = with(|facts| {
        let what = "create pods/portforward in the namespace kith".to_owned();
        facts.rights.push(Right { what, allowed: Ok(false), role: Some("Role kith-viewer") });
        facts.status = Err("not permitted".into());
    });
    assert_eq!(of(&stranger, Error), [""; 0]);
    assert!(of(&stranger, Skipped).contains(&"control-plane-answers"));
    let (outcome, detail) = &outcomes(&stranger, Stage::After)["root"];
    assert_eq!(
        (*outcome, detail.as_deref()),
        (Skipped, Some("because control-plane-answers was not checked"))
    );
}

#[test]
fn refused_pods_are_told_once_and_those_with_another_reason_always() {
    let restricted = with(|facts| {
        let labels = [("kith.dev/inject", "enabled"), ("pod-security.kubernetes.io/enforce", "restricted")];
        facts.namespaces = Ok(vec![namespace("shop", &labels)]);
        facts.pods = Ok(vec![]);
        facts.status.as_mut().unwrap().workloads.clear();
        facts.refused = Ok(vec![refused("violates PodSecurity \"restricted:latest\"")]);
    });
    assert_eq!(of(&restricted, Error), ["pod-security"]);
    assert_eq!(of(&restricted, Skipped), ["pods-refused"]);
    let quota = down(|facts| facts.refused.as_mut().unwrap().push(refused("exceeded quota")));
    let (outcome, causes) = found(&quota, "pods-refused");
    assert_eq!((outcome, causes.as_str()), (Error, "ReplicaSet shop/web-5d: exceeded quota"));
    // With a control plane that runs, a webhook that does not answer is news.
    let unasked = "failed calling webhook \"inject.kith.dev\": timeout";
    let running = with(|facts| facts.refused = Ok(vec![refused(unasked)]));
    assert_eq!(found(&running, "pods-refused").0, Error);
}

#[test]
fn a_check_comes_after_what_may_be_its_cause() {
    for (index, check) in CHECKS.iter().enumerate() {
        for cause in check.after {
            let at = CHECKS.iter().position(|it| it.id == *cause);
            assert!(at.is_some_and(|at| at < index), "{} comes after {cause}", check.id);
        }
    }
}

#[test]
fn the_key_may_be_made_later_where_nobody_said_that_it_is_there() {
    let later = KeySecret { expected: false, stored: Ok(Stored::Missing), ..key() };
    let to_be_made = with(|facts| facts.key = Ok(Some(later)));
    assert_eq!(found(&to_be_made, "key-to-come"), (Outcome::Ok, String::new()));
}

#[test]
fn before_the_end_the_way_out_is_told_with_commands() {
    let findings = judge(&good(), Stage::Leaving);
    let hint = |id: &str| {
        let finding = findings.iter().find(|it| it.check.id == id).unwrap();
        finding.judgement.hint.clone().unwrap()
    };
    let way = hint("labelled-namespaces");
    assert!(way.contains("observe-until=2027-01-22T08:00:00Z --overwrite\n"), "{way}");
    assert!(way.contains("\nkubectl label namespace shop kith.dev/inject-\n"), "{way}");
    assert!(hint("members").contains("rollout restart"));
}
