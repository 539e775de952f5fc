//! Quarantines: who is meant, and that a mistake beside the target sets nobody free.

use kith_identity::TrustDomain;
use serde_json::{Value, json};

use super::{MAX_REASON_BYTES, QuarantineTarget, parse, target_of};
use crate::document::Name;
use crate::tests::support::{identity, own};

fn object(spec: &Value) -> Value {
    json!({
        "apiVersion": "kith.dev/v1alpha1",
        "kind": "Quarantine",
        "metadata": { "name": "leaked", "generation": 2, "uid": "x" },
        "spec": spec,
        "status": {},
    })
}

fn target(spec: &Value) -> QuarantineTarget {
    let quarantine = parse(&own(), &object(spec)).unwrap_or_else(|error| panic!("{spec}: {error}"));
    assert_eq!(target_of(&own(), &object(spec)), Some(quarantine.target.clone()));
    quarantine.target
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

#[test]
fn a_quarantine_names_an_identity_a_service_account_a_pod_or_a_node() {
    let web = json!({ "namespace": "demo", "name": "web" });
    let (namespace, web_name) = (name("demo"), name("web"));
    let rows = [
        (
            json!({ "identity": "spiffe://demo.local/ns/demo/sa/web" }),
            QuarantineTarget::Identity(identity("web")),
            "spiffe://demo.local/ns/demo/sa/web",
        ),
        (
            json!({ "serviceAccount": web }),
            QuarantineTarget::ServiceAccount { namespace: namespace.clone(), name: web_name.clone() },
            "ServiceAccount demo/web",
        ),
        (json!({ "pod": web }), QuarantineTarget::Pod { namespace, name: web_name }, "Pod demo/web"),
        (
            json!({ "node": "worker-1.example" }),
            QuarantineTarget::Node(name("worker-1.example")),
            "Node worker-1.example",
        ),
    ];
    for (spec, wanted, shown) in rows {
        assert_eq!((&target(&spec), wanted.to_string().as_str()), (&wanted, shown));
    }
}

#[test]
fn a_quarantine_keeps_its_name_its_reason_and_where_it_was_written() {
    let spec = json!({ "node": "n", "reason": "leaked key" });
    let quarantine = parse(&own(), &object(&spec)).unwrap();
    assert_eq!((quarantine.name.as_str(), &*quarantine.reason), ("leaked", "leaked key"));
    assert_eq!(quarantine.origin.to_string(), "quarantines/leaked (generation 2)");
}

#[test]
fn a_quarantine_of_nobody_of_several_or_of_the_control_plane_is_refused() {
    let reserved = "is the control plane's own identity";
    let rows = [
        (json!({}), "spec: a quarantine has exactly one of identity, serviceAccount, pod, node"),
        (json!({ "reason": "x" }), "spec: a quarantine has exactly one of"),
        (
            json!({ "node": "n", "pod": { "namespace": "a", "name": "b" } }),
            "spec: a quarantine has exactly one of",
        ),
        (json!({ "identity": "demo/web" }), "spec.identity: \"demo/web\" is no SPIFFE ID"),
        (
            json!({ "identity": "spiffe://demo.local" }),
            "spec.identity: spiffe://demo.local is a trust domain and no workload",
        ),
        (
            json!({ "identity": "spiffe://far.example/ns/a/sa/b" }),
            "spec.identity: spiffe://far.example/ns/a/sa/b is not of the trust domain demo.local",
        ),
        (json!({ "identity": "spiffe://demo.local/ns/kith/sa/kith-control-plane" }), reserved),
        (json!({ "serviceAccount": { "namespace": "kith", "name": "kith-control-plane" } }), reserved),
        (json!({ "serviceAccount": { "namespace": "demo" } }), "spec.serviceAccount: name is missing"),
        (
            json!({ "serviceAccount": { "namespace": "demo", "name": "*" } }),
            "spec.serviceAccount.name: \"*\" is not a name",
        ),
        (
            json!({ "pod": { "namespace": "Demo", "name": "web" } }),
            "spec.pod.namespace: \"Demo\" is not a name",
        ),
        (json!({ "pod": "web" }), "spec.pod: wanted a map of fields here, not \"web\""),
        (json!({ "node": "" }), "spec.node: \"\" is not a name"),
        (json!({ "node": null }), "spec.node: node has no value"),
    ];
    for (spec, expected) in rows {
        let error = parse(&own(), &object(&spec)).unwrap_err().to_string();
        assert!(error.contains(expected), "{spec}: {error}");
        assert_eq!(target_of(&own(), &object(&spec)), None, "{spec}");
    }
    let other = TrustDomain::parse("other.example").unwrap();
    assert!(parse(&other, &object(&json!({ "identity": "spiffe://demo.local/ns/a/sa/b" }))).is_err());
}

#[test]
fn a_stored_quarantine_that_is_wrong_beside_its_target_is_refused_and_still_cuts_off() {
    let rows = [
        (
            json!({ "node": "n", "reson": "x" }),
            "spec.reson: unknown field \"reson\"; did you mean \"reason\"?",
        ),
        (json!({ "node": "n", "until": "2030-01-01" }), "spec.until: unknown field"),
        (json!({ "node": "n", "reason": "a\nb" }), "spec.reason: the reason has a control character in it"),
        (
            json!({ "node": "n", "reason": "x".repeat(MAX_REASON_BYTES + 1) }),
            "spec.reason: the reason has 257 bytes",
        ),
        (json!({ "node": "n", "reason": ["x"] }), "spec.reason: "),
        (json!({ "node": "n", "pod": null }), "spec.pod: pod has no value"),
    ];
    for (spec, expected) in rows {
        let error = parse(&own(), &object(&spec)).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{spec}: {error}");
        assert_eq!(target_of(&own(), &object(&spec)), Some(QuarantineTarget::Node(name("n"))), "{spec}");
    }
    // A target that is wrong itself could be anybody's.
    let unreadable = json!({ "pod": { "namespace": "demo", "name": "web", "uid": "x" } });
    assert_eq!(target_of(&own(), &object(&unreadable)), None);
    assert_eq!(target_of(&own(), &json!([])), None);
}
