//! Containers that get the sidecar's socket, and all others, which must not.

use super::*;

const FOLDER: &str = "/run/kith/workload-api";

fn named(containers: &str) -> Value {
    with("/metadata/annotations", json!({"config.kith.dev/workload-api": containers}))
}

fn mount() -> Value {
    json!({"name": "kith-workload-api", "mountPath": FOLDER, "readOnly": true})
}

fn endpoint() -> Value {
    json!({"name": "SPIFFE_ENDPOINT_SOCKET", "value": "unix:///run/kith/workload-api/sidecar/api.sock"})
}

fn has(container: &Value) -> (bool, bool) {
    let contains =
        |list: &str, entry: &Value| container[list].as_array().is_some_and(|all| all.contains(entry));
    (contains("volumeMounts", &mount()), contains("env", &endpoint()))
}

#[test]
fn the_named_containers_get_the_socket_to_read_and_its_place_and_no_other_does() {
    let member = member(&named("app"));
    let spec = &member["spec"];
    assert_eq!(names(&spec["volumes"]), ["data", "kith-identity", "kith-nothing", "kith-workload-api"]);
    assert_eq!(spec["volumes"][3]["emptyDir"], json!({"medium": "Memory", "sizeLimit": "1Mi"}));
    let sidecar = &spec["initContainers"][1];
    assert_eq!(variable(sidecar, "KITH_WORKLOAD_API"), "/run/kith/workload-api/sidecar/api.sock");
    let written = json!({"name": "kith-workload-api", "mountPath": FOLDER});
    assert_eq!(sidecar["volumeMounts"].as_array().unwrap().last(), Some(&written));
    assert_eq!(has(&spec["containers"][0]), (true, true));
    for other in [&spec["containers"][1], &spec["initContainers"][0], &spec["initContainers"][2]] {
        assert_eq!(has(other), (false, false), "{other}");
    }
    // An init container starts after the sidecar, and may have it as well.
    let all = super::member(&named("migrate, app,log"));
    assert_eq!(has(&all["spec"]["initContainers"][2]), (true, true));
    assert!(
        all["spec"]["containers"].as_array().unwrap().iter().all(|container| has(container) == (true, true))
    );
}

#[test]
fn a_pod_that_names_none_has_no_socket_at_all() {
    let member = member(&pod());
    assert!(!member.to_string().contains("workload-api"), "{member}");
    assert!(!member.to_string().contains("WORKLOAD_API"), "{member}");
}

#[test]
fn a_name_that_no_container_has_is_refused_with_those_that_there_are() {
    for (value, said) in [
        ("ap", "is \"ap\": the pod has no such container; there are: migrate, app, log"),
        ("app,kith-sidecar", "there are: migrate, app, log"),
        ("app,kith-redirect", "there are: migrate, app, log"),
        ("", "write the names of containers"),
        ("app,", "write the names of containers"),
        ("*", "write the names of containers"),
        ("app;log", "write the names of containers"),
        ("$(KITH_LOG)", "write the names of containers"),
        (&"a,".repeat(64 * 1024), "more containers than"),
    ] {
        let text = refused(&named(value)).to_string();
        assert!(text.starts_with("metadata.annotations[config.kith.dev/workload-api] is "), "{text}");
        assert!(text.contains(said) && text.len() < 400, "{value}: {text}");
    }
}

