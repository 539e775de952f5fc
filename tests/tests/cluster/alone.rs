//! What disturbs everybody else in the cluster: run after the others, one at a time.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use kith_tests::cluster::{App, eventually, holds, kith, kubectl, kubectl_json, run, uninstall};
use kith_tests::repository;
use tokio::time::Instant;

use crate::in_mesh;
use crate::rotation::{Load, renewals};

/// Stops or starts a component of the cluster that this test runs in.
fn component(what: &str, name: &str, cluster: &str) -> anyhow::Result<()> {
    let mut command = Command::new(repository().join("tests/cluster/run"));
    let status = command.args([what, "--name", cluster, name]).status()?;
    ensure!(status.success(), "{what} {name}: {status}");
    Ok(())
}

/// The name of the cluster that this test runs in.
fn cluster() -> anyhow::Result<String> {
    let said = run("printenv", &["KITH_CLUSTER"], "")?;
    ensure!(said.code == 0, "not in a cluster: run inside tests/cluster/run exec");
    Ok(said.stdout.trim().to_owned())
}

#[test]
fn the_control_planes_pod_is_deleted_under_load_and_no_call_is_lost() -> anyhow::Result<()> {
    in_mesh("restart", |mesh, namespace| {
        let load = Load::start(namespace)?;
        let renewed = renewals(&load.called.identity_log()?);
        kubectl(&["--namespace", mesh.namespace, "delete", "pod", "--all", "--wait"])?;
        mesh.ready()?;
        load.goes_on()?;
        // By the new one.
        eventually(Duration::from_secs(60), || {
            let now = renewals(&load.called.identity_log()?);
            ensure!(now >= renewed + 2, "{} renewals since", now - renewed);
            Ok(())
        })?;
        load.lost_nothing()
    })
}

#[test]
fn a_quarantine_is_written_while_the_control_plane_is_away_and_holds_once_it_is_back() -> anyhow::Result<()> {
    in_mesh("cut", |mesh, namespace| {
        let [web, orders] = ["web", "orders"].map(|name| App::start(namespace, name, &[]));
        let (web, orders) = (web?.ready()?, orders?.ready()?);
        orders.allow(&["web"])?;
        web.call_until(&orders.url("/"), 200)?;
        scale(mesh.namespace, 0)?;
        let done = cut_off_while_away(&namespace.name);
        let called = web.call(&orders.url("/"));
        scale(mesh.namespace, 1)?;
        mesh.ready()?;
        done?;
        ensure!(called?.status == 200, "nobody told the sidecars");
        // Short svids may have ended meanwhile, and whoever is cut off gets no other one: then its own sidecar has none.
        let refused = || {
            let called = web.call(&orders.url("/"))?;
            ensure!(matches!(called.status, 403 | 503), "not cut off: {called:?}");
            Ok(())
        };
        eventually(Duration::from_secs(30), refused)?;
        holds(Duration::from_secs(3), refused)?;
        let account = format!("{}/web", namespace.name);
        let said = kith(&["quarantine", "remove", "--service-account", &account])?;
        ensure!(said.code == 0, "{said:?}");
        eventually(Duration::from_secs(60), || {
            let called = web.call(&orders.url("/"))?;
            ensure!(called.status == 200, "not let in again: {called:?}");
            Ok(())
        })
    })
}

/// As many control planes; none is left where none is wanted.
fn scale(namespace: &str, replicas: u8) -> anyhow::Result<()> {
    let here = ["--namespace", namespace];
    let replicas = format!("--replicas={replicas}");
    kubectl(&[&here[..], &["scale", "deployment/kith-control-plane", &replicas]].concat())?;
    if replicas.ends_with("=0") {
        let component = "--selector=app.kubernetes.io/component=control-plane";
        kubectl(&[&here[..], &["wait", "--for=delete", "pod", component, "--timeout=60s"]].concat())?;
    }
    Ok(())
}

