//! A pod that comes by again, with or without somebody else having been at it (K23).

use super::*;

const PROBE: &str = "/spec/containers/0/readinessProbe";

fn probed() -> Value {
    with(PROBE, json!({"httpGet": {"port": "http", "path": "/ready"}, "periodSeconds": 3}))
}

fn again(pod: &Value) -> Result<Injection, Refusal> {
    inject(pod, &namespace(Membership::Enabled), &settings(), another_nonce())
}

fn check(pod: &Value) -> Result<(), Refusal> {
    check_pod(pod, &namespace(Membership::Required), &settings())
}

const STOP: &str = "/spec/containers/0/lifecycle/preStop";

fn with_a_hook() -> Value {
    with(STOP, json!({"httpGet": {"port": "http", "path": "/shutdown"}}))
}

#[test]
fn a_hook_keeps_the_nonce_that_it_has() {
    let mut both = member(&with_a_hook());
    assert_eq!(again(&both), Ok(Injection::Nothing(Untouched::AlreadyInjected)), "with another nonce");
    check(&both).unwrap();
    // A hook that comes later gets the later nonce, and the first keeps its own.
    let hook = json!({"httpGet": {"port": 4000, "path": "/stop"}});
    put(&mut both, "/spec/containers/1/lifecycle/preStop", hook);
    let Ok(Injection::Patch(steps)) = again(&both) else { panic!("{both}") };
    apply(&mut both, &steps);
    let (first, later) = (nonce().digits(), another_nonce().digits());
    let keys: Vec<String> = asked(&both).into_keys().collect();
    assert_eq!(keys, [format!("app/pre-stop/{first}"), format!("log/pre-stop/{later}")]);
    check(&both).unwrap();
}

#[test]
fn a_hook_whose_path_can_be_guessed_is_given_a_nonce_and_not_stored_without_one() {
    let whole = member(&with_a_hook());
    // As it was written before there were nonces.
    let nonce = format!("/{}", nonce().digits());
    let open: Value = serde_json::from_str(&whole.to_string().replace(&nonce, "")).unwrap();
    assert!(asked(&open).contains_key("app/pre-stop"));
    assert!(check(&open).unwrap_err().to_string().contains("not what the injector writes"));
    assert_eq!(member(&open), whole);
    // What is no nonce was not written by the injector.
    for other in ["/1", "/", "/A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1", &format!("{nonce}0"), &format!("{nonce}/x")]
    {
        let forged: Value = serde_json::from_str(&whole.to_string().replace(&nonce, other)).unwrap();
        assert!(asked(&forged).contains_key(&format!("app/pre-stop{other}")), "{other}");
        check(&forged).expect_err(other);
        again(&forged).expect_err(other);
    }
    // The path and what is remembered belong together.
    let mut parted = whole.clone();
    let path = format!("/probe/app/pre-stop/{}", another_nonce().digits());
    put(&mut parted, &format!("{STOP}/httpGet/path"), json!(path));
    check(&parted).unwrap_err();
    // And it is a hook's alone.
    let probe = format!("/probe/app/readiness{nonce}");
    let probed = json!({"httpGet": {"port": 7447, "path": probe, "scheme": "HTTP"}});
    again(&with(PROBE, probed)).unwrap_err();
}

#[test]
fn a_member_is_left_as_it_is() {
    let member = member(&probed());
    assert_eq!(again(&member), Ok(Injection::Nothing(Untouched::AlreadyInjected)));
    check(&member).unwrap();
    let refusal = check(&pod()).unwrap_err().to_string();
    assert!(refusal.contains("the injector was not asked"), "{refusal}");
}

#[test]
fn what_the_api_server_writes_its_own_way_is_recognised() {
    let pod = with(
        "/metadata/annotations",
        json!({"config.kith.dev/cpu-request": "0.1", "config.kith.dev/memory-limit": "1024Mi"}),
    );
    let mut member = member(&pod);
    for container in member["spec"]["initContainers"].as_array_mut().unwrap().iter_mut().take(2) {
        container["resources"]["requests"]["cpu"] = json!("100m");
        container["resources"]["limits"]["memory"] = json!("1Gi");
        container["resizePolicy"] = json!([{"resourceName": "cpu", "restartPolicy": "NotRequired"}]);
        container["fieldOfNextYear"] = json!("Default");
        container["securityContext"]["procMount"] = json!("Default");
    }
    assert_eq!(again(&member), Ok(Injection::Nothing(Untouched::AlreadyInjected)));
    check(&member).unwrap();
}

