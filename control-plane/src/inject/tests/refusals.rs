//! What a pod must not be, a row for each.

use super::*;

/// One more than is kept of a workload.
fn many_labels() -> Value {
    (0..65).map(|number| (format!("label-{number}"), json!("x"))).collect::<serde_json::Map<_, _>>().into()
}

#[test]
fn a_pod_that_could_leave_the_redirect_or_reach_the_key_is_refused_with_the_field() {
    let user = json!({"runAsUser": 7440});
    for (id, pointer, value, field) in [
        ("K2", "/spec/hostNetwork", json!(true), "spec.hostNetwork is true"),
        ("K5", "/spec/securityContext", user.clone(), "spec.securityContext.runAsUser is 7440"),
        (
            "K5",
            "/spec/containers/1/securityContext",
            user.clone(),
            "spec.containers[1].securityContext.runAsUser is 7440",
        ),
        (
            "K5",
            "/spec/initContainers/0/securityContext",
            user,
            "spec.initContainers[0].securityContext.runAsUser",
        ),
        ("K7", "/spec/shareProcessNamespace", json!(true), "spec.shareProcessNamespace is true"),
        ("K7", "/spec/hostPID", json!(true), "spec.hostPID is true"),
        (
            "K10",
            "/spec/containers/0/securityContext/privileged",
            json!(true),
            "securityContext.privileged is true",
        ),
        (
            "names",
            "/spec/containers/0/name",
            json!("kith-sidecar"),
            "spec.containers[0].name is \"kith-sidecar\"",
        ),
        ("names", "/spec/initContainers/0/name", json!("kith-redirect"), "spec.initContainers[0].name"),
        ("names", "/spec/initContainers/0/name", json!("kith-sidecar"), "spec.initContainers[0].name"),
        ("names", "/spec/containers/0/name", json!("../x"), "spec.containers[0].name"),
        ("names", "/spec/containers/0/name", Value::Null, "spec.containers[0].name"),
        ("volumes", "/spec/volumes/0/name", json!("kith-identity"), "spec.volumes[0].name"),
        ("volumes", "/spec/volumes/0/name", json!("kith-nothing"), "spec.volumes[0].name"),
        (
            "mounts",
            "/spec/containers/0/volumeMounts",
            json!([{"name": "kith-identity", "mountPath": "/k"}]),
            "spec.containers[0].volumeMounts[0].name",
        ),
        (
            "audience",
            "/spec/volumes/0",
            json!({"name": "t", "projected": {"sources": [{"serviceAccountToken": {"audience": "kith.dev/ca"}}]}}),
            "spec.volumes[0].projected.sources[0].serviceAccountToken.audience is \"kith.dev/ca\"",
        ),
        ("ports", "/spec/containers/0/ports/0/containerPort", json!(7441), "ports[0].containerPort is 7441"),
        ("ports", "/spec/containers/0/ports/0/containerPort", json!(7442), "ports[0].containerPort is 7442"),
        ("ports", "/spec/containers/0/ports/0/containerPort", json!(7447), "ports[0].containerPort is 7447"),
        ("Windows", "/spec/os", json!({"name": "windows"}), "spec.os.name is \"windows\""),
        (
            "Windows",
            "/spec/nodeSelector",
            json!({"kubernetes.io/os": "windows"}),
            "spec.nodeSelector[kubernetes.io/os]",
        ),
        (
            "label",
            "/metadata/labels/kith.dev~1inject",
            json!("off"),
            "metadata.labels[kith.dev/inject] is \"off\"",
        ),
        ("labels", "/metadata/labels", many_labels(), "the pod has more labels than 64"),
        ("empty", "/spec/containers", json!([]), "spec.containers is []"),
        ("empty", "/spec", Value::Null, "spec is null"),
    ] {
        let text = refused(&with(pointer, value)).to_string();
        assert!(text.contains(field), "{id} {pointer}: {text}");
        assert!(text.split_once(": ").unwrap().1.len() > 10, "what is to be done: {text}");
    }
}

#[test]
fn a_capability_that_undoes_the_redirect_is_refused_however_it_is_written() {
    // K10
    for name in ["NET_ADMIN", "CAP_NET_ADMIN", "net_raw", "SYS_ADMIN", "cap_sys_ptrace", "all", "ALL", "BPF"]
    {
        let context = json!({"capabilities": {"add": ["CHOWN", name]}});
        for place in ["/spec/containers/1/securityContext", "/spec/initContainers/0/securityContext"] {
            let refusal = refused(&with(place, context.clone()));
            assert!(refusal.to_string().contains("securityContext.capabilities.add[1] is "), "{refusal}");
        }
    }
    member(&with(
        "/spec/containers/0/securityContext",
        json!({"capabilities": {"add": ["NET_BIND_SERVICE"]}}),
    ));
}

