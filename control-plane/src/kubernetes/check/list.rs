//! Every check, in the order in which they are made, and in which `docs/checks.md` has its sections: what may be the cause
//! of something comes before it.

use super::Category::{Authority, Before, DataPlane, Installed, Kubernetes, Leaving, Namespaces};
use super::facts::Facts;
use super::{
    Category, Check, Judgement, authority, data_plane, installed, key, kubernetes, leaving, namespaces, pods,
};

/// All checks of all stages.
pub const CHECKS: &[Check] = &[
    check("api-reachable", Kubernetes, "the API server answers", kubernetes::reachable),
    check("api-version", Kubernetes, "Kubernetes is 1.31 or newer", kubernetes::version),
    check("your-rights", Kubernetes, "you may do what this needs", kubernetes::rights),
    check("no-leftovers", Before, "nothing is left of another installation", kubernetes::leftovers),
    check("own-namespace", Before, "the control plane may run in its namespace", kubernetes::own_namespace),
    check(
        "key-to-come",
        Before,
        "the key of the authority's file is one, if it is there already",
        key::to_come,
    ),
    check(
        "definitions",
        Installed,
        "the resource definitions are those of this version",
        installed::definitions,
    ),
    check("configuration", Installed, "the configuration is there and readable", installed::configuration),
    check("key-secret", Installed, "the key of the authority's file is one, and is kept", key::kept),
    check("deployment", Installed, "the control plane is ready", installed::deployment)
        .after(&["configuration", "key-secret"]),
    check("service", Installed, "its service leads to it", installed::service).after(&["deployment"]),
    check("webhooks", Installed, "the webhooks are there, with one certificate", installed::webhooks)
        .after(&["deployment"]),
    check("webhook-answers", Installed, "the API server reaches the webhooks", installed::webhook_answers)
        .after(&["deployment", "service", "webhooks"]),
    check(
        "own-rights",
        Installed,
        "the control plane may do what it needs, and no more",
        installed::own_rights,
    ),
    check("control-plane-answers", Authority, "the control plane answers people", authority::answers)
        .after(&["deployment"]),
    check("root", Authority, "the root certificate holds for long enough", authority::root)
        .after(&["control-plane-answers"]),
    check("issuing", Authority, "the issuing authority is renewed in time", authority::issuing)
        .after(&["control-plane-answers"]),
    check("trial", Authority, "this is no trial installation", authority::trial).after(&["configuration"]),
    check(
        "namespace-labels",
        Namespaces,
        "labels and annotations of namespaces mean something",
        namespaces::labels,
    ),
    check(
        "pod-security",
        Namespaces,
        "Pod Security lets pods redirect their traffic",
        namespaces::pod_security,
    ),
    check("observe-end", Namespaces, "posture Observe has not ended", namespaces::observe_end),
    check("pods-injected", DataPlane, "pods of labelled namespaces have a sidecar", pods::injected),
    check("pods-left", DataPlane, "pods with a sidecar are in labelled namespaces", pods::left),
    check("pods-refused", DataPlane, "no pod that is meant for the mesh is refused", pods::refused),
    check("pod-labels", DataPlane, "labels and annotations of pods mean something", pods::labels),
    check("sidecars-ready", DataPlane, "sidecars are ready", pods::ready),
    check(
        "sidecars-connected",
        DataPlane,
        "sidecars are connected to the control plane",
        data_plane::connected,
    )
    .after(&["control-plane-answers"]),
    check("sidecars-current", DataPlane, "sidecars have the newest policies", data_plane::current)
        .after(&["control-plane-answers"]),
    check("policies", DataPlane, "every stored policy is in force", data_plane::policies)
        .after(&["control-plane-answers"]),
    check("unmatched", DataPlane, "policies and quarantines mean somebody", data_plane::unmatched)
        .after(&["configuration"]),
    check("versions", DataPlane, "all parts have one version", data_plane::versions)
        .after(&["control-plane-answers"]),
    check("labelled-namespaces", Leaving, "no namespace is labelled for a sidecar", leaving::namespaces),
    check("members", Leaving, "no pod has a sidecar", leaving::members),
];

const fn check(
    id: &'static str,
    category: Category,
    title: &'static str,
    judge: fn(&Facts) -> Judgement,
) -> Check {
    Check { id, category, title, judge, after: &[] }
}

impl Check {
    const fn after(self, after: &'static [&'static str]) -> Self {
        Self { after, ..self }
    }
}