#[test]
fn another_injector_that_adds_a_container_with_probes_is_followed() {
    let mut both = member(&probed());
    let first = asked(&both);
    // It puts its own before ours, and its container has a probe.
    let agent = json!({"name": "agent", "livenessProbe": {"tcpSocket": {"port": 4000}}});
    both["spec"]["containers"].as_array_mut().unwrap().insert(0, agent);
    both["spec"]["initContainers"].as_array_mut().unwrap().insert(0, json!({"name": "agent-init"}));
    check(&both).unwrap_err();
    let followed = member(&both);
    assert_eq!(
        names(&followed["spec"]["initContainers"]),
        ["kith-redirect", "kith-sidecar", "agent-init", "migrate"]
    );
    let asked = asked(&followed);
    assert_eq!(asked["app/readiness"], first["app/readiness"], "the original question survives");
    assert_eq!(asked.keys().collect::<Vec<_>>(), ["agent/liveness", "app/readiness"]);
    assert_eq!(
        followed["spec"]["containers"][0]["livenessProbe"]["httpGet"]["path"],
        "/probe/agent/liveness"
    );
    assert_eq!(followed["spec"]["containers"][1], both["spec"]["containers"][1]);
    assert_eq!(followed["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"], "app");
    assert_eq!(again(&followed), Ok(Injection::Nothing(Untouched::AlreadyInjected)));
    check(&followed).unwrap();
    // And one that takes a container away again.
    let mut less = followed;
    less["spec"]["containers"].as_array_mut().unwrap().remove(0);
    assert_eq!(super::asked(&member(&less)), first);
}

#[test]
fn what_a_cloud_adds_to_every_container_stays_and_is_no_reason_to_begin_anew() {
    let mut member = member(&probed());
    for container in member["spec"]["initContainers"].as_array_mut().unwrap() {
        let variable = json!({"name": "AWS_ROLE_ARN", "value": "arn:x"});
        let mount = json!({"name": "aws-iam-token", "mountPath": "/var/run/secrets/eks.amazonaws.com/serviceaccount", "readOnly": true});
        match container["env"].as_array_mut() {
            Some(env) => env.insert(0, variable),
            None => container["env"] = json!([variable]),
        }
        match container["volumeMounts"].as_array_mut() {
            Some(mounts) => mounts.push(mount),
            None => container["volumeMounts"] = json!([mount]),
        }
    }
    let token = json!({"audience": "sts.amazonaws.com", "expirationSeconds": 86400, "path": "token"});
    let volume = json!({"name": "aws-iam-token", "projected": {"defaultMode": 420, "sources": [{"serviceAccountToken": token}]}});
    member["spec"]["volumes"].as_array_mut().unwrap().push(volume);
    assert_eq!(again(&member), Ok(Injection::Nothing(Untouched::AlreadyInjected)));
    check(&member).unwrap();
}

