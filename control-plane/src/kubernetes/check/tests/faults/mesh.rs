//! Faults in what runs: namespaces, their pods and their sidecars.

use super::*;

fn label(key: &str, value: &str) -> Vec<Namespace> {
    vec![namespace("shop", &[("kith.dev/inject", "enabled"), (key, value)])]
}

pub(super) fn in_namespaces() -> Vec<Fault> {
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
            "namespace-labels",
            Error,
            "did you mean the label kith.dev/inject?",
            with(|it| it.namespaces = Ok(vec![namespace("shop", &[("kith.dev/injct", "enabled")])])),
        ),
        (
            "observe-end",
            Warning,
            "2027-01-14T00:00:00Z",
            with(|it| it.namespaces = Ok(observe("2027-01-14T00:00:00Z"))),
        ),
    ]
}

pub(super) fn in_pod_security() -> Vec<Fault> {
    vec![
        (
            "pod-security",
            Error,
            "enforce=baseline, which forbids NET_ADMIN to the redirect step: no pod starts there",
            with(|it| {
                it.namespaces = Ok(label("pod-security.kubernetes.io/enforce", "baseline"));
                it.pods = Ok(vec![]);
            }),
        ),
        (
            "pod-security",
            Warning,
            "if the API server does not exempt it",
            with(|it| it.namespaces = Ok(label("pod-security.kubernetes.io/enforce", "restricted"))),
        ),
        (
            "pod-security",
            Warning,
            "audit=restricted and no pod-security.kubernetes.io/enforce",
            with(|it| it.namespaces = Ok(label("pod-security.kubernetes.io/audit", "restricted"))),
        ),
    ]
}

pub(super) fn in_pods() -> Vec<Fault> {
    vec![
        (
            "pods-injected",
            Warning,
            "shop/web-0 has no sidecar",
            with(|it| it.pods.as_mut().unwrap()[0].in_mesh = false),
        ),
        (
            "pods-left",
            Warning,
            "shop/web-0 has a sidecar, and its namespace has no label",
            with(|it| it.namespaces = Ok(vec![namespace("shop", &[])])),
        ),
        (
            "pods-refused",
            Error,
            "ReplicaSet shop/web-5d: exceeded quota",
            with(|it| it.refused = Ok(vec![refused("exceeded quota")])),
        ),
        (
            "pod-labels",
            Warning,
            "shop/web-0: metadata.annotations[kith.dev/inject] is a label, not an annotation",
            with(|it| {
                let pod = &mut it.pods.as_mut().unwrap()[0];
                pod.annotations.insert("kith.dev/inject".into(), "disabled".into());
            }),
        ),
        (
            "pod-labels",
            Warning,
            "elsewhere/web-0 has the label kith.dev/inject=enabled, which alone does nothing",
            with(|it| {
                let pod = &mut it.pods.as_mut().unwrap()[0];
                (pod.namespace, pod.in_mesh) = ("elsewhere".into(), false);
                pod.labels.insert("kith.dev/inject".into(), "enabled".into());
            }),
        ),
    ]
}

pub(super) fn in_the_data_plane() -> Vec<Fault> {
    vec![
        (
            "unmatched",
            Warning,
            "the policy shop/x: app=ordrs",
            with(|it| it.unmatched = Ok(vec!["the policy shop/x: app=ordrs selects no pod".into()])),
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

pub(super) fn before_the_end() -> Vec<Fault> {
    vec![
        ("labelled-namespaces", Error, "shop is labelled", good()),
        ("members", Error, "shop/web-0 has a sidecar", good()),
    ]
}
