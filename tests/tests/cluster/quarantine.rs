//! Quarantine by `kith`: an identity and a single pod, cut off and let in again. It is an object of the cluster.

use anyhow::ensure;
use kith_tests::cluster::{App, kith, kith_json, kubectl, kubectl_json, run};

use crate::in_mesh;

/// Runs `kith quarantine ...`, which must succeed.
fn quarantine(args: &[&str]) -> anyhow::Result<()> {
    let said = kith(&[&["quarantine"], args].concat())?;
    ensure!(
        said.code == 0,
        "kith quarantine {args:?}: exit code {}\n{}{}",
        said.code,
        said.stdout,
        said.stderr
    );
    Ok(())
}

/// Waits until the object that cuts this one off says that every sidecar has it in force.
fn programmed(target: &str) -> anyhow::Result<()> {
    let listed = kith_json(&["quarantine", "list"])?;
    let all = listed["quarantines"].as_array().into_iter().flatten();
    let names = all.filter(|it| it["target"] == target).filter_map(|it| it["object"].as_str());
    let [name] = names.collect::<Vec<_>>()[..] else { anyhow::bail!("not one object: {listed:#}") };
    kubectl(&["wait", "--for=condition=Programmed", &format!("quarantine/{name}"), "--timeout=30s"])?;
    let shown = kubectl(&["get", "quarantine", name])?;
    ensure!(shown.contains("PROGRAMMED") && shown.contains("True"), "{shown}");
    Ok(())
}

#[test]
fn an_identity_and_a_pod_are_cut_off_and_let_in_again() -> anyhow::Result<()> {
    in_mesh("quarantine", |mesh, namespace| {
        let [web, other, orders] = ["web", "other", "orders"].map(|name| App::start(namespace, name, &[]));
        let (web, other, orders) = (web?.ready()?, other?.ready()?, orders?.ready()?);
        orders.allow(&["web", "other"])?;
        let url = orders.url("/");
        web.call_until(&url, 200)?;

        let identity = mesh.identity(&namespace.name, "web");
        quarantine(&["add", &identity, "--reason", "leaked key"])?;
        let objects = kubectl_json(&["get", "quarantines"])?.to_string();
        ensure!(objects.contains(&namespace.name) && objects.contains("leaked key"), "{objects}");
        // Confirmed means in force: nothing is waited for.
        let called = web.call(&url)?;
        ensure!(called.status == 403, "{called:?}");
        ensure!(other.call(&url)?.status == 200, "somebody else is cut off");
        programmed(&identity)?;
        quarantine(&["remove", &identity])?;
        web.call_until(&url, 200)?;

        let pod = format!("{}/{}", namespace.name, web.pod(".metadata.name")?);
        quarantine(&["add", "--pod", &pod])?;
        let called = web.call(&url)?;
        ensure!(called.status == 403, "{called:?}");
        programmed(&format!("pod {pod}"))?;
        ensure!(other.call(&url)?.status == 200, "somebody else is cut off");
        quarantine(&["remove", "--pod", &pod])?;
        web.call_until(&url, 200).map(drop)
    })
}

#[test]
fn who_may_not_write_quarantines_cuts_nobody_off() -> anyhow::Result<()> {
    in_mesh("rights", |mesh, namespace| {
        // Somebody who may do all that an owner of a namespace may.
        let owner = "--as=owner";
        namespace.kubectl(&["create", "rolebinding", "owner", "--clusterrole=admin", "--user=owner"])?;
        let may = namespace.kubectl(&["auth", "can-i", "create", "authorizationpolicies.kith.dev", owner])?;
        ensure!(may.trim() == "yes", "{may}");
        let target = format!(
            "apiVersion: kith.dev/v1alpha1\nkind: Quarantine\nmetadata: {{ name: {0} }}\nspec: {{ identity: \
             \"{1}\" }}\n",
            namespace.name,
            mesh.identity(&namespace.name, "web"),
        );
        let said = run("kubectl", &["create", "-f", "-", owner], &target)?;
        ensure!(said.code != 0 && said.stderr.contains("forbidden"), "{said:?}");
        let reserved = mesh.identity(mesh.namespace, "kith-control-plane");
        let said = kith(&["quarantine", "add", &reserved])?;
        ensure!(said.code != 0 && said.stderr.contains("control plane's own identity"), "{said:?}");
        Ok(())
    })
}
