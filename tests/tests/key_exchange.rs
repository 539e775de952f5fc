//! Which key exchanges a mesh agrees to, with a peer that lacks the hybrid: `openssl`, told to offer X25519 alone.

use std::net::SocketAddr;
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use kith_sidecar::identity_log::{Direction, Event};
use kith_tests::{Connection, Mesh, Version};
use tokio::process::Command;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(5);
const HYBRID: &str = "X25519MLKEM768";

/// A handshake by somebody who knows X25519 and nothing newer. It has no svid, so it is refused in any case; the two
/// ends agree on a key exchange before that.
async fn old_peer(at: SocketAddr) -> anyhow::Result<Output> {
    let mut openssl = Command::new("openssl");
    openssl.args(["s_client", "-tls1_3", "-groups", "X25519", "-connect", &at.to_string()]);
    let output = openssl.stdin(Stdio::null()).kill_on_drop(true).output();
    timeout(SOON, output).await.context("it does not end")?.context("openssl cannot be run; install it")
}

/// The reason and the detail of the first refusal of a session by `backend`.
async fn refusal(mesh: &Mesh) -> anyhow::Result<(String, String)> {
    let found = mesh.record.until_line("backend", "a refusal is logged", SOON, |line| match &line.event {
        Event::SessionRefused(refused) => Some((refused.reason.clone(), refused.detail.clone())),
        _ => None,
    });
    found.await
}

async fn call(mesh: &Mesh) -> anyhow::Result<()> {
    let mut client = Connection::open(mesh.outbound("caller")?, Version::Http1).await?;
    ensure!(client.call("GET", "/", "").await?.status.as_u16() == 200);
    let opened = mesh.record.sessions("caller", Direction::Outbound)?;
    ensure!(opened.iter().all(|opened| opened.facts.group == HYBRID) && !opened.is_empty(), "{opened:?}");
    Ok(())
}

#[tokio::test]
async fn a_mesh_that_requires_the_hybrid_works_and_agrees_to_nothing_older() -> anyhow::Result<()> {
    let mesh = Mesh::start_requiring_pq("require-pq").await?;
    call(&mesh).await?;
    let said = old_peer(mesh.inbound("backend")?).await?;
    ensure!(!said.status.success(), "{said:?}");
    let (reason, detail) = refusal(&mesh).await?;
    ensure!(reason == "tls_error", "{reason}: {detail}");
    // So does the control plane: whoever asks it for an svid has to know the hybrid.
    let said = old_peer(mesh.supervisor.control_plane().address()).await?;
    ensure!(!said.status.success(), "{said:?}");
    mesh.stop().await
}

#[tokio::test]
async fn a_mesh_that_prefers_the_hybrid_uses_it_and_goes_on_to_judge_a_peer_that_lacks_it()
-> anyhow::Result<()> {
    let mesh = Mesh::start("prefer-pq", 60).await?;
    call(&mesh).await?;
    old_peer(mesh.inbound("backend")?).await?;
    let (reason, detail) = refusal(&mesh).await?;
    ensure!(reason == "no_client_certificate", "{reason}: {detail}");
    mesh.stop().await
}