fn cut_off_while_away(namespace: &str) -> anyhow::Result<()> {
    let account = |name: &str| format!("{namespace}/{name}");
    for name in ["web", "orders"] {
        let said = kith(&["quarantine", "add", "--service-account", &account(name), "--reason", "leaked"])?;
        // Nobody confirmed it.
        ensure!(said.code == 1 && said.stdout.contains("not confirmed"), "{said:?}");
        ensure!(said.stderr.contains("the control plane cannot be asked"), "{said:?}");
    }
    let said = kith(&["quarantine", "remove", "--service-account", &account("orders")])?;
    ensure!(said.code == 1 && said.stderr.contains("was deleted"), "{said:?}");
    let listed = kith(&["quarantine", "list"])?;
    ensure!(listed.code == 0 && listed.stdout.contains(&account("web")), "{listed:?}");
    ensure!(!listed.stdout.contains(&account("orders")), "{listed:?}");
    let said = kith(&["quarantine", "add", "web"])?;
    ensure!(said.code == 65 && said.stderr.contains("--service-account"), "{said:?}");
    Ok(())
}

#[test]
fn calls_and_renewals_go_on_while_the_api_server_is_away() -> anyhow::Result<()> {
    // K32
    let cluster = cluster()?;
    in_mesh("away", |_, namespace| {
        let load = Load::start(namespace)?;
        let before = renewals(&load.called.identity_log()?);
        component("stop", "kube-apiserver", &cluster)?;
        let began = Instant::now();
        // Three lives of an svid: what is not renewed cannot call at the end.
        let waited = holds(Duration::from_secs(60), || {
            ensure!(
                run("kubectl", &["get", "--raw", "/healthz", "--request-timeout=1s"], "")?.code != 0,
                "it is back"
            );
            Ok(())
        });
        component("start", "kube-apiserver", &cluster)?;
        waited?;
        let away = began.elapsed();
        eventually(Duration::from_secs(60), || load.goes_on())?;
        let renewed = renewals(&load.called.identity_log()?) - before;
        ensure!(renewed >= 3, "{renewed} renewals in {away:?}");
        load.lost_nothing()?;
        // Kubernetes' own controllers take their time; who comes next finds them at work.
        let late = App::start(namespace, "late", &[])?;
        eventually(Duration::from_secs(180), || {
            let ready = late.pod(".status.containerStatuses[0].ready")?;
            ensure!(ready == "true", "late is not ready: {ready:?}");
            Ok(())
        })?;
        late.ready().map(drop)
    })
}

#[test]
fn a_quarantined_node_is_cut_off_and_let_in_again() -> anyhow::Result<()> {
    in_mesh("node", |_, namespace| {
        let [web, orders] = ["web", "orders"].map(|name| App::start(namespace, name, &[]));
        let (web, orders) = (web?.ready()?, orders?.ready()?);
        orders.allow(&["web"])?;
        let url = orders.url("/");
        web.call_until(&url, 200)?;
        let node = web.pod(".spec.nodeName")?;
        let said = kith(&["quarantine", "add", "--node", &node, "--reason", "stolen disk"])?;
        let called = web.call(&url);
        let removed = kith(&["quarantine", "remove", "--node", &node])?;
        ensure!(said.code == 0 && removed.code == 0, "{said:?}\n{removed:?}");
        let called = called?;
        ensure!(called.status == 403, "{called:?}");
        web.call_until(&url, 200).map(drop)
    })
}

const MISSPELT: &str = "
apiVersion: kith.dev/v1alpha1
kind: AuthorizationPolicy
metadata: { name: orders-callers, namespace: NAMESPACE }
spec:
  targetRefs: [{ kind: Pod, selector: { matchLabels: { app: orders } } }]
  action: ALLOW
  rules:
  - name: callers
    sourcse: [{ type: ServiceAccount, serviceAccount: { namespace: NAMESPACE, name: web } }]
";

