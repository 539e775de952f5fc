//! Every check over made-up facts: good where all is well, and for each thing that can be wrong the outcome and the cause.

mod advice;
mod excused;
mod faults;
mod order;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kith_proto::v1::{RefusedPolicy, Revision, StatusResponse, WorkloadStatus};
use serde_json::json;

use super::facts::{
    ApiVersion, Deployment, Facts, KeySecret, Namespace, Pod, Refused, Right, Rule, Stored, Webhooks,
};
use super::role::NEEDED;
use super::*;

const VERSION: &str = "0.1.0";
const DAY: i64 = 86_400_000;

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn now_ms() -> i64 {
    1_800_000_000_000
}

fn namespace(name: &str, labels: &[(&str, &str)]) -> Namespace {
    let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Namespace { name: name.into(), labels, annotations: BTreeMap::new() }
}

fn member(name: &str) -> Pod {
    Pod {
        namespace: "shop".into(),
        name: name.into(),
        in_mesh: true,
        sidecar_ready: true,
        injected: Some(VERSION.into()),
        ..Pod::default()
    }
}

fn workload(name: &str) -> WorkloadStatus {
    WorkloadStatus {
        name: format!("shop/{name}"),
        connected: true,
        acknowledged: Some(Revision { epoch: 1, counter: 7 }),
        ..WorkloadStatus::default()
    }
}

fn status() -> StatusResponse {
    StatusResponse {
        version: VERSION.into(),
        trust_domain: "mesh.example".into(),
        root_not_after_ms: now_ms() + 300 * DAY,
        issuing_not_after_ms: now_ms() + 5 * DAY,
        revision: Some(Revision { epoch: 1, counter: 7 }),
        workloads: vec![workload("web-0"), workload("web-1")],
        ..StatusResponse::default()
    }
}

fn rules() -> Vec<Rule> {
    let rule = |(group, resource, verbs, name): &(&str, &str, &[&str], Option<&str>)| Rule {
        groups: vec![(*group).to_owned()],
        resources: vec![(*resource).to_owned()],
        verbs: verbs.iter().map(|verb| (*verb).to_owned()).collect(),
        names: name.iter().map(|name| (*name).to_owned()).collect(),
    };
    NEEDED.iter().map(rule).collect()
}

fn webhooks(names: &[&str]) -> Webhooks {
    Webhooks { ca_bundles: names.iter().map(|name| ((*name).to_owned(), b"pem".to_vec())).collect() }
}

/// An installation in which all is well.
fn good() -> Facts {
    let schemas = crate::crd::schemas().unwrap();
    Facts {
        now: now(),
        version: VERSION.into(),
        namespace: "kith".into(),
        api: Ok(ApiVersion { major: 1, minor: 36, text: "v1.36.2".into() }),
        rights: vec![Right {
            what: "list pods".into(),
            allowed: Ok(true),
            role: Some("ClusterRole kith-viewer"),
        }],
        leftovers: Ok(vec![]),
        namespaces: Ok(vec![namespace("kith", &[]), namespace("shop", &[("kith.dev/inject", "enabled")])]),
        definitions: schemas.into_iter().map(|(name, schema)| (name, Ok(Some(schema)))).collect(),
        config: Ok(Some("trustDomain: mesh.example\nnamespace: kith\nsvidSeconds: 3600\n".into())),
        deployment: Ok(Some(Deployment { wanted: 1, ready: 1, waiting: vec![] })),
        endpoints: Ok(Some(1)),
        webhooks: vec![
            ("MutatingWebhookConfiguration kith-injector".into(), Ok(Some(webhooks(&["inject.kith.dev"])))),
            (
                "ValidatingWebhookConfiguration kith-validator".into(),
                Ok(Some(webhooks(&["policies.kith.dev", "pods.kith.dev"]))),
            ),
        ],
        webhook_answers: Ok(Ok(())),
        role: Ok(Some(rules())),
        key: Ok(Some(key())),
        status: Ok(status()),
        pods: Ok(vec![member("web-0"), member("web-1")]),
        refused: Ok(vec![]),
        quarantines: Ok(vec![]),
        unmatched: Ok(vec![]),
    }
}

fn key() -> KeySecret {
    KeySecret { name: "kith-key".into(), expected: true, stored: Ok(Stored::Good), readers: Ok(vec![]) }
}

fn refused(message: &str) -> Refused {
    let (namespace, kind, name) = ("shop".into(), "ReplicaSet".into(), "web-5d".into());
    Refused { namespace, kind, name, message: message.into() }
}

/// The outcome of one check, and what it says.
fn found(facts: &Facts, id: &str) -> (Outcome, String) {
    let check =
        CHECKS.iter().find(|check| check.id == id).unwrap_or_else(|| panic!("there is no check {id}"));
    let judgement = (check.judge)(facts);
    let hint = judgement.hint.clone().unwrap_or_default();
    let is_wrong = judgement.outcome >= Outcome::Warning;
    assert_eq!(is_wrong, !judgement.causes.is_empty(), "{id}: what is wrong has a cause");
    assert_eq!(is_wrong, !hint.is_empty(), "{id}: what is wrong has a hint");
    (judgement.outcome, judgement.causes.join("\n"))
}

