//! One fault at a time: which check finds it, how bad it is, and what is said of it.

use super::*;
use crate::kubernetes::check::Outcome::{Error, Warning};

/// A check, the outcome and a part of the cause that it is to say, and the facts.
type Fault = (&'static str, Outcome, &'static str, Facts);

fn in_the_cluster() -> Vec<Fault> {
    vec![
        (
            "api-version",
            Error,
            "v1.30.4",
            with(|it| it.api = Ok(ApiVersion { major: 1, minor: 30, text: "v1.30.4".into() })),
        ),
        ("your-rights", Warning, "you may not list pods", with(|it| it.rights[0].allowed = Ok(false))),
        (
            "no-leftovers",
            Error,
            "ClusterRole x is there",
            with(|it| it.leftovers = Ok(vec!["ClusterRole x".into()])),
        ),
        (
            "own-namespace",
            Error,
            "kith.dev/inject=enabled",
            with(|it| {
                it.namespaces = Ok(vec![namespace("kith", &[("kith.dev/inject", "enabled")])]);
            }),
        ),
        (
            "own-namespace",
            Error,
            "enforce=strict",
            with(|it| {
                it.namespaces =
                    Ok(vec![namespace("kith", &[("pod-security.kubernetes.io/enforce", "strict")])]);
            }),
        ),
    ]
}

fn in_an_installation() -> Vec<Fault> {
    vec![
        (
            "definitions",
            Error,
            "quarantines.kith.dev is that of another version",
            with(|it| {
                it.definitions[1].1 = Ok(Some(json!({ "type": "object" })));
            }),
        ),
        (
            "definitions",
            Error,
            "authorizationpolicies.kith.dev is missing",
            with(|it| it.definitions[0].1 = Ok(None)),
        ),
        ("configuration", Error, "kith-config is missing", with(|it| it.config = Ok(None))),
        ("configuration", Error, "not readable", with(|it| it.config = Ok(Some("trustDomain: [".into())))),
        (
            "configuration",
            Error,
            "is for the namespace mesh",
            with(|it| {
                it.config = Ok(Some("trustDomain: mesh.example\nnamespace: mesh\n".into()));
            }),
        ),
        (
            "deployment",
            Error,
            "ImagePullBackOff",
            with(|it| {
                let waiting = vec!["the pod x is ImagePullBackOff".into()];
                it.deployment = Ok(Some(Deployment { wanted: 1, ready: 0, waiting }));
            }),
        ),
        ("deployment", Error, "there is no Deployment", with(|it| it.deployment = Ok(None))),
        ("service", Error, "no ready endpoint", with(|it| it.endpoints = Ok(Some(0)))),
        ("service", Error, "is missing", with(|it| it.endpoints = Ok(None))),
        ("webhooks", Error, "kith-injector is missing", with(|it| it.webhooks[0].1 = Ok(None))),
        (
            "webhooks",
            Error,
            "no certificate yet",
            with(|it| {
                it.webhooks[0].1 =
                    Ok(Some(Webhooks { ca_bundles: [("inject.kith.dev".into(), vec![])].into() }));
            }),
        ),
        (
            "webhooks",
            Error,
            "the same certificate",
            with(|it| {
                it.webhooks[0].1 =
                    Ok(Some(Webhooks { ca_bundles: [("inject.kith.dev".into(), b"old".to_vec())].into() }));
            }),
        ),
        (
            "webhook-answers",
            Error,
            "x509",
            with(|it| it.webhook_answers = Ok(Err("x509: unknown authority".into()))),
        ),
        (
            "own-rights",
            Error,
            "it may not get pods",
            with(|it| drop(it.role.as_mut().unwrap().as_mut().unwrap().remove(0))),
        ),
        ("own-rights", Error, "is missing", with(|it| it.role = Ok(None))),
    ]
}

