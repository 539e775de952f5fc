//! Pods whose sidecar could not find the control plane.

use super::*;

const SHORT: &str = "kith-control-plane.kith.svc:7450";

fn ask(spec: &Value, control_plane: &str) -> Result<Injection, Refusal> {
    let mut pod = pod();
    for (field, value) in spec.as_object().unwrap() {
        pod["spec"][field] = value.clone();
    }
    let settings = Settings { control_plane: control_plane.to_owned(), ..settings() };
    inject(&pod, &namespace(Membership::Enabled), &settings, nonce())
}

#[test]
fn a_pod_that_does_not_search_the_clusters_domains_is_refused_with_what_to_write() {
    let with_config = |config: Value| json!({"dnsPolicy": "None", "dnsConfig": config});
    for spec in [
        json!({"dnsPolicy": "Default"}),
        json!({"dnsPolicy": "Default", "dnsConfig": {"searches": ["cluster.local"]}}),
        json!({"dnsPolicy": "Sometimes"}),
        json!({"dnsPolicy": "None"}),
        with_config(json!({"nameservers": ["10.96.0.10"]})),
        with_config(json!({"nameservers": ["10.96.0.10"], "searches": []})),
        with_config(json!({"nameservers": ["10.96.0.10"], "searches": ["."]})),
    ] {
        let refusal = ask(&spec, SHORT).expect_err(&spec.to_string()).to_string();
        assert!(refusal.starts_with(&format!("spec.dnsPolicy is {}: ", spec["dnsPolicy"])), "{refusal}");
        for part in [SHORT, "write ClusterFirst, or None", "dnsConfig.nameservers", "dnsConfig.searches"] {
            assert!(refusal.contains(part), "{part}: {refusal}");
        }
        // What needs no search is found all the same.
        for whole in ["kith-control-plane.kith.svc.cluster.local.:7450", "10.96.0.7:7450", "[fd00::7]:7450"] {
            assert!(matches!(ask(&spec, whole), Ok(Injection::Patch(_))), "{whole} {spec}");
        }
    }
    ask(&json!({"dnsPolicy": 1}), SHORT).unwrap_err();
    ask(&with_config(json!({"searches": "cluster.local"})), SHORT).unwrap_err();
}

#[test]
fn a_pod_that_searches_them_is_let_through() {
    for spec in [
        json!({}),
        json!({"dnsPolicy": "ClusterFirst"}),
        json!({"dnsPolicy": "ClusterFirst", "dnsConfig": {"options": [{"name": "ndots", "value": "2"}]}}),
        json!({"dnsPolicy": "ClusterFirstWithHostNet"}),
        json!({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["10.96.0.10"], "searches": ["cluster.local"]}}),
    ] {
        assert!(matches!(ask(&spec, SHORT), Ok(Injection::Patch(_))), "{spec}");
    }
}
