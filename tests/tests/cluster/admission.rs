//! What the mesh does not take: pods, and mistakes on namespaces, refused when they are made, with the field, its value and
//! what to do; and what it takes with a warning.

use std::time::Duration;

use anyhow::{Context, ensure};
use kith_tests::cluster::{App, Namespace, Said, apply_refused, eventually, refused, run};
use serde_json::json;

use crate::{in_mesh, with_labels};

const SOON: Duration = Duration::from_secs(30);

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
fn a_pod_that_mounts_a_program_into_a_sidecar_of_its_own_writing_is_refused() -> anyhow::Result<()> {
    // K5: what is put there from the application could be run as the sidecar's user.
    in_mesh("written", |_, namespace| {
        let mark = "annotations: { config.kith.dev/injected: \"1\" }";
        for (volume, mode) in
            [("emptyDir: {}", ""), ("configMap: { name: x, defaultMode: 0755 }", ", readOnly: true")]
        {
            let spec = format!(
                "initContainers: [{{ name: kith-sidecar, image: kith.test/app:1, \
                 volumeMounts: [{{ name: x, mountPath: /var/run/secrets/x{mode} }}] }}]\n  \
                 volumes: [{{ name: x, {volume} }}]"
            );
            let said =
                apply_refused(&pod(namespace, mark, &spec, "volumeMounts: [{ name: x, mountPath: /x }]"))?;
            ensure!(
                said.contains("mountPath is \"/var/run/secrets/x\": nothing but the injector"),
                "{volume}: {said}"
            );
        }
        Ok(())
    })
}