#[test]
fn what_does_no_harm_is_let_through() {
    for (name, pointer, value) in [
        ("K3 traffic to it passes the redirect", "/spec/containers/0/ports/0/hostPort", json!(80)),
        (
            "UDP does not meet the sidecar's ports",
            "/spec/containers/0/ports/0",
            json!({"containerPort": 7441, "protocol": "UDP"}),
        ),
        (
            "another user",
            "/spec/securityContext",
            json!({"runAsUser": 7439, "fsGroup": 7440, "runAsNonRoot": true}),
        ),
        ("said explicitly", "/spec/hostNetwork", json!(false)),
        ("said explicitly", "/metadata/labels/kith.dev~1inject", json!("enabled")),
        (
            "somebody else's",
            "/metadata/annotations",
            json!({"config.linkerd.io/x": "y", "xconfig.kith.dev/z": ""}),
        ),
    ] {
        let found = inject(&with(pointer, value), &namespace(Membership::Required), &settings(), nonce());
        assert!(matches!(found, Ok(Injection::Patch(_))), "{name}: {found:?}");
    }
}

#[test]
fn a_value_of_the_wrong_shape_is_refused_and_never_taken_for_absent() {
    for (pointer, value) in [
        ("/spec/hostNetwork", json!("true")),
        ("/spec/hostPID", json!(1)),
        ("/spec/securityContext/runAsUser", json!("7440")),
        ("/spec/securityContext/runAsUser", json!(7440.0)),
        ("/spec/containers", json!({"name": "app"})),
        ("/spec/initContainers", json!("none")),
        ("/spec/volumes", json!({})),
        ("/spec", json!([])),
        ("/metadata", json!("web")),
        ("/metadata/annotations", json!(["a"])),
        ("/metadata/annotations", json!({"config.kith.dev/log-level": 1})),
        ("/metadata/annotations", json!({"config.kith.dev/log-level": null})),
        ("/spec/containers/0/securityContext/capabilities/add", json!("NET_ADMIN")),
        ("/spec/containers/0/livenessProbe", json!("ready?")),
    ] {
        refused(&with(pointer, value));
    }
    for nothing in [Value::Null, json!(1), json!([]), json!("pod"), json!({})] {
        refused(&nothing);
    }
}

#[test]
fn who_may_stay_outside_does_and_where_members_are_required_nobody_may() {
    // K1
    let outside = with("/metadata/labels/kith.dev~1inject", json!("disabled"));
    let mirror = with("/metadata/annotations", json!({"kubernetes.io/config.mirror": "x"}));
    for (pod, why) in [(&outside, Untouched::OptedOut), (&mirror, Untouched::Mirror)] {
        let ask = |membership| inject(pod, &namespace(membership), &settings(), nonce());
        assert_eq!(ask(Membership::Enabled), Ok(Injection::Nothing(why)));
        let refusal = ask(Membership::Required).unwrap_err().to_string();
        assert!(refusal.contains("the namespace shop requires"), "{refusal}");
        assert!(check_pod(pod, &namespace(Membership::Required), &settings()).is_err());
    }
    // What would keep a member out keeps nobody out who is none.
    let mut host = outside.clone();
    put(&mut host, "/spec/hostNetwork", json!(true));
    assert!(matches!(
        inject(&host, &namespace(Membership::Enabled), &settings(), nonce()),
        Ok(Injection::Nothing(_))
    ));
    // By this container the mesh knows its members.
    let mut forged = outside;
    put(&mut forged, "/spec/initContainers/0/name", json!("kith-sidecar"));
    refused(&forged);
    let found = inject(&pod(), &namespace(Membership::Off), &settings(), nonce());
    assert_eq!(found, Ok(Injection::Nothing(Untouched::NotLabelled)));
}

