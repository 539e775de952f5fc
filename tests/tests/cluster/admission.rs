//! Pods that the mesh does not take: refused when they are made, with the field, its value and what to do.

use anyhow::{Context, ensure};
use kith_tests::cluster::{App, Namespace, apply_refused, run};
use serde_json::json;

use crate::{in_mesh, with_labels};

const POD: &str = "
apiVersion: v1
kind: Pod
metadata: { name: refused, namespace: NAMESPACE, $META }
spec:
  $SPEC
  containers:
    - name: app
      image: kith.test/app:1
      imagePullPolicy: Never
      $CONTAINER
";

fn pod(namespace: &Namespace, meta: &str, spec: &str, container: &str) -> String {
    let filled = POD.replace("$META", meta).replace("$SPEC", spec).replace("$CONTAINER", container);
    filled.replace("NAMESPACE", &namespace.name)
}

#[test]
fn a_pod_that_would_break_out_of_the_mesh_is_refused_with_a_reason() -> anyhow::Result<()> {
    // K2, K5, K7, K8, K9, K10
    in_mesh("refusals", |_, namespace| {
        let annotated = |text: &str| format!("annotations: {{ config.kith.dev/{text} }}");
        let cases = [
            ("", "", "securityContext: { runAsUser: 7440 }", "runAsUser is 7440: this is the sidecar's user"),
            ("", "securityContext: { runAsUser: 7440 }", "", "runAsUser is 7440"),
            ("", "hostNetwork: true", "", "hostNetwork is true: a pod in its node's network"),
            ("", "hostPID: true", "", "hostPID is true"),
            ("", "shareProcessNamespace: true", "", "shareProcessNamespace is true: the sidecar's key"),
            ("", "", "securityContext: { privileged: true }", "privileged is true"),
            ("", "", "securityContext: { capabilities: { add: [NET_ADMIN] } }", "could undo the redirect"),
            ("", "", "ports: [{ containerPort: 7442 }]", "the sidecar listens on this port"),
            (&annotated("cpu-requst: 10m"), "", "", "did you mean config.kith.dev/cpu-request?"),
            (&annotated("log-level: \"info --flag\""), "", "", "log-level"),
            (&annotated("skip-inbound-ports: \"1-65535\""), "", "", "does not permit to skip 1-65535"),
            (
                "labels: { kith.dev/inject: perhaps }",
                "",
                "",
                "write disabled to keep the pod outside the mesh",
            ),
        ];
        for (meta, spec, container, reason) in cases {
            let said = apply_refused(&pod(namespace, meta, spec, container))?;
            ensure!(said.contains(reason), "{reason:?} is not said: {said}");
        }
        Ok(())
    })
}

#[test]
fn a_pod_may_opt_out_where_the_mesh_is_enabled_and_not_where_it_is_required() -> anyhow::Result<()> {
    // K1
    let out = "labels: { kith.dev/inject: disabled }";
    in_mesh("enabled", |_, namespace| {
        namespace.apply(&pod(namespace, out, "", ""))?;
        let containers =
            namespace.kubectl(&["get", "pod", "refused", "-o=jsonpath={.spec.initContainers}"])?;
        ensure!(containers.is_empty(), "it has a sidecar: {containers}");
        Ok(())
    })?;
    with_labels("required", &["kith.dev/inject: required"], |_, namespace| {
        let said = apply_refused(&pod(namespace, out, "", ""))?;
        ensure!(said.contains("requires every pod to be in the mesh"), "{said}");
        Ok(())
    })
}

#[test]
fn a_container_for_debugging_is_refused_where_it_could_take_the_sidecars_place() -> anyhow::Result<()> {
    // K4
    in_mesh("debug", |_, namespace| {
        let web = App::start(namespace, "web", &[])?.ready()?;
        let (name, here) = (web.pod(".metadata.name")?, namespace.name.as_str());
        let path = format!("/api/v1/namespaces/{here}/pods/{name}/ephemeralcontainers");
        let add = |container: &str, more: serde_json::Value| {
            let text = namespace.kubectl(&["get", "pod", &name, "-o", "json"])?;
            let mut pod: serde_json::Value = serde_json::from_str(&text)?;
            let mut added = json!({
                "name": container, "image": "kith.test/app:1", "imagePullPolicy": "Never", "command": ["true"],
            });
            added.as_object_mut().context("an object")?.extend(more.as_object().context("fields")?.clone());
            pod["spec"]["ephemeralContainers"] = json!([added]);
            run("kubectl", &["replace", "--raw", &path, "-f", "-"], &pod.to_string())
        };
        let of_sidecar = json!({ "securityContext": { "runAsUser": 7440 } });
        let with_key = json!({ "volumeMounts": [{ "name": "kith-identity", "mountPath": "/identity" }] });
        let with_target = json!({ "targetContainerName": "kith-sidecar" });
        for (more, reason) in [
            (of_sidecar, "this is the sidecar's user"),
            (with_key, "this volume is the sidecar's alone"),
            (with_target, "the sidecar's key could be read"),
        ] {
            let said = add("debug", more)?;
            ensure!(said.code != 0 && said.stderr.contains(reason), "{reason:?} is not said: {said:?}");
        }
        let said = add("harmless", json!({}))?;
        ensure!(said.code == 0, "a harmless one is refused: {said:?}");
        Ok(())
    })
}