#[test]
fn what_would_change_our_containers_is_undone_or_refused() {
    let whole = member(&probed());
    for (pointer, value) in [
        ("/spec/initContainers/1/image", json!("evil")),
        ("/spec/initContainers/1/command", json!(["sh"])),
        ("/spec/initContainers/1/args", json!(["pod", "--x"])),
        ("/spec/initContainers/1/env/1/value", json!("evil.example:7450")),
        ("/spec/initContainers/1/envFrom", json!([{"configMapRef": {"name": "x"}}])),
        ("/spec/initContainers/1/lifecycle", json!({"postStart": {"exec": {"command": ["sh"]}}})),
        ("/spec/initContainers/1/workingDir", json!("/tmp")),
        ("/spec/initContainers/1/securityContext/runAsUser", json!(0)),
        ("/spec/initContainers/1/securityContext/procMount", json!("Unmasked")),
        ("/spec/initContainers/1/securityContext/seLinuxOptions", json!({"type": "spc_t"})),
        ("/spec/initContainers/1/resources/limits/memory", json!("1Ki")),
        ("/spec/initContainers/0/restartPolicy", json!("Always")),
        ("/spec/initContainers/0/env/0/value", json!("{\"skipInbound\":[\"1-65535\"]}")),
        ("/spec/initContainers/0/securityContext/capabilities/add", json!(["SYS_ADMIN"])),
        ("/spec/volumes/1/projected/sources/1/configMap/name", json!("my-roots")),
        ("/metadata/annotations/config.kith.dev~1injected", json!("0.9")),
    ] {
        let mut changed = whole.clone();
        put(&mut changed, pointer, value);
        let refusal = check(&changed).expect_err(pointer).to_string();
        assert!(
            refusal.contains("what the injector writes") || refusal.contains("nothing but the injector"),
            "{refusal}"
        );
        let undone = member(&changed);
        assert_eq!(
            undone["spec"]["initContainers"][1]["env"], whole["spec"]["initContainers"][1]["env"],
            "{pointer}"
        );
        check(&undone).unwrap();
    }
    for (pointer, value) in [
        ("/spec/initContainers/1/env/0/name", "LD_PRELOAD"),
        ("/spec/initContainers/1/env/0/name", "KITH_EXTRA"),
        ("/spec/initContainers/1/volumeMounts/0/mountPath", "/kith-sidecar"),
        ("/spec/initContainers/1/volumeMounts/0/mountPath", "/var/run/secrets/x"),
        ("/spec/initContainers/0/volumeMounts/0/mountPath", "/"),
        ("/spec/initContainers/0/volumeMounts/0/mountPath", "/var/run/secrets/../../../lib"),
        ("/spec/initContainers/1/env/6/value", "not JSON"),
        ("/spec/initContainers/1/env/6/value", "{\"app/readiness\":{}}"),
    ] {
        let mut changed = whole.clone();
        put(&mut changed, pointer, json!(value));
        assert!(again(&changed).is_err(), "{pointer} {value}");
        assert!(check(&changed).is_err(), "{pointer} {value}");
    }
    // One of ours that is there twice: the second would win.
    let mut twice = whole.clone();
    let other = json!({"name": "KITH_TRUST_DOMAIN", "value": "evil.example"});
    twice["spec"]["initContainers"][1]["env"].as_array_mut().unwrap().push(other);
    check(&twice).unwrap_err();
    assert_eq!(member(&twice), whole);
}

#[test]
fn rules_hold_after_the_injection_too() {
    for (pointer, value) in [
        ("/spec/containers/0/securityContext", json!({"runAsUser": 7440})),
        ("/spec/containers/0/volumeMounts", json!([{"name": "kith-identity", "mountPath": "/k"}])),
        ("/spec/hostPID", json!(true)),
    ] {
        let mut changed = member(&probed());
        put(&mut changed, pointer, value);
        check(&changed).unwrap_err();
        again(&changed).unwrap_err();
    }
    let mut out_of_order = member(&probed());
    out_of_order["spec"]["initContainers"].as_array_mut().unwrap().swap(0, 2);
    check(&out_of_order).unwrap_err();
}

#[test]
fn a_pod_of_an_older_version_is_brought_up_to_date() {
    let old =
        member_by(&probed(), &settings_with(json!({"sidecarImage": "registry.example/kith-sidecar:0.9"})));
    assert_eq!(member(&old), member(&probed()));
}

#[test]
fn names_of_ours_without_the_mark_are_somebody_elses() {
    let mut copied = member(&pod());
    copied["metadata"]["annotations"].as_object_mut().unwrap().remove("config.kith.dev/injected");
    let refusal = refused(&copied).to_string();
    assert!(refusal.contains("spec.initContainers[0].name is \"kith-redirect\""), "{refusal}");
    let mut doubled = member(&pod());
    let sidecar = doubled["spec"]["initContainers"][1].clone();
    doubled["spec"]["initContainers"].as_array_mut().unwrap().push(sidecar);
    assert!(refused(&doubled).to_string().contains("there twice"));
    // The mark alone is no membership.
    let marked = with("/metadata/annotations", json!({"config.kith.dev/injected": "1.0"}));
    assert_eq!(names(&member(&marked)["spec"]["initContainers"])[1], "kith-sidecar");
    check(&marked).unwrap_err();
}