#[test]
fn annotations_are_understood_or_refused() {
    // K8
    let long = "1,".repeat(128 * 1024);
    for (name, value, named) in [
        ("skip-inbound-ports", "--flag", "\"--flag\" is not a port"),
        ("skip-inbound-ports", "9000\n9001", "is not a port"),
        ("skip-inbound-ports", "{{ .Values.x }}", "is not a port"),
        ("skip-inbound-ports", "$(KITH_LOG)", "is not a port"),
        ("skip-inbound-ports", "", "is not a port"),
        ("skip-inbound-ports", &long, "more than 64 ranges"),
        ("skip-outbound-ports", "http", "is not a port"),
        ("cpu-request", "-1", "no amount"),
        ("cpu-limit", "lots", "no amount"),
        ("cpu-limit", "0", "limit is 0"),
        ("memory-request", "1Ti", "above the limit"),
        ("memory-limit", "$(X)", "no amount"),
        ("log-level", "loud", "log level"),
        ("log-level", "info\nKITH_X=1", "log level"),
        ("log-level", "$(KITH_PROBES)", "log level"),
        ("skip-inbound-port", "9000", "did you mean config.kith.dev/skip-inbound-ports?"),
        ("loglevel", "info", "did you mean config.kith.dev/log-level?"),
        ("proxy-image", "evil", "known are config.kith.dev/{skip-inbound-ports"),
        ("", "", "known are"),
    ] {
        let refusal =
            refused(&with("/metadata/annotations", json!({format!("config.kith.dev/{name}"): value})));
        let text = refusal.to_string();
        assert!(
            text.contains(named) && text.contains(&format!("[config.kith.dev/{name}]"))
                || named.contains("limit"),
            "{name}: {text}"
        );
        assert!(text.len() < 600 && !text.contains('\n'), "{text}");
    }
}

#[test]
fn ports_are_skipped_only_where_the_namespace_permits_it() {
    // K9
    let ask = |name: &str, value: &str| {
        let pod = with("/metadata/annotations", json!({format!("config.kith.dev/{name}"): value}));
        inject(&pod, &namespace(Membership::Enabled), &settings(), nonce())
    };
    for (name, value) in [
        ("skip-inbound-ports", "1-65535"),
        ("skip-inbound-ports", "0-65535"),
        ("skip-inbound-ports", "9000-9101"),
        ("skip-inbound-ports", "9000,80"),
        ("skip-inbound-ports", "3306"),
        ("skip-outbound-ports", "9000"),
    ] {
        ask(name, value).unwrap_err();
    }
    let refusal = ask("skip-outbound-ports", "443").unwrap_err().to_string();
    assert!(refusal.contains("config.kith.dev/permit-skip-outbound-ports"), "{refusal}");
    ask("skip-inbound-ports", "9000-9010, 9100").unwrap();
    ask("skip-outbound-ports", "3306").unwrap();
}

#[test]
fn an_ephemeral_container_gets_nothing_that_is_the_sidecars() {
    // K4
    let old = member(&pod());
    let ask = |container: Value| {
        let mut new = old.clone();
        new["spec"]["ephemeralContainers"] = json!([container]);
        check_ephemeral(&old, &new)
    };
    ask(json!({"name": "debugger", "image": "d", "targetContainerName": "app"})).unwrap();
    for (container, field) in [
        (json!({"name": "d", "securityContext": {"runAsUser": 7440}}), "securityContext.runAsUser"),
        (json!({"name": "d", "volumeMounts": [{"name": "kith-identity"}]}), "volumeMounts[0].name"),
        (json!({"name": "d", "targetContainerName": "kith-sidecar"}), "targetContainerName"),
        (json!({"name": "d", "targetContainerName": "kith-redirect"}), "targetContainerName"),
        (json!({"name": "d", "securityContext": {"privileged": true}}), "securityContext.privileged"),
        (
            json!({"name": "d", "securityContext": {"capabilities": {"add": ["SYS_PTRACE"]}}}),
            "securityContext.capabilities.add[0]",
        ),
        (json!({"name": "kith-sidecar"}), "name"),
    ] {
        let refusal = ask(container).unwrap_err().to_string();
        assert!(refusal.starts_with(&format!("spec.ephemeralContainers[0].{field} is ")), "{refusal}");
    }
    // A pod outside the mesh has nothing to protect.
    let mut outside = pod();
    outside["spec"]["ephemeralContainers"] = json!([{"name": "d", "securityContext": {"privileged": true}}]);
    check_ephemeral(&pod(), &outside).unwrap();
    // One that is there already keeps no other out.
    let mut before = old.clone();
    before["spec"]["ephemeralContainers"] = json!([{"name": "d", "securityContext": {"runAsUser": 7440}}]);
    let mut after = before.clone();
    after["spec"]["ephemeralContainers"].as_array_mut().unwrap().push(json!({"name": "e"}));
    check_ephemeral(&before, &after).unwrap();
}
