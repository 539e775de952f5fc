//! An application and its sidecar's socket in local mode, while both are killed: who is answered, follows the process that
//! is the application now.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use kith::local::{App, MeshSpec, Process, Protocol, ServiceSpec, Supervisor};
use kith_identity::TrustDomain;
use kith_tests::kith_binary;
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

const SOON: Duration = Duration::from_secs(30);
const NOT_PERMITTED: i32 = 77;

/// A service whose application keeps a folder of svids up to date, by a process that it starts.
fn keeper(folder: &Path) -> ServiceSpec {
    let (kith, folder) = (kith_binary(), folder.display().to_string());
    let script = "\"$0\" svid fetch --write \"$1\" --watch & wait";
    let argv = ["/bin/sh", "-c", script].map(str::to_owned).into_iter();
    let argv = argv.chain([kith.display().to_string(), folder]).collect();
    ServiceSpec {
        name: "keeper".to_owned(),
        namespace: "test".to_owned(),
        service_account: "keeper".to_owned(),
        labels: BTreeMap::new(),
        app: App::Process(Process { argv, ..Process::default() }),
        calls: Vec::new(),
        port: 0,
        protocol: Protocol::Detect,
        workload_api: true,
    }
}

/// The state that the folder shows now: each svid that is written is another.
fn shown(folder: &Path) -> Option<PathBuf> {
    std::fs::read_link(folder.join("..data")).ok()
}

/// Waits until the folder shows another state than this one.
async fn next_after(folder: &Path, before: Option<PathBuf>) -> anyhow::Result<Option<PathBuf>> {
    let deadline = Instant::now() + SOON;
    loop {
        let now = shown(folder);
        if now.is_some() && now != before {
            return Ok(now);
        }
        ensure!(Instant::now() < deadline, "nothing is written after {before:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// The exit code of somebody who asks and is neither the application nor its child.
async fn stranger(socket: &Path) -> anyhow::Result<Option<i32>> {
    let mut kith = Command::new(kith_binary());
    kith.args(["svid", "fetch", "--timeout", "1s", "--socket", &format!("unix://{}", socket.display())]);
    let said = kith.stdin(Stdio::null()).kill_on_drop(true).output();
    Ok(timeout(SOON, said).await.context("it does not end")??.status.code())
}

// W2
// Conforms: Endpoint 6 permission-denied, Endpoint 5 checks
#[tokio::test]
async fn an_application_is_answered_through_restarts_of_both_and_nobody_else_ever_is() -> anyhow::Result<()> {
    let (policies, folder) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let trust_domain = TrustDomain::parse("test.local")?;
    let services = vec![keeper(folder.path())];
    let mut spec = MeshSpec::new("workload-api", trust_domain, policies.path(), kith_binary(), services);
    spec.watch_policies = false;
    let mesh = Supervisor::start(spec).await?;
    let first = next_after(folder.path(), None).await?;
    let endpoints = mesh.endpoints("keeper").context("no endpoints")?;
    let socket = endpoints.workload_api.clone().context("no socket")?;
    ensure!(stranger(&socket).await? == Some(NOT_PERMITTED));
    // The next sidecar has an svid of its own, and knows the application that was there before it.
    mesh.sidecar("keeper").context("no sidecar")?.kill()?;
    let second = next_after(folder.path(), first).await?;
    // The next application is another process.
    mesh.application("keeper").context("no application")?.kill()?;
    next_after(folder.path(), second).await?;
    ensure!(stranger(&socket).await? == Some(NOT_PERMITTED));
    mesh.stop().await?;
    ensure!(!socket.exists(), "the socket is left behind");
    Ok(())
}