fn with(change: impl FnOnce(&mut Facts)) -> Facts {
    let mut facts = good();
    change(&mut facts);
    facts
}

fn change_status(change: impl FnOnce(&mut StatusResponse)) -> Facts {
    with(|facts| change(facts.status.as_mut().unwrap()))
}

#[test]
fn where_all_is_well_every_check_says_so() {
    let gone = with(|facts| (facts.pods, facts.namespaces) = (Ok(vec![]), Ok(vec![namespace("shop", &[])])));
    for (facts, stage) in [(good(), Stage::Before), (good(), Stage::After), (gone, Stage::Leaving)] {
        for finding in judge(&facts, stage) {
            assert_eq!(
                finding.judgement.outcome,
                Outcome::Ok,
                "{}: {:?}",
                finding.check.id,
                finding.judgement
            );
        }
    }
}

/// A fact that cannot be had is never good.
#[test]
fn what_cannot_be_seen_is_not_called_good() {
    let no = || "you may not look".to_owned();
    let nothing = with(|facts| {
        facts.rights[0].allowed = Err(no());
        facts.leftovers = Err(no());
        facts.namespaces = Err(no());
        facts.definitions.iter_mut().for_each(|(_, it)| *it = Err(no()));
        facts.config = Err(no());
        facts.deployment = Err(no());
        facts.endpoints = Err(no());
        facts.webhooks.iter_mut().for_each(|(_, it)| *it = Err(no()));
        facts.webhook_answers = Err(no());
        facts.role = Err(no());
        facts.key = Err(no());
        facts.status = Err(no());
        facts.pods = Err(no());
        facts.refused = Err(no());
        facts.quarantines = Err(no());
        facts.unmatched = Err(no());
    });
    for check in CHECKS.iter().filter(|check| !["api-reachable", "api-version"].contains(&check.id)) {
        let (outcome, causes) = found(&nothing, check.id);
        assert_ne!(outcome, Outcome::Ok, "{}", check.id);
        assert!(causes.contains("you may not look"), "{}: {causes}", check.id);
        let is_known = ["control-plane-answers"].contains(&check.id);
        assert_eq!(outcome == Outcome::Error, is_known, "{}: what is not known is no error", check.id);
    }
    let kept = with(|facts| {
        facts.key = Ok(Some(KeySecret { stored: Err(no()), ..key() }));
    });
    for id in ["key-secret", "key-to-come"] {
        let (outcome, causes) = found(&kept, id);
        assert_eq!((outcome, causes.as_str()), (Outcome::Warning, "not checked: you may not look"), "{id}");
    }
}

#[test]
fn without_an_api_server_there_is_one_finding() {
    let away = with(|facts| facts.api = Err("connection refused".into()));
    let findings = judge(&away, Stage::After);
    assert_eq!(findings.len(), 1);
    assert_eq!((findings[0].check.id, findings[0].judgement.outcome), ("api-reachable", Outcome::Error));
}

#[test]
fn where_nothing_is_installed_nothing_is_said_of_what_would_run() {
    let absent = with(|facts| {
        facts.deployment = Ok(None);
        facts.status = Err("Kith is not installed".into());
    });
    let findings = judge(&absent, Stage::After);
    assert!(findings.iter().any(|finding| finding.check.id == "deployment"));
    let categories: BTreeSet<_> = findings.iter().map(|finding| finding.check.category).collect();
    assert_eq!(categories, [Category::Kubernetes, Category::Installed, Category::Namespaces].into());
}

#[test]
fn before_an_installation_nothing_is_asked_of_it() {
    let categories =
        |stage| judge(&good(), stage).iter().map(|it| it.check.category).collect::<BTreeSet<_>>();
    use Category::{Authority, Before, DataPlane, Installed, Kubernetes, Leaving, Namespaces};
    assert_eq!(categories(Stage::Before), [Kubernetes, Before, Namespaces].into());
    assert_eq!(categories(Stage::After), [Kubernetes, Installed, Authority, Namespaces, DataPlane].into());
    assert_eq!(categories(Stage::Leaving), [Kubernetes, Leaving].into());
}

#[test]
fn who_stays_outside_on_purpose_and_who_has_ended_is_not_complained_about() {
    let outside = with(|facts| {
        let base = || Pod { in_mesh: false, sidecar_ready: false, ..member("x") };
        facts.pods = Ok(vec![
            Pod { opted_out: true, ..base() },
            Pod { host_network: true, ..base() },
            Pod { over: true, ..base() },
            Pod { namespace: "elsewhere".into(), ..base() },
            Pod { over: true, sidecar_ready: false, ..member("job") },
            Pod {
                namespace: "kith".into(),
                annotations: [("kith.dev/config".into(), "x".into())].into(),
                ..base()
            },
        ]);
        facts.status.as_mut().unwrap().workloads.clear();
    });
    for id in ["pods-injected", "pods-left", "pod-labels", "sidecars-ready", "sidecars-connected", "versions"]
    {
        assert_eq!(found(&outside, id), (Outcome::Ok, String::new()), "{id}");
    }
}

