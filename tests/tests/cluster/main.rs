//! The mesh in a real cluster, as its users meet it: installed with Helm, declared with kubectl, asked with kith. Every
//! scenario has namespaces of its own in one installation.
//!
//! Runs inside the network of a cluster that is up and has the images: `make test-cluster`, which also starts it. What
//! is in `alone` disturbs everybody else in the cluster, and is run afterwards, one at a time.

mod admission;
mod alone;
mod calls;
mod egress;
mod inject;
mod jobs;
mod objects;
mod open_calls;
mod outside;
mod probes;
mod quarantine;
mod roles;
mod rotation;
mod workload_api;

use anyhow::Context;
use kith_tests::cluster::{Installation, Namespace, install, report};

/// Runs a scenario in a namespace whose pods are in the mesh. When it fails, the error tells what is there.
fn in_mesh(
    name: &str,
    scenario: impl FnOnce(&'static Installation, &Namespace) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    with_labels(name, &["kith.dev/inject: enabled"], scenario)
}

/// The same, in a namespace with these labels.
fn with_labels(
    name: &str,
    labels: &[&str],
    scenario: impl FnOnce(&'static Installation, &Namespace) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mesh = install()?;
    let namespace = Namespace::new(name, labels, &[])?;
    scenario(mesh, &namespace).with_context(|| report(&[&namespace.name, mesh.namespace]))
}
