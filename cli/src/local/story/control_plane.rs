//! Step 6: the control plane is killed, and stays away for a while. Calls go on; it comes back as the same authority,
//! knows whom it cut off, issues again, and an edit takes effect as before.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::time::{Instant, sleep, timeout};

use super::flip::{AGAIN, flip};
use super::load::during;
use super::stage::Stage;
use super::{AT_MOST, DENIED, Measured, PATIENCE, why};
use crate::local::admin::{Admin, AdminError};
use crate::local::check::{CHAIN, Edit, Mark};
use crate::local::demo_mesh::ORDERS_FILE;

/// How long it stays away.
const AWAY: Duration = Duration::from_secs(3);

pub(super) async fn run(stage: &Stage<'_>) -> anyhow::Result<Measured> {
    let before = stage.status().await?;
    let (outage, total) = during(stage, outage(stage)).await?;
    let after = stage.status().await?;
    let same_root = before.root_sha256 == after.root_sha256;
    let held = still_cut_off(stage).await?;
    let closed = flip(stage, Edit::CloseOrders, &stage.files.without_web()?).await?;
    let open = flip(stage, Edit::OpenOrders, stage.files.original(ORDERS_FILE)?).await?;
    let seconds = |duration: Duration| duration.as_secs_f64();
    Ok(Measured {
        held: total.failed == 0 && same_root && held && closed < AT_MOST && open < AT_MOST,
        lines: vec![
            format!(
                "killed process {} with SIGKILL; it stayed away for {:.1} s",
                outage.killed,
                seconds(outage.away)
            ),
            format!(
                "back as process {} in {} ms, {}",
                outage.back,
                outage.start.as_millis(),
                root(same_root)
            ),
            format!(
                "it issues again: every service that calls had a new svid {:.1} s after the start",
                seconds(outage.issued)
            ),
            total.sentence(),
            format!("the intruder is {}", if held { "still cut off" } else { "NOT CUT OFF ANY MORE" }),
            format!(
                "web taken out of {ORDERS_FILE}: denied {} ms later; put back: allowed {} ms later",
                closed.as_millis(),
                open.as_millis()
            ),
        ],
    })
}

fn root(same: bool) -> &'static str {
    if same { "with the same root" } else { "WITH ANOTHER ROOT" }
}

/// Whether the quarantine of the step before is listed, and refuses a call that the policy allows.
async fn still_cut_off(stage: &Stage<'_>) -> anyhow::Result<bool> {
    let listed = stage.is_quarantined().await?;
    let answer = stage.intrude().await?;
    let reason = why::look_up(stage, &answer).await?.reason();
    Ok(listed && answer.status == DENIED && reason.as_deref() == Some("quarantined"))
}

struct Outage {
    killed: i32,
    back: i32,
    away: Duration,
    start: Duration,
    issued: Duration,
}

async fn outage(stage: &Stage<'_>) -> anyhow::Result<Outage> {
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
    stage.journal.mark(Mark::Released);
    let released = Instant::now();
    control_plane.hold(false);
    control_plane.until_ready(PATIENCE).await?;
    let start = released.elapsed();
    let back = control_plane.pid().context("the control plane does not run")?;
    let issued = timeout(PATIENCE, until_issued(stage, released));
    let (issued, asked) = tokio::join!(issued, ask_for_svids(stage));
    asked?;
    let issued =
        issued.with_context(|| format!("not every service had a new svid within {PATIENCE:?}"))??;
    stage.journal.mark(Mark::Recovered(issued));
    Ok(Outage { killed, back, away, start, issued })
}

/// Waits until the control plane has issued to every service that calls; how long after `since`.
async fn until_issued(stage: &Stage<'_>, since: Instant) -> anyhow::Result<Duration> {
    let mut admin = stage.admin().await?;
    loop {
        let known = admin.identities("").await?.identities;
        let issued = |service: &&str| known.iter().any(|of| of.name == **service && of.issued > 0);
        if CHAIN.iter().all(issued) {
            return Ok(since.elapsed());
        }
        sleep(AGAIN).await;
    }
}

/// Asks for the svids that are not due by themselves.
async fn ask_for_svids(stage: &Stage<'_>) -> anyhow::Result<()> {
    stage.mesh.until_programmed(PATIENCE).await?;
    let mut admin = stage.admin().await?;
    for service in CHAIN {
        if admin.identities(service).await?.identities.iter().all(|of| of.issued == 0) {
            ask_for_svid(&mut admin, service).await?;
        }
    }
    Ok(())
}

async fn ask_for_svid(admin: &mut Admin, service: &str) -> anyhow::Result<()> {
    let renewed = timeout(PATIENCE, async {
        loop {
            match admin.rotate(service).await {
                // It renews by itself just now, and connects again with what it got.
                Err(AdminError::Refused { .. }) => sleep(AGAIN).await,
                renewed => return renewed,
            }
        }
    });
    let renewed = renewed.await.with_context(|| format!("{service} had no new svid within {PATIENCE:?}"))?;
    renewed.with_context(|| format!("{service} has no new svid"))?;
    Ok(())
}
