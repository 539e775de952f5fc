//! Policies as objects of the cluster: what kubectl shows of them, what is refused, and what the installation may do.

use std::time::Duration;

use anyhow::ensure;
use kith_tests::cluster::{
    App, Namespace, eventually, holds, kith_json, kubectl, kubectl_json, refused, run,
};

use crate::in_mesh;

const POLICY: &str = "
apiVersion: kith.dev/v1alpha1
kind: AuthorizationPolicy
metadata: { name: readers, namespace: NAMESPACE }
spec:
  targetRefs: [{ kind: Pod, selector: { matchLabels: { app: orders } } }]
  action: ALLOW
  rules:
  - name: read
    sources: [{ type: ServiceAccount, serviceAccount: { namespace: NAMESPACE, name: web } }]
    operations: [{ http: { methods: [GET], paths: [\"/orders/{id}\"] } }]
";

#[test]
fn the_check_finds_nothing_wrong() -> anyhow::Result<()> {
    in_mesh("check", |mesh, _| {
        let said = mesh.check(&["--wait", "60s"])?;
        ensure!(said.code == 0, "exit code {}\n{}{}", said.code, said.stdout, said.stderr);
        Ok(())
    })
}

#[test]
fn a_policy_is_programmed_diffs_clean_and_is_explained() -> anyhow::Result<()> {
    in_mesh("objects", |_, namespace| {
        let orders = App::start(namespace, "orders", &[])?.ready()?;
        let policy = POLICY.replace("NAMESPACE", &namespace.name);
        let applied = run("kubectl", &["apply", "--server-side", "-f", "-"], &policy)?;
        ensure!(applied.code == 0, "{applied:?}");
        namespace.kubectl(&["wait", "--for=condition=Programmed", "kap/readers", "--timeout=30s"])?;
        let diff = run("kubectl", &["diff", "--server-side", "-f", "-"], &policy)?;
        ensure!(diff.code == 0 && diff.stdout.is_empty(), "kubectl diff: {diff:?}");

        let shown = namespace.kubectl(&["get", "kap", "readers"])?;
        ensure!(
            shown.contains("ALLOW") && shown.contains("Pod app=orders") && shown.contains("True"),
            "{shown}"
        );
        let written = version_of(namespace)?;
        holds(Duration::from_secs(3), || {
            ensure!(version_of(namespace)? == written, "written again although nothing changed");
            Ok(())
        })?;
        let pod = orders.pod(".metadata.name")?;
        let status = kith_json(&["status"])?.to_string();
        ensure!(status.contains(&pod), "kith status does not name {pod}: {status}");
        let explained = kubectl(&["explain", "authorizationpolicy.spec.rules"])?;
        ensure!(explained.contains("sources") && explained.contains("DESCRIPTION"), "{explained}");
        ensure!(!explained.contains("<no description>"), "a field without a description: {explained}");
        Ok(())
    })
}

#[test]
fn a_policy_that_selects_nobody_is_in_force_and_says_so() -> anyhow::Result<()> {
    in_mesh("nobody", |_, namespace| {
        let orders = App::start(namespace, "orders", &[])?.ready()?;
        let pod = orders.pod(".metadata.name")?;
        ensure!(!pod.is_empty(), "no pod");
        namespace.apply(&POLICY.replace("app: orders", "app: order"))?;
        for condition in ["Accepted=True", "Programmed=True", "ResolvedRefs=False"] {
            let condition = format!("--for=condition={condition}");
            namespace.kubectl(&["wait", &condition, "kap/readers", "--timeout=30s"])?;
        }
        let shown = namespace.kubectl(&["get", "kap", "readers", "-o", "wide"])?;
        ensure!(shown.contains("app=order selects no pod"), "{shown}");
        ensure!(shown.contains("did you mean app=orders?"), "{shown}");
        Ok(())
    })
}

fn version_of(namespace: &Namespace) -> anyhow::Result<String> {
    namespace.kubectl(&["get", "kap", "readers", "-o=jsonpath={.metadata.resourceVersion}"])
}

#[test]
fn a_field_that_nobody_knows_is_refused_although_kubectl_ignores_it() -> anyhow::Result<()> {
    // K26
    in_mesh("unknown", |_, namespace| {
        let misspelt = POLICY.replace("NAMESPACE", &namespace.name).replace("operations", "operatoins");
        let said = run("kubectl", &["apply", "--validate=ignore", "-f", "-"], &misspelt)?;
        ensure!(said.code != 0 && said.stderr.contains("operatoins"), "{said:?}");
        Ok(())
    })
}

#[test]
fn the_control_plane_may_read_no_secret_and_run_nothing() -> anyhow::Result<()> {
    // K25
    in_mesh("rbac", |mesh, _| {
        let account = format!("--as=system:serviceaccount:{}:kith-control-plane", mesh.namespace);
        for (question, expected) in [
            // An account that is not there may do nothing either.
            ("list pods", "yes"),
            ("list secrets", "no"),
            ("get secrets", "no"),
            ("create pods", "no"),
            ("create pods --subresource=exec", "no"),
            ("delete authorizationpolicies.kith.dev", "no"),
            ("update configmaps", "no"),
            ("create clusterrolebindings", "no"),
            ("impersonate users", "no"),
            ("* *", "no"),
        ] {
            let words: Vec<_> = question.split(' ').collect();
            let ask = [&["auth", "can-i"], &words[..], &["--all-namespaces", &account]].concat();
            let answer = run("kubectl", &ask, "")?;
            ensure!(answer.stdout.trim() == expected, "{question}: {answer:?}");
        }
        Ok(())
    })
}

#[test]
fn a_deleted_namespace_leaves_nothing_behind() -> anyhow::Result<()> {
    in_mesh("gone", |_, namespace| {
        let orders = App::start(namespace, "orders", &[])?.ready()?;
        orders.allow(&["web"])?;
        namespace.kubectl(&["wait", "--for=condition=Programmed", "kap/orders-callers", "--timeout=30s"])?;
        kubectl(&["delete", "namespace", &namespace.name, "--wait", "--timeout=120s"])?;
        eventually(Duration::from_secs(30), || {
            let status = kith_json(&["status"])?.to_string();
            ensure!(!status.contains(&namespace.name), "the control plane still knows it: {status}");
            Ok(())
        })?;
        // What belongs to no namespace, by every kind that Kith writes or the chart has.
        let kinds = "quarantines,mutatingwebhookconfigurations,validatingwebhookconfigurations,clusterroles,\
                     clusterrolebindings,persistentvolumes";
        let left = kubectl_json(&["get", kinds])?.to_string();
        ensure!(!left.contains(&namespace.name), "left behind: {left}");
        let gone = refused(&["get", "namespace", &namespace.name])?;
        ensure!(gone.contains("not found"), "{gone}");
        Ok(())
    })
}
