//! `docs/kubernetes.md` as somebody with an empty cluster follows it: its files are written, every command in it is run
//! in its order, in two terminals, and what it shows is compared with what is printed.
//!
//! Runs inside the network of a cluster that is up and has the images, and leaves none of it there: `make test-cluster`.

use std::os::unix::fs::symlink;

use anyhow::{Context, ensure};
use kith_tests::page::{Page, Reader, Terminal};
use kith_tests::{kith_binary, repository};

/// What was installed, by the kinds that do not go with a namespace and those that a namespace could keep.
const KINDS: &str = "crd,clusterroles,clusterrolebindings,mutatingwebhookconfigurations,\
                     validatingwebhookconfigurations,configmaps,secrets,persistentvolumeclaims";

/// Nothing in it means anything else here.
struct Kubernetes;

impl Page for Kubernetes {
    const ASKING: &'static [&'static str] = &[
        "kith why",
        "kith status",
        "kith explain",
        "kubectl get",
        "kubectl -n shop get",
        "kubectl -n kith get",
        "kubectl auth can-i",
    ];
}

#[tokio::test]
async fn every_command_of_the_page_about_kubernetes_does_what_it_shows() -> anyhow::Result<()> {
    let home = tempfile::tempdir()?;
    symlink(repository().join("charts"), home.path().join("charts"))?;
    let mut reader = Reader::new(Kubernetes, home.path(), home.path());
    let kith = kith_binary();
    let folder = kith.parent().context("no folder")?.display();
    for terminal in [&mut reader.first, &mut reader.second] {
        terminal.run(&format!("export PATH={folder}:$PATH")).await?;
    }
    let followed = reader.follow(&repository().join("docs/kubernetes.md")).await;
    let ended = reader.close().await;
    followed.and(ended)?;
    left_nothing(&mut reader.first).await
}

/// Of the cluster's own nothing belongs to Kith; namespaces take their time to go.
async fn left_nothing(terminal: &mut Terminal) -> anyhow::Result<()> {
    terminal.run("kubectl wait --for=delete namespace/kith namespace/shop --timeout=50s").await?;
    terminal.printed.clear();
    let count = format!("kubectl get {KINDS} --all-namespaces -o name | grep -c kith # exit code 1");
    terminal.run(&count).await?;
    ensure!(terminal.printed.trim() == "0", "left behind: {}", terminal.printed);
    Ok(())
}
