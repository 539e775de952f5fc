//! The roles for people that the chart brings: what each may do, and above all what it may not.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use kith_tests::cluster::{Installation, Namespace, apply, eventually, kith, kubectl, kubectl_json, run};
use serde_json::{Value, json};

use crate::with_labels;

/// Bindings that go when this does.
struct Bound(String);

impl Bound {
    /// A group of this name, bound to a cluster role everywhere, and to a role in Kith's own namespace.
    fn new(group: &str, cluster_role: &str, mesh: &Installation) -> anyhow::Result<Self> {
        // A service account's group has colons, which the name of a binding cannot have.
        let bound = Self(group.replace(':', "-"));
        let name = &bound.0;
        let subject =
            format!("subjects: [{{ kind: Group, name: \"{group}\", apiGroup: rbac.authorization.k8s.io }}]");
        let header = "apiVersion: rbac.authorization.k8s.io/v1";
        apply(&format!(
            "{header}\nkind: ClusterRoleBinding\nmetadata: {{ name: {name} }}\n{subject}\n\
             roleRef: {{ kind: ClusterRole, name: {cluster_role}, apiGroup: rbac.authorization.k8s.io }}\n---\n\
             {header}\nkind: RoleBinding\nmetadata: {{ name: {name}, namespace: {} }}\n{subject}\n\
             roleRef: {{ kind: Role, name: kith-viewer, apiGroup: rbac.authorization.k8s.io }}\n",
            mesh.namespace
        ))?;
        Ok(bound)
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        // That in Kith's namespace means nothing by itself, and goes with it.
        let _left = kubectl(&["delete", "clusterrolebinding", &self.0, "--wait=false"]);
    }
}

/// Whether somebody of a group may, in a namespace. A subresource has an option of its own: behind a slash it would be a name.
fn may(group: &str, namespace: &str, right: &str) -> anyhow::Result<bool> {
    let of_group = format!("--as-group={group}");
    let mut args = vec!["auth", "can-i", "--namespace", namespace, "--as=somebody", of_group.as_str()];
    args.extend(right.split(' '));
    let answer = run("kubectl", &args, "")?;
    match answer.stdout.trim() {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => anyhow::bail!("{right}: {answer:?}"),
    }
}

fn demand(group: &str, namespace: &str, rights: &[(&str, bool)]) -> anyhow::Result<()> {
    // The API server hears of a binding a moment after it was made; what it does not allow it did not allow before.
    if let Some((right, _)) = rights.iter().find(|(_, wanted)| *wanted) {
        eventually(Duration::from_secs(10), || {
            ensure!(may(group, namespace, right)?, "{group} in {namespace} may not {right}");
            Ok(())
        })?;
    }
    for (right, wanted) in rights {
        ensure!(may(group, namespace, right)? == *wanted, "{group} in {namespace}: {right} is not {wanted}");
    }
    Ok(())
}

#[test]
fn a_viewer_asks_and_an_operator_cuts_off_and_neither_reads_secrets() -> anyhow::Result<()> {
    // K25
    with_labels("people", &[], |mesh, namespace| {
        let (viewers, operators) =
            (format!("viewers-{}", namespace.name), format!("operators-{}", namespace.name));
        let _viewers = Bound::new(&viewers, "kith-viewer", mesh)?;
        let _operators = Bound::new(&operators, "kith-operator", mesh)?;
        for (group, cuts_off) in [(&viewers, false), (&operators, true)] {
            demand(
                group,
                &namespace.name,
                &[
                    ("list authorizationpolicies.kith.dev", true),
                    ("list quarantines.kith.dev", true),
                    ("list pods", true),
                    ("create quarantines.kith.dev", cuts_off),
                    ("delete quarantines.kith.dev", cuts_off),
                    ("create authorizationpolicies.kith.dev", false),
                    ("create pods --subresource=portforward", false),
                    ("patch namespaces", false),
                    ("get secrets", false),
                ],
            )?;
            demand(
                group,
                mesh.namespace,
                &[
                    ("create pods --subresource=portforward", true),
                    ("get pods --subresource=portforward", true),
                    ("get configmaps/kith-config", true),
                    ("get configmaps", false),
                    ("get secrets", false),
                    ("create pods --subresource=exec", false),
                ],
            )?;
        }
        Ok(())
    })
}

#[test]
fn a_viewer_sees_the_mesh_with_the_roles_rights_alone() -> anyhow::Result<()> {
    with_labels("viewer", &[], |mesh, namespace| {
        namespace.kubectl(&["create", "serviceaccount", "viewer"])?;
        let group = format!("system:serviceaccounts:{}", namespace.name);
        let token = namespace.kubectl(&["create", "token", "viewer"])?;
        let mut config: Value = kubectl_json(&["config", "view", "--raw", "--minify"])?;
        config["users"][0]["user"] = json!({ "token": token.trim() });
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("kubeconfig");
        std::fs::write(&file, config.to_string())?;
        let file = file.to_str().context("a path")?;
        let status = || kith(&["status", "--kubeconfig", file]);
        let said = status()?;
        ensure!(said.code != 0 && said.stderr.contains("not permitted"), "without a role: {said:?}");
        let _bound = Bound::new(&group, "kith-viewer", mesh)?;
        eventually(Duration::from_secs(10), || {
            let said = status()?;
            ensure!(said.code == 0, "{said:?}");
            Ok(())
        })
    })
}

#[test]
fn policies_are_their_namespaces_and_quarantines_are_in_no_role_of_kubernetes_own() -> anyhow::Result<()> {
    with_labels("owners", &[], |_, namespace| {
        for (role, reads, writes) in [("view", true, false), ("edit", true, true), ("admin", true, true)] {
            let group = format!("{role}-{}", namespace.name);
            namespace.kubectl(&["create", "rolebinding", role, "--clusterrole", role, "--group", &group])?;
            demand(
                &group,
                &namespace.name,
                &[
                    ("list authorizationpolicies.kith.dev", reads),
                    ("create authorizationpolicies.kith.dev", writes),
                    ("delete authorizationpolicies.kith.dev", writes),
                    ("create quarantines.kith.dev", false),
                    ("list quarantines.kith.dev", false),
                ],
            )?;
            demand(&group, &another(namespace), &[("list authorizationpolicies.kith.dev", false)])?;
        }
        Ok(())
    })
}

/// A namespace that is not theirs.
fn another(namespace: &Namespace) -> String {
    format!("not-{}", namespace.name)
}