#[test]
fn what_the_author_put_where_the_socket_goes_is_refused_and_never_replaced() {
    let elsewhere = json!([{"name": "SPIFFE_ENDPOINT_SOCKET", "value": "unix:///run/spire/agent.sock"}]);
    let from = json!([{"name": "SPIFFE_ENDPOINT_SOCKET", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]);
    for (pointer, value, said) in [
        ("/spec/containers/0/env", elsewhere.clone(), "spec.containers[0].env[0] is "),
        ("/spec/containers/0/env", from, "leave the variable out"),
        (
            "/spec/containers/0/volumeMounts",
            json!([{"name": "data", "mountPath": "/run/kith/workload-api/"}]),
            "spec.containers[0].volumeMounts[0].mountPath is ",
        ),
        ("/spec/volumes/0/name", json!("kith-workload-api"), "spec.volumes[0].name is "),
    ] {
        let mut pod = named("app");
        put(&mut pod, pointer, value);
        let text = refused(&pod).to_string();
        assert!(text.contains(said), "{text}");
    }
    // A container that is not named may have its own.
    let mut pod = named("app");
    put(&mut pod, "/spec/containers/1/env", elsewhere.clone());
    assert_eq!(member(&pod)["spec"]["containers"][1]["env"], elsewhere);
}

// K4
#[test]
fn nobody_else_mounts_the_volume_before_or_after() {
    let alone = json!({"name": "kith-workload-api", "mountPath": "/x", "readOnly": true});
    let writable = json!({"name": "kith-workload-api", "mountPath": FOLDER});
    let part =
        json!({"name": "kith-workload-api", "mountPath": FOLDER, "readOnly": true, "subPath": "sidecar"});
    for (what, container, mounted) in [
        ("a container that is not named", "/spec/containers/1/volumeMounts", mount()),
        ("an init container that is not named", "/spec/initContainers/0/volumeMounts", mount()),
        ("a named one, writable", "/spec/containers/0/volumeMounts", writable),
        ("a named one, elsewhere", "/spec/containers/0/volumeMounts", alone.clone()),
        ("a named one, a part", "/spec/containers/0/volumeMounts", part),
    ] {
        let mut pod = named("app");
        put(&mut pod, container, json!([mounted]));
        let text = refused(&pod).to_string();
        assert!(text.contains("volumeMounts[0].name is \"kith-workload-api\""), "{what}: {text}");
        // The same, put in by another webhook after the injection.
        let container = container.replace("initContainers/0", "initContainers/2");
        let mut later = member(&named("app"));
        let mounts = later.pointer_mut(&container).map(Value::take).unwrap_or_default();
        let mut mounts = mounts.as_array().cloned().unwrap_or_default();
        mounts.insert(0, mounted);
        put(&mut later, &container, json!(mounts));
        let twice = what == "a named one, writable";
        let refused = check_pod(&later, &namespace(Membership::Required), &settings());
        assert!(refused.is_err(), "{what}, twice at one place: {twice}");
    }
    let old = member(&named("app"));
    for mounted in [mount(), alone] {
        for name in ["debugger", "app"] {
            let mut new = old.clone();
            new["spec"]["ephemeralContainers"] =
                json!([{"name": name, "targetContainerName": "app", "volumeMounts": [mounted]}]);
            let text = check_ephemeral(&old, &new).unwrap_err().to_string();
            assert!(text.starts_with("spec.ephemeralContainers[0].volumeMounts[0].name is "), "{text}");
        }
    }
}

#[test]
fn a_member_with_a_socket_is_left_as_it_is_and_one_without_its_annotation_is_none() {
    let both = member(&named("app, migrate"));
    let untouched = Ok(Injection::Nothing(Untouched::AlreadyInjected));
    assert_eq!(inject(&both, &namespace(Membership::Required), &settings(), another_nonce()), untouched);
    check_pod(&both, &namespace(Membership::Required), &settings()).unwrap();
    // Another webhook adds to the lists, before and after.
    let mut more = both.clone();
    for list in ["env", "volumeMounts"] {
        let entries = more["spec"]["containers"][0][list].as_array_mut().unwrap();
        entries.insert(0, json!({"name": "data", "mountPath": "/first"}));
        entries.push(json!({"name": "last", "mountPath": "/last"}));
    }
    assert_eq!(inject(&more, &namespace(Membership::Required), &settings(), another_nonce()), untouched);
    // What it was given is taken away: that is put back, and does not pass meanwhile.
    for pointer in ["/spec/containers/0/env", "/spec/containers/0/volumeMounts", "/spec/volumes/3/emptyDir"] {
        let mut less = both.clone();
        put(&mut less, pointer, json!(if pointer.ends_with("Dir") { json!({}) } else { json!([]) }));
        check_pod(&less, &namespace(Membership::Required), &settings()).unwrap_err();
        assert_eq!(member(&less), both, "{pointer}");
    }
    let mut silent = both.clone();
    silent["metadata"]["annotations"].as_object_mut().unwrap().remove("config.kith.dev/workload-api");
    refused(&silent);
}

#[test]
fn a_container_of_ours_is_nobodys_way_to_the_socket() {
    // As the author could have written it, with the mark of the injector.
    let mut forged = member(&named("app"));
    let redirect = &mut forged["spec"]["initContainers"][0]["volumeMounts"];
    redirect.as_array_mut().unwrap().push(mount());
    refused(&forged);
}
