//! A container that gets svids for itself: it has the pod's identity and its sidecar's svid, through every rotation. Its
//! neighbours, who were not named, have nothing.

use std::time::Duration;

use anyhow::{Context, ensure};
use kith_tests::cluster::{Namespace, apply_refused, eventually, run};
use serde_json::{Value, json};

use crate::in_mesh;

const FOLDER: &str = "/run/kith/workload-api";
const POD: &str = "
apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: NAMESPACE
  annotations: { config.kith.dev/workload-api: \"$NAMED\" }
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - { name: app, image: \"kith.test/app:1\", imagePullPolicy: Never, $APP }
    - { name: other, image: \"kith.test/app:1\", imagePullPolicy: Never, args: [--port=8081, --tcp-port=0, --grpc-port=0] }
";

fn pod(named: &str, app: &str) -> String {
    POD.replace("$NAMED", named).replace("$APP", app)
}

/// What a command in a container said, and whether it succeeded.
fn exec(namespace: &Namespace, container: &str, command: &[&str]) -> anyhow::Result<(bool, String)> {
    let here = ["--namespace", &namespace.name, "exec", "web", "-c", container, "--"];
    let said = run("kubectl", &[&here[..], command].concat(), "")?;
    Ok((said.code == 0, [said.stdout, said.stderr].concat()))
}

/// What the container gets, by the standard's messages and without any library of ours.
fn svid(namespace: &Namespace, container: &str) -> anyhow::Result<Value> {
    let (good, said) = exec(namespace, container, &["/kith-test-app", "--svid"])?;
    ensure!(good, "no svid in {container}: {said}");
    serde_json::from_str(&said).with_context(|| said.clone())
}

#[test]
fn a_named_container_gets_the_pods_svid_through_rotations_and_its_neighbour_nothing() -> anyhow::Result<()> {
    in_mesh("workload-api", |mesh, namespace| {
        namespace.apply(&pod("app", "args: []"))?;
        namespace.kubectl(&["wait", "--for=condition=Ready", "pod/web", "--timeout=90s"])?;
        let first = svid(namespace, "app")?;
        ensure!(first["identity"] == mesh.identity(&namespace.name, "default"), "{first}");
        ensure!(first["keyMatches"] == true && first["verifies"] == true, "{first}");
        // By mount and by variable, the other one has no way there.
        let (good, said) = exec(namespace, "other", &["/kith-test-app", "--svid"])?;
        ensure!(!good && said.contains("SPIFFE_ENDPOINT_SOCKET is not set"), "{said}");
        let (good, said) = exec(namespace, "other", &["ls", "/run/kith"])?;
        ensure!(!good, "it sees {said}");
        // And the named one can connect to the socket, and neither remove nor replace it.
        for command in [
            &["/bin/busybox", "touch", "/run/kith/workload-api/new"][..],
            &["/bin/busybox", "rm", "-r", "/run/kith/workload-api/sidecar"],
            &["/bin/busybox", "mv", "/run/kith/workload-api/sidecar", "/run/kith/workload-api/gone"],
        ] {
            let (good, said) = exec(namespace, "app", command)?;
            ensure!(!good && said.contains("Read-only file system"), "{command:?}: {said}");
        }
        eventually(Duration::from_secs(u64::from(mesh.svid_seconds) * 2), || {
            let next = svid(namespace, "app")?;
            ensure!(next["verifies"] == true, "{next}");
            ensure!(next["serial"] != first["serial"], "it is still {first}");
            Ok(())
        })
    })
}

#[test]
fn nobody_gets_at_the_socket_who_was_not_named() -> anyhow::Result<()> {
    // K4
    in_mesh("workload-api-refused", |_, namespace| {
        let named = |named: &str, app: &str| pod(named, app).replace("NAMESPACE", &namespace.name);
        let mount = format!("volumeMounts: [{{ name: kith-workload-api, mountPath: {FOLDER} }}]");
        let own = "env: [{ name: SPIFFE_ENDPOINT_SOCKET, value: \"unix:///tmp/agent.sock\" }]";
        for (text, reason) in [
            (named("ap", "args: []"), "the pod has no such container; there are: app, other"),
            (named("app", own), "config.kith.dev/workload-api sets SPIFFE_ENDPOINT_SOCKET"),
            (named("other", &mount), "whoever reaches its socket has the pod's identity"),
        ] {
            let said = apply_refused(&text)?;
            ensure!(said.contains(reason), "{reason:?} is not said: {said}");
        }
        namespace.apply(&pod("app", "args: []"))?;
        namespace.kubectl(&["wait", "--for=condition=Ready", "pod/web", "--timeout=90s"])?;
        let text = namespace.kubectl(&["get", "pod", "web", "-o", "json"])?;
        let mut later: Value = serde_json::from_str(&text)?;
        let mounted = json!([{ "name": "kith-workload-api", "mountPath": FOLDER, "readOnly": true }]);
        later["spec"]["ephemeralContainers"] = json!([{
            "name": "debug", "image": "kith.test/app:1", "imagePullPolicy": "Never", "volumeMounts": mounted,
        }]);
        let path = format!("/api/v1/namespaces/{}/pods/web/ephemeralcontainers", namespace.name);
        let said = run("kubectl", &["replace", "--raw", &path, "-f", "-"], &later.to_string())?;
        ensure!(said.code != 0 && said.stderr.contains("whoever reaches its socket"), "{said:?}");
        Ok(())
    })
}
