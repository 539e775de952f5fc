//! A namespace that belongs to one scenario, and what is told about it when the scenario fails.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{apply, kubectl, run};

/// Two scenarios may ask for the same name.
static MADE: AtomicUsize = AtomicUsize::new(0);

/// One namespace; it is deleted, without waiting, when the scenario is over.
#[derive(Debug)]
pub struct Namespace {
    /// Its name: no other run of the tests in the same cluster has it.
    pub name: String,
}

impl Namespace {
    /// Makes one with these labels and annotations, each written `key: value`.
    pub fn new(name: &str, labels: &[&str], annotations: &[&str]) -> anyhow::Result<Self> {
        let name = format!("{name}-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let (labels, annotations) = (labels.join(", "), annotations.join(", "));
        apply(&format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{ name: {name}, labels: {{ {labels} }}, \
             annotations: {{ {annotations} }} }}\n"
        ))?;
        Ok(Self { name })
    }

    /// One whose pods are in the mesh.
    pub fn meshed(name: &str) -> anyhow::Result<Self> {
        Self::new(name, &["kith.dev/inject: enabled"], &[])
    }

    /// `kubectl --namespace THIS ...`, which must succeed.
    pub fn kubectl(&self, args: &[&str]) -> anyhow::Result<String> {
        kubectl(&[&["--namespace", &self.name], args].concat())
    }

    /// Applies objects in which `NAMESPACE` stands for this one.
    pub fn apply(&self, objects: &str) -> anyhow::Result<()> {
        apply(&objects.replace("NAMESPACE", &self.name))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // The cluster ends soon after, and a failure here says nothing about the mesh.
        let _left = kubectl(&["delete", "namespace", &self.name, "--wait=false"]);
    }
}

/// Everything that helps to understand what went wrong in these namespaces.
pub fn report(namespaces: &[&str]) -> String {
    let mut report = String::new();
    let mut tell = |args: &[&str]| {
        report.push_str(&format!("\n$ kubectl {}\n", args.join(" ")));
        match run("kubectl", args, "") {
            Ok(said) => report.push_str(&[said.stdout, said.stderr].concat()),
            Err(error) => report.push_str(&error.to_string()),
        }
    };
    for namespace in namespaces {
        let here = ["--namespace", namespace];
        tell(&[&here, &["get", "pods,jobs,kap", "-o", "wide"][..]].concat());
        tell(&[&here, &["get", "events", "--sort-by=.lastTimestamp"][..]].concat());
        tell(&[&here, &["describe", "pods"][..]].concat());
        for pod in pods(namespace) {
            tell(&[&here, &["logs", pod.as_str(), "--all-containers", "--prefix", "--tail=40"][..]].concat());
        }
    }
    report
}

fn pods(namespace: &str) -> Vec<String> {
    let listed = run("kubectl", &["--namespace", namespace, "get", "pods", "-o=name"], "");
    listed.map(|said| said.stdout.lines().map(str::to_owned).collect()).unwrap_or_default()
}