#[test]
fn of_a_pod_that_is_being_deleted_nothing_is_expected_any_more() {
    let change = |ending: bool| {
        with(|facts| {
            let leaving =
                Pod { ending, sidecar_ready: false, injected: Some("0.0.9".into()), ..member("web-0") };
            let stranger = Pod { ending, ..member("web-2") };
            let bare = Pod { ending, in_mesh: false, ..member("bare-0") };
            facts.pods = Ok(vec![leaving, member("web-1"), stranger, bare]);
            let status = facts.status.as_mut().unwrap();
            (status.workloads[0].connected, status.workloads[0].refusal) = (false, "no such field".into());
        })
    };
    for id in ["pods-injected", "sidecars-ready", "sidecars-connected", "sidecars-current", "versions"] {
        assert_eq!(found(&change(true), id), (Outcome::Ok, String::new()), "{id}");
        assert_ne!(found(&change(false), id).0, Outcome::Ok, "{id}: it is the deletion that excuses it");
    }
}

#[test]
fn a_pod_that_was_gone_when_the_pods_were_listed_is_not_missed() {
    let gone = with(|facts| {
        facts.pods.as_mut().unwrap().remove(0);
        let status = facts.status.as_mut().unwrap();
        (status.workloads[0].connected, status.workloads[0].acknowledged) = (false, None);
    });
    for id in ["sidecars-connected", "sidecars-current"] {
        assert_eq!(found(&gone, id), (Outcome::Ok, String::new()), "{id}");
    }
}

#[test]
fn a_sidecar_has_a_moment_to_connect_before_it_is_missed() {
    let made = |created: SystemTime| {
        with(|facts| {
            let created = Some(created);
            facts.pods = Ok(vec![Pod { created, ..member("web-0") }, Pod { created, ..member("web-2") }]);
            facts.status.as_mut().unwrap().workloads[0].connected = false;
        })
    };
    let lags = |created: SystemTime| {
        let mut facts = made(created);
        let workload = &mut facts.status.as_mut().unwrap().workloads[0];
        (workload.connected, workload.acknowledged) = (true, None);
        facts
    };
    let second = Duration::from_secs(1);
    // A clock that is a little behind the API server's makes pods of the future; one that is far behind excuses nothing.
    for created in [now() - 9 * second, now() + 9 * second] {
        for (facts, id) in [(made(created), "sidecars-connected"), (lags(created), "sidecars-current")] {
            assert_eq!(found(&facts, id), (Outcome::Ok, String::new()), "{id}");
            let of = CHECKS.iter().find(|check| check.id == id).unwrap();
            assert_eq!((of.judge)(&facts).detail.unwrap(), "2 just starting, and not counted yet");
        }
    }
    for created in [now() - 10 * second, now() + 10 * second] {
        let (outcome, causes) = found(&made(created), "sidecars-connected");
        assert_eq!(outcome, Outcome::Error);
        assert!(
            causes.contains("web-0 is not connected") && causes.contains("web-2 has a sidecar"),
            "{causes}"
        );
        assert_eq!(found(&lags(created), "sidecars-current").0, Outcome::Warning);
    }
}

#[test]
fn of_thousands_of_pods_a_few_are_named() {
    let many = with(|facts| {
        let unready = |number| Pod { sidecar_ready: false, ..member(&format!("web-{number}")) };
        facts.pods = Ok((0..1_000).map(unready).collect());
    });
    let (_, causes) = found(&many, "sidecars-ready");
    assert_eq!(causes.lines().count(), 11, "{causes}");
    assert!(causes.ends_with("and 990 more"), "{causes}");
}

#[test]
fn a_stored_schema_may_lack_what_the_api_server_leaves_out() {
    let stored = with(|facts| {
        let schema = facts.definitions[0].1.as_mut().unwrap().as_mut().unwrap();
        schema["allOf"] = json!([]);
        schema["default"] = json!(null);
    });
    assert_eq!(found(&stored, "definitions").0, Outcome::Ok);
}

#[test]
fn every_check_has_a_section_of_its_name_and_the_page_has_no_other() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/checks.md");
    let page = std::fs::read_to_string(path).unwrap();
    let sections: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let checks: Vec<_> = CHECKS.iter().map(|check| check.id).collect();
    assert_eq!(sections, checks, "docs/checks.md has one section for each check, in their order");
    let categories: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let mut named: Vec<_> = CHECKS.iter().map(|check| check.category.name()).collect();
    named.dedup();
    assert_eq!(categories, named);
}
