//! Quarantine by `kith`: an identity and a single pod, cut off and let in again. It is an object of the cluster.

use anyhow::ensure;
use kith_tests::cluster::{App, kith, kubectl_json, refused};

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
        quarantine(&["remove", &identity])?;
        web.call_until(&url, 200)?;

        let pod = format!("{}/{}", namespace.name, web.pod(".metadata.name")?);
        quarantine(&["add", "--pod", &pod])?;
        let called = web.call(&url)?;
        ensure!(called.status == 403, "{called:?}");
        ensure!(other.call(&url)?.status == 200, "somebody else is cut off");
        quarantine(&["remove", "--pod", &pod])?;
        web.call_until(&url, 200).map(drop)
    })
}

#[test]
fn who_may_not_write_quarantines_cuts_nobody_off() -> anyhow::Result<()> {
    in_mesh("rights", |mesh, namespace| {
        let nobody = format!("--as=system:serviceaccount:{}:default", namespace.name);
        let said = refused(&["auth", "can-i", "create", "quarantines.kith.dev", &nobody])?;
        ensure!(!said.contains("error"), "{said}");
        let reserved = mesh.identity(mesh.namespace, "kith-control-plane");
        let said = kith(&["quarantine", "add", &reserved])?;
        ensure!(said.code != 0, "the reserved identity was cut off");
        Ok(())
    })
}
