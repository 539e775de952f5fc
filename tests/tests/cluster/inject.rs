//! `kith inject` without a file: the configuration of the installation in the cluster says how, and whoever cannot read
//! it is told of both ways.

use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};
use kith_tests::cluster::{Installation, Namespace, Said, install, kubectl, kubectl_json, run};
use kith_tests::kith_binary;

const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      containers: [{ name: web, image: web, readinessProbe: { httpGet: { port: 8080, path: /ready } } }]
";
const EMPTY: &str =
    "{ apiVersion: v1, kind: ConfigMap, metadata: { name: kith-config, namespace: NAMESPACE } }";

/// `kith inject -f - ...`, of one Deployment.
fn inject(more: &[&str]) -> anyhow::Result<Said> {
    let kith = kith_binary();
    run(kith.to_str().context("no name for kith")?, &[&["inject", "-f", "-"], more].concat(), DEPLOYMENT)
}

#[test]
fn without_a_file_the_installation_in_the_cluster_says_how() -> anyhow::Result<()> {
    let mesh = install()?;
    let path = "-o=jsonpath={.data.config\\.yaml}";
    let config = kubectl(&["--namespace", mesh.namespace, "get", "configmap", "kith-config", path])?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("config.yaml");
    fs::write(&file, config)?;
    let by_file = inject(&["--config", text(&file)?])?;
    let by_cluster = inject(&["-n", mesh.namespace])?;
    ensure!(by_cluster.code == 0 && by_cluster.stdout.contains("kith-sidecar"), "{by_cluster:?}");
    ensure!(by_cluster.stdout == by_file.stdout, "by file: {by_file:?}\nby cluster: {by_cluster:?}");
    Ok(())
}

#[test]
fn who_gives_no_configuration_is_told_of_both_ways() -> anyhow::Result<()> {
    let mesh = install()?;
    let (missing, empty) = (Namespace::new("missing", &[], &[])?, Namespace::new("empty", &[], &[])?);
    empty.apply(EMPTY)?;
    for namespace in [&missing, &empty] {
        let said = inject(&["-n", &namespace.name])?;
        ensure!(said.code == 69 && said.stdout.is_empty(), "{said:?}");
        ensure!(said.stderr.contains("--config FILE") && said.stderr.contains("with -n"), "{said:?}");
    }
    let folder = tempfile::tempdir()?;
    let kubeconfig = folder.path().join("nobody");
    fs::write(&kubeconfig, kubeconfig_of_nobody(&missing)?)?;
    forbidden(mesh, text(&kubeconfig)?)
}

fn forbidden(mesh: &Installation, kubeconfig: &str) -> anyhow::Result<()> {
    let said = inject(&["--kubeconfig", kubeconfig, "-n", mesh.namespace])?;
    ensure!(said.code == 77, "{said:?}");
    let access = format!("get configmaps in the namespace {}", mesh.namespace);
    ensure!(said.stderr.contains(&access) && said.stderr.contains("--config FILE"), "{said:?}");
    Ok(())
}

/// Whoever uses it is a service account without any right.
fn kubeconfig_of_nobody(namespace: &Namespace) -> anyhow::Result<String> {
    let mut config = kubectl_json(&["config", "view", "--raw", "--flatten", "--minify"])?;
    let users = config["users"].as_array_mut().context("no users")?;
    for user in users {
        user["user"]["as"] = format!("system:serviceaccount:{}:default", namespace.name).into();
    }
    Ok(config.to_string())
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("no text")
}
