//! What others mount into our containers, who may be the pod's author: nothing that a program could be in (K5).

use super::*;

const PATH: &str = "/var/run/secrets/x";

fn token() -> Value {
    json!({"serviceAccountToken": {"audience": "sts.example", "path": "token"}})
}

/// A pod as its author wrote it, with a container of ours that mounts a volume, and the mark of the injector.
fn written(container: &str, mount: &Value, volume: &Value) -> Value {
    let mut pod = with("/metadata/annotations", json!({"config.kith.dev/injected": "1.0"}));
    let ours = json!({"name": container, "image": "evil", "volumeMounts": [mount]});
    pod["spec"]["initContainers"].as_array_mut().unwrap().insert(0, ours);
    let mut volume = volume.clone();
    volume["name"] = json!("x");
    pod["spec"]["volumes"].as_array_mut().unwrap().push(volume);
    pod
}

/// The same mount, put into a member by another webhook.
fn added(container: usize, mount: &Value, volume: &Value) -> Value {
    let mut pod = member(&pod());
    pod["spec"]["initContainers"][container]["volumeMounts"].as_array_mut().unwrap().push(mount.clone());
    let mut volume = volume.clone();
    volume["name"] = json!("x");
    pod["spec"]["volumes"].as_array_mut().unwrap().push(volume);
    pod
}

fn refused_everywhere(what: &str, mount: &Value, volume: &Value) {
    for (index, container) in ["kith-redirect", "kith-sidecar"].into_iter().enumerate() {
        for pod in [written(container, mount, volume), added(index, mount, volume)] {
            let Err(refusal) = inject(&pod, &namespace(Membership::Enabled), &settings(), nonce()) else {
                panic!("{what} is kept in {container}: {pod}");
            };
            let (text, path) = (refusal.to_string(), &mount["mountPath"]);
            assert!(
                text.starts_with(&format!("spec.initContainers[{container}].volumeMounts[")),
                "{what}: {text}"
            );
            assert!(text.contains(&format!("mountPath is {path}: ")), "{what}: {text}");
            assert!(
                text.contains("a projected volume with serviceAccountToken sources alone"),
                "{what}: {text}"
            );
            check_pod(&pod, &namespace(Membership::Required), &settings()).expect_err(what);
        }
    }
}

#[test]
fn a_volume_that_could_hold_a_program_is_not_mounted_into_our_containers() {
    let mount = json!({"name": "x", "mountPath": PATH, "readOnly": true});
    let program = json!({"name": "x", "defaultMode": 0o755});
    let annotation = json!({"items": [{"path": "sh", "mode": 0o755, "fieldRef": {"fieldPath": "metadata.annotations['x']"}}]});
    for volume in [
        json!({"emptyDir": {}}),
        json!({"hostPath": {"path": "/bin"}}),
        json!({"persistentVolumeClaim": {"claimName": "x"}}),
        json!({"csi": {"driver": "x"}}),
        json!({"image": {"reference": "busybox"}}),
        json!({"ephemeral": {}}),
        json!({"nfs": {"server": "s", "path": "/"}}),
        json!({"configMap": program}),
        json!({"secret": {"secretName": "x", "defaultMode": 0o755}}),
        json!({"downwardAPI": annotation}),
        json!({"projected": {"sources": [{"configMap": program}]}}),
        json!({"projected": {"sources": [token(), {"secret": program}]}}),
        json!({"projected": {"sources": [token(), {"downwardAPI": annotation}]}}),
        json!({"projected": {"sources": [{"clusterTrustBundle": {"name": "x", "path": "sh"}}]}}),
        json!({"projected": {"sources": [{"serviceAccountToken": {"path": "t"}, "configMap": program}]}}),
        json!({"projected": {"sources": [{}]}}),
        json!({"projected": {"sources": [token()]}, "emptyDir": {}}),
        // Kubernetes makes an emptyDir of these.
        json!({}),
        json!({"projected": null}),
    ] {
        refused_everywhere(&volume.to_string(), &mount, &volume);
    }
}

#[test]
fn tokens_are_mounted_into_our_containers_read_only_and_in_their_place_alone() {
    let tokens = json!({"projected": {"sources": [token(), token()]}});
    for (what, mount) in [
        ("writable", json!({"name": "x", "mountPath": PATH})),
        ("writable", json!({"name": "x", "mountPath": PATH, "readOnly": false})),
        ("a part of it", json!({"name": "x", "mountPath": PATH, "readOnly": true, "subPath": "../y"})),
        (
            "a part of it",
            json!({"name": "x", "mountPath": PATH, "readOnly": true, "subPathExpr": "$(AWS_X)"}),
        ),
        (
            "shared",
            json!({"name": "x", "mountPath": PATH, "readOnly": true, "mountPropagation": "HostToContainer"}),
        ),
        ("elsewhere", json!({"name": "x", "mountPath": "/lib", "readOnly": true})),
        ("elsewhere", json!({"name": "x", "mountPath": "/run/secrets/../../lib", "readOnly": true})),
        ("no such volume", json!({"name": "y", "mountPath": PATH, "readOnly": true})),
        ("another's volume", json!({"name": "data", "mountPath": PATH, "readOnly": true})),
        ("the sidecar's volume", json!({"name": "kith-identity", "mountPath": PATH, "readOnly": true})),
        ("the sidecar's volume", json!({"name": "kith-nothing", "mountPath": PATH, "readOnly": true})),
    ] {
        refused_everywhere(&format!("{what}: {mount}"), &mount, &tokens);
    }
    for path in [PATH, "/run/secrets/azure/tokens"] {
        let mount = json!({"name": "x", "mountPath": path, "readOnly": true});
        for container in 0..2 {
            let pod = added(container, &mount, &tokens);
            let untouched = Ok(Injection::Nothing(Untouched::AlreadyInjected));
            assert_eq!(
                inject(&pod, &namespace(Membership::Enabled), &settings(), nonce()),
                untouched,
                "{path}"
            );
        }
    }
}

#[test]
fn a_volume_of_the_sidecars_name_is_no_way_to_its_token() {
    // As the author wrote it, it would pass; what is stored under this name is the sidecar's.
    let mut pod = added(
        0,
        &json!({"name": "kith-identity", "mountPath": PATH, "readOnly": true}),
        &json!({"emptyDir": {}}),
    );
    for volume in pod["spec"]["volumes"].as_array_mut().unwrap() {
        if volume["name"] == "kith-identity" {
            *volume = json!({"name": "kith-identity", "projected": {"sources": [token()]}});
        }
    }
    assert!(refused(&pod).to_string().contains("[kith-redirect].volumeMounts"), "{}", refused(&pod));
}
