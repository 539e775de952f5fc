//! One fault at a time: which check finds it, how bad it is, and what is said of it.

mod mesh;

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
        (
            "your-rights",
            Warning,
            "you may not list pods; the ClusterRole kith-viewer grants it",
            with(|it| it.rights[0].allowed = Ok(false)),
        ),
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

fn in_the_key() -> Vec<Fault> {
    let stored = |stored: Stored| with(|it| it.key = Ok(Some(KeySecret { stored: Ok(stored), ..key() })));
    let wrong = || Stored::Wrong("its entry key: 31 bytes are not a key".into());
    let read_by = || {
        let readers = Ok(vec!["every service account".into()]);
        with(|it| it.key = Ok(Some(KeySecret { readers, ..key() })))
    };
    vec![
        ("key-to-come", Error, "there is no Secret kith-key", stored(Stored::Missing)),
        ("key-to-come", Error, "31 bytes", stored(wrong())),
        ("key-to-come", Error, "every service account may read", read_by()),
        ("key-secret", Warning, "made anew at every start", with(|it| it.key = Ok(None))),
        ("key-secret", Error, "kith-key is missing", stored(Stored::Missing)),
        ("key-secret", Error, "31 bytes", stored(wrong())),
        ("key-secret", Error, "every service account may read", read_by()),
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

#[test]
fn what_is_wrong_is_found_by_the_check_that_is_about_it() {
    let groups = [
        in_the_cluster(),
        in_the_key(),
        in_an_installation(),
        in_the_authority(),
        mesh::in_namespaces(),
        mesh::in_pod_security(),
        mesh::in_pods(),
        mesh::in_the_data_plane(),
        mesh::before_the_end(),
    ];
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