#[test]
fn a_policy_that_slips_past_admission_keeps_its_last_good_version_or_denies_its_namespace()
-> anyhow::Result<()> {
    // K26
    in_mesh("slipped", |mesh, namespace| {
        let names = ["web", "orders", "intruder"];
        let [web, orders, intruder] = names.map(|name| App::start(namespace, name, &[]));
        let (web, orders, intruder) = (web?.ready()?, orders?.ready()?, intruder?.ready()?);
        orders.allow(&["web"])?;
        web.call_until(&orders.url("/"), 200)?;

        kubectl(&["delete", "validatingwebhookconfiguration", "kith-validator"])?;
        let slipped = slip_past(&namespace.name);
        mesh.upgrade(&[])?;
        slipped?;
        eventually(Duration::from_secs(20), || {
            let policy = kubectl_json(&["--namespace", &namespace.name, "get", "kap", "orders-callers"])?;
            let refused = policy["status"].to_string();
            ensure!(refused.contains("sourcse"), "its status does not say why: {refused}");
            Ok(())
        })?;
        // The last good version is in force: neither wider nor gone.
        let (known, unknown) = (web.call(&orders.url("/"))?, intruder.call(&orders.url("/"))?);
        ensure!(known.status == 200 && unknown.status == 403, "{known:?} {unknown:?}");

        // A control plane that has never seen a good version allows nobody there.
        kubectl(&["--namespace", mesh.namespace, "delete", "pod", "--all", "--wait"])?;
        mesh.ready()?;
        // As everywhere where the rules are not known, it is no verdict on the caller: 503.
        web.call_until(&orders.url("/"), 503).map(drop)
    })
}

fn slip_past(namespace: &str) -> anyhow::Result<()> {
    let misspelt = MISSPELT.replace("NAMESPACE", namespace);
    let said = run("kubectl", &["apply", "--validate=ignore", "-f", "-"], &misspelt)?;
    ensure!(said.code == 0, "{said:?}");
    Ok(())
}

/// What the chart made: kind and name of everything that bears its label, its events and the like aside.
fn installed() -> anyhow::Result<Vec<String>> {
    let kinds = "deployments,services,serviceaccounts,configmaps,persistentvolumeclaims,poddisruptionbudgets,roles,\
                 rolebindings,clusterroles,clusterrolebindings,mutatingwebhookconfigurations,\
                 validatingwebhookconfigurations,customresourcedefinitions";
    let text = kubectl(&["get", kinds, "--all-namespaces", "-l=app.kubernetes.io/part-of=kith", "-o=name"])?;
    Ok(text.lines().map(str::to_owned).collect())
}

#[test]
fn an_upgrade_loses_no_call_and_uninstalling_leaves_the_definitions_and_the_claim() -> anyhow::Result<()> {
    in_mesh("upgrade", |mesh, namespace| {
        let load = Load::start(namespace)?;
        mesh.upgrade(&["injector.logLevel=info"])?;
        load.goes_on()?;
        load.lost_nothing()?;

        uninstall()?;
        let left = eventually(Duration::from_secs(60), || {
            let left = installed()?;
            let stays = |name: &&String| {
                name.starts_with("customresourcedefinition.")
                    || name.as_str() == "persistentvolumeclaim/kith-state"
            };
            ensure!(left.iter().all(|name| stays(&name)), "left behind: {left:?}");
            Ok(left)
        });
        // The roots of each namespace go with it.
        let trust = eventually(Duration::from_secs(60), || {
            let said =
                run("kubectl", &["--namespace", &namespace.name, "get", "configmap", "kith-trust"], "")?;
            ensure!(said.code != 0, "the roots are still there");
            Ok(())
        });
        mesh.upgrade(&[])?;
        ensure!(left?.len() == 3, "not the two definitions and the claim");
        trust.context("kith-trust")?;
        // The claim holds the root: who was a member still is.
        load.goes_on()
    })
}