fn in_the_authority() -> Vec<Fault> {
    vec![
        ("control-plane-answers", Error, "no pod", with(|it| it.status = Err("it has no pod".into()))),
        (
            "root",
            Warning,
            "it ends in 59 days",
            change_status(|it| it.root_not_after_ms = now_ms() + 59 * DAY + 1),
        ),
        ("root", Error, "it ended 1 day ago", change_status(|it| it.root_not_after_ms = now_ms() - DAY - 1)),
        (
            "issuing",
            Warning,
            "it ends in 1 day",
            change_status(|it| it.issuing_not_after_ms = now_ms() + DAY + 1),
        ),
        (
            "issuing",
            Error,
            "it ended 2 hours ago",
            change_status(|it| it.issuing_not_after_ms = now_ms() - DAY / 12),
        ),
        ("key-secret", Warning, "made anew at every start", with(|it| it.key = Ok(None))),
        (
            "key-secret",
            Error,
            "kith-key is missing",
            with(|it| it.key.as_mut().unwrap().as_mut().unwrap().exists = Ok(false)),
        ),
        (
            "key-secret",
            Error,
            "every service account may read",
            with(|it| {
                it.key.as_mut().unwrap().as_mut().unwrap().readers = Ok(vec!["every service account".into()]);
            }),
        ),
        (
            "trial",
            Warning,
            "dev: true",
            with(|it| {
                it.config = Ok(Some("trustDomain: mesh.example\nnamespace: kith\ndev: true\n".into()));
            }),
        ),
    ]
}

fn in_namespaces() -> Vec<Fault> {
    let label =
        |key: &str, value: &str| vec![namespace("shop", &[("kith.dev/inject", "enabled"), (key, value)])];
    let observe = |until: &str| {
        let annotations = [("config.kith.dev/observe-until".to_owned(), until.to_owned())].into();
        let labelled = label("kith.dev/posture", "Observe").remove(0);
        vec![Namespace { annotations, ..labelled }]
    };
    vec![
        (
            "namespace-labels",
            Error,
            "enforced",
            with(|it| it.namespaces = Ok(label("kith.dev/posture", "enforced"))),
        ),
        (
            "namespace-labels",
            Error,
            "Observe needs",
            with(|it| it.namespaces = Ok(label("kith.dev/posture", "Observe"))),
        ),
        (
            "namespace-labels",
            Error,
            "yes",
            with(|it| it.namespaces = Ok(vec![namespace("shop", &[("kith.dev/inject", "yes")])])),
        ),
        (
            "pod-security",
            Warning,
            "enforce=baseline",
            with(|it| {
                it.namespaces = Ok(label("pod-security.kubernetes.io/enforce", "baseline"));
            }),
        ),
        (
            "observe-end",
            Warning,
            "2027-01-14T00:00:00Z",
            with(|it| it.namespaces = Ok(observe("2027-01-14T00:00:00Z"))),
        ),
    ]
}

fn in_the_data_plane() -> Vec<Fault> {
    vec![
        (
            "pods-injected",
            Warning,
            "shop/web-0 started before",
            with(|it| it.pods.as_mut().unwrap()[0].in_mesh = false),
        ),
        (
            "sidecars-ready",
            Error,
            "shop/web-1",
            with(|it| it.pods.as_mut().unwrap()[1].sidecar_ready = false),
        ),
        (
            "sidecars-connected",
            Error,
            "shop/web-0 is not connected",
            change_status(|it| it.workloads[0].connected = false),
        ),
        ("sidecars-connected", Error, "does not know it", change_status(|it| drop(it.workloads.remove(1)))),
        (
            "sidecars-current",
            Warning,
            "shop/web-0 has not acknowledged",
            change_status(|it| it.workloads[0].acknowledged = None),
        ),
        (
            "sidecars-current",
            Error,
            "unknown field",
            change_status(|it| it.workloads[0].refusal = "unknown field".into()),
        ),
        (
            "policies",
            Error,
            "shop/callers (generation 3): spec",
            change_status(|it| {
                let (name, error) = ("shop/callers".into(), "spec.rulez: unknown field".into());
                it.refused_policies = vec![RefusedPolicy { name, generation: 3, error }];
            }),
        ),
        ("versions", Warning, "the control plane is 0.2.0", change_status(|it| it.version = "0.2.0".into())),
        (
            "versions",
            Warning,
            "version 0.0.9",
            with(|it| it.pods.as_mut().unwrap()[0].injected = Some("0.0.9".into())),
        ),
    ]
}

#[test]
fn what_is_wrong_is_found_by_the_check_that_is_about_it() {
    let groups =
        [in_the_cluster(), in_an_installation(), in_the_authority(), in_namespaces(), in_the_data_plane()];
    let table = groups.concat();
    let mut tried = BTreeSet::new();
    for (id, outcome, cause, facts) in &table {
        tried.insert(*id);
        let (got, causes) = found(facts, id);
        assert_eq!(got, *outcome, "{id}: {causes}");
        assert!(causes.contains(cause), "{id}: {causes:?} does not say {cause:?}");
    }
    let all: BTreeSet<_> = CHECKS.iter().map(|check| check.id).filter(|id| *id != "api-reachable").collect();
    assert_eq!(tried, all, "every check can fail");
}
