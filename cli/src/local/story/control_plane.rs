//! Step 5: the control plane is killed, and stays away for a while. Calls go on; it comes back as the same
//! authority, and issues again.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use kith_sidecar::identity_log::Event as Logged;
use tokio::time::{Instant, sleep, timeout};

use super::load::during;
use super::{Measured, PATIENCE, Stage};
use crate::local::{ChildId, Event, Events};

/// How long it stays away.
const AWAY: Duration = Duration::from_secs(3);

pub(super) async fn run(stage: &Stage<'_>) -> anyhow::Result<Measured> {
    let url = format!("{}/orders/42", stage.outbound("web", "orders")?);
    let before = stage.status().await?;
    let mut events = stage.mesh.events();
    let (outage, total) = during(&url, outage(stage, &mut events)).await;
    let outage = outage?;
    let after = stage.status().await?;
    let same_root = before.root_sha256 == after.root_sha256;
    Ok(Measured {
        held: total.failed == 0 && same_root,
        lines: vec![
            format!(
                "killed process {} with SIGKILL; it stayed away for {:.1} s",
                outage.killed,
                outage.away.as_secs_f64()
            ),
            format!(
                "back as process {} in {} ms, {}",
                outage.back,
                outage.start.as_millis(),
                root(same_root)
            ),
            format!(
                "issuance resumed: {} workloads have new svids {:.1} s later",
                outage.renewed,
                outage.issued.as_secs_f64()
            ),
            total.sentence(),
        ],
    })
}

fn root(same: bool) -> &'static str {
    if same { "with the same root" } else { "WITH ANOTHER ROOT" }
}

struct Outage {
    killed: i32,
    back: i32,
    away: Duration,
    start: Duration,
    issued: Duration,
    renewed: usize,
}

async fn outage(stage: &Stage<'_>, events: &mut Events) -> anyhow::Result<Outage> {
    let control_plane = stage.mesh.control_plane();
    let killed = control_plane.pid().context("the control plane does not run")?;
    let began = Instant::now();
    control_plane.hold(true);
    control_plane.kill()?;
    control_plane.until_ended(PATIENCE).await?;
    // The step is about this time: calls are made, and nobody is there to ask.
    sleep(AWAY).await;
    ensure!(control_plane.pid().is_none(), "the control plane came back although it was held");
    let away = began.elapsed();
    control_plane.hold(false);
    let released = Instant::now();
    control_plane.until_ready(PATIENCE).await?;
    let start = released.elapsed();
    let back = control_plane.pid().context("the control plane does not run")?;
    let renewed = timeout(stage.patience, renewals(stage, events)).await;
    let renewed =
        renewed.with_context(|| format!("not every svid was renewed within {:?}", stage.patience))??;
    stage.mesh.until_programmed(PATIENCE).await?;
    Ok(Outage { killed, back, away, start, issued: released.elapsed(), renewed })
}

/// Waits until every workload has an svid of after the control plane's return; how many there are.
async fn renewals(stage: &Stage<'_>, events: &mut Events) -> anyhow::Result<usize> {
    let all: BTreeSet<String> = stage.mesh.services().map(str::to_owned).collect();
    let mut renewed = BTreeSet::new();
    let mut returned = false;
    while renewed != all {
        match events.next().await.context("the mesh is gone")? {
            Event::Restarted { child: ChildId::ControlPlane, .. } => returned = true,
            Event::Line { service, line } if returned && matches!(line.event, Logged::SvidRenewed(_)) => {
                renewed.insert(service.to_string());
            }
            _ => {}
        }
    }
    Ok(renewed.len())
}