#[test]
fn a_pod_whose_sidecar_could_not_find_the_control_plane_is_refused() -> anyhow::Result<()> {
    in_mesh("resolver", |_, namespace| {
        for spec in ["dnsPolicy: Default", "dnsPolicy: None\n  dnsConfig: { nameservers: [10.96.0.10] }"] {
            let said = apply_refused(&pod(namespace, "", spec, ""))?;
            ensure!(
                said.contains("the sidecar cannot find the control plane") && said.contains("ClusterFirst"),
                "{spec}: {said}"
            );
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
        for label in ["kith.dev/inject=enabled", "kith.dev/inject-"] {
            // Without the label its members go on, and nobody joins them who may not.
            namespace.kubectl(&["label", "namespace", here, label])?;
            for (more, reason) in [
                (&of_sidecar, "this is the sidecar's user"),
                (&with_key, "this volume is the sidecar's alone"),
                (&with_target, "the sidecar's key could be read"),
            ] {
                let said = add("debug", more.clone())?;
                ensure!(said.code != 0 && said.stderr.contains(reason), "{label}: {reason:?}: {said:?}");
            }
        }
        let said = add("harmless", json!({}))?;
        ensure!(said.code == 0, "a harmless one is refused: {said:?}");
        Ok(())
    })
}

#[test]
fn a_pod_is_changed_as_ever_where_nothing_of_the_mesh_changes() -> anyhow::Result<()> {
    const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: { name: plain, namespace: NAMESPACE }\nspec:\n  \
                       initContainers: [{ name: first, image: kith.test/app:1, imagePullPolicy: Never, args: [-h] }]\n  \
                       containers: [{ name: app, image: kith.test/app:1, imagePullPolicy: Never }]\n";
    in_mesh("changed", |_, namespace| {
        let web = App::start(namespace, "web", &[])?.ready()?;
        let outside = Namespace::new("unasked", &[], &[])?;
        outside.apply(POD)?;
        for (namespace, pod) in [(&outside, "plain".to_owned()), (namespace, web.pod(".metadata.name")?)] {
            namespace.kubectl(&["label", "pod", &pod, "changed=yes"])?;
            namespace.kubectl(&["annotate", "pod", &pod, "changed=yes"])?;
            namespace.kubectl(&["set", "image", &format!("pod/{pod}"), "app=kith.test/app:1"])?;
        }
        // Init containers too, whose image is all that Kubernetes lets anybody change.
        outside.kubectl(&["set", "image", "pod/plain", "first=kith.test/another:1"])?;
        Ok(())
    })
}

/// `kubectl label` or `annotate` of a namespace, which must succeed; what was said of it.
fn write(verb: &str, namespace: &Namespace, entries: &[&str]) -> anyhow::Result<String> {
    let said = run("kubectl", &[&[verb, "namespace", &namespace.name, "--overwrite"], entries].concat(), "")?;
    ensure!(said.code == 0, "{verb} {entries:?} is refused: {said:?}");
    Ok(said.stderr)
}

#[test]
fn a_mistake_on_a_namespace_is_refused_when_it_is_made() -> anyhow::Result<()> {
    // What closes a namespace, or silently means nothing, is not stored in the first place.
    in_mesh("mistakes", |_, namespace| {
        for (verb, entry, reason) in [
            ("label", "kith.dev/posture=observe", "write Observe, Encrypt or Enforce, or remove the label"),
            ("label", "kith.dev/posture=Observe", "config.kith.dev/observe-until] is missing"),
            ("label", "kith.dev/egress=allow", "write Deny, Observe or Allow, or remove the label"),
            ("label", "kith.dev/inject=true", "write enabled or required, or remove the label"),
            ("label", "kith.dev/injct=enabled", "did you mean the label kith.dev/inject?"),
            ("annotate", "kith.dev/posture=Enforce", "is a label, not an annotation"),
            ("annotate", "config.kith.dev/observe-until=2020-01-31T00:00:00Z", "lies in the past"),
            ("annotate", "config.kith.dev/observe-until=tomorrow", "needs the time of its end"),
        ] {
            let said = refused(&[verb, "namespace", &namespace.name, "--overwrite", entry])?;
            ensure!(said.contains("namespaces.kith.dev") && said.contains(reason), "{entry}: {said}");
        }
        let misspelt = "apiVersion: v1\nkind: Namespace\nmetadata: { name: misspelt, labels: { kith.dev/injct: enabled } }";
        let said = apply_refused(misspelt)?;
        ensure!(said.contains("did you mean the label kith.dev/inject?"), "{said}");

        // What is not ours is not looked at, and what is right is stored without a word.
        let until = "config.kith.dev/observe-until=2099-01-31T00:00:00Z";
        ensure!(write("label", namespace, &["team=shop"])?.is_empty());
        ensure!(
            write("annotate", namespace, &[until])?.contains("Warning: config.kith.dev/observe-until lies")
        );
        ensure!(write("label", namespace, &["kith.dev/posture=Observe"])?.is_empty());
        ensure!(write("label", namespace, &["kith.dev/posture-"])?.is_empty());
        ensure!(write("annotate", namespace, &["config.kith.dev/observe-until-"])?.is_empty());
        Ok(())
    })
}

#[test]
fn pods_that_do_not_follow_a_label_yet_are_a_warning() -> anyhow::Result<()> {
    with_labels("followers", &[], |_, namespace| {
        let (set, removed) = (["kith.dev/inject=enabled"], ["kith.dev/inject-"]);
        // What a pod has become is heard of a moment later: the label is set, or removed, again.
        let told = |first: &[&str], then: &[&str], sentences: [&str; 2]| {
            eventually(SOON, || {
                write("label", namespace, first)?;
                let said = write("label", namespace, then)?;
                ensure!(sentences.iter().all(|sentence| said.contains(sentence)), "{said}");
                Ok(())
            })
        };
        let web = App::start(namespace, "web", &[])?.ready()?;
        let without = "1 pod goes on without a sidecar until restarted: kubectl -n";
        told(&removed, &set, [without, "is Enforce: once restarted"])?;
        eventually(SOON, || {
            namespace.kubectl(&["rollout", "restart", "deployment/web"])?;
            namespace.kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"])?;
            ensure!(
                web.pod(".spec.initContainers[*].name")?.contains("kith-sidecar"),
                "it has no sidecar yet"
            );
            Ok(())
        })?;
        let with = "1 pod goes on with a sidecar until restarted: kubectl -n";
        told(&set, &removed, [with, "is not in the posture Observe"])
    })
}

#[test]
fn an_object_that_means_nobody_now_is_stored_with_a_warning() -> anyhow::Result<()> {
    in_mesh("nobody", |_, namespace| {
        let here = &namespace.name;
        App::start(namespace, "orders", &[])?.ready()?;
        let policy = format!(
            "
apiVersion: kith.dev/v1alpha1
kind: AuthorizationPolicy
metadata: {{ name: callers, namespace: {here} }}
spec:
  targetRefs: [{{ kind: Pod, selector: {{ matchLabels: {{ app: ordres }} }} }}]
  action: ALLOW
  rules: [{{ sources: [{{ type: ServiceAccount, serviceAccount: {{ namespace: {here}, name: ordrs }} }}] }}]
"
        );
        let apply = |object: &str| -> anyhow::Result<Said> { run("kubectl", &["apply", "-f", "-"], object) };
        let said = apply(&policy)?;
        ensure!(said.code == 0, "{said:?}");
        for warning in [
            format!("Warning: app=ordres selects no pod of the mesh in {here} now; did you mean app=orders?"),
            format!("Warning: there is no service account {here}/ordrs now; did you mean orders?"),
        ] {
            ensure!(said.stderr.contains(&warning), "{warning:?} is not said: {said:?}");
        }
        let said = apply(&policy.replace("ordres", "orders").replace("ordrs", "orders"))?;
        ensure!(said.code == 0 && said.stderr.is_empty(), "{said:?}");
        Ok(())
    })
}
