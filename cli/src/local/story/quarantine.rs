//! Step 5: the policies let the intruder in, and the quarantine does not care: its open stream breaks off, its next call
//! is refused, and nobody else notices.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use kith_proto::v1::{AddQuarantineRequest, QuarantineResponse};
use tokio::time::{Instant, timeout};

use super::flip::flip;
use super::load::during;
use super::stage::Stage;
use super::{ALLOWED, AT_MOST, DENIED, LIMIT, Measured, why};
use crate::local::admin::named;
use crate::local::check::{Edit, INTRUDER, Mark};
use crate::local::http_call::OpenAnswer;

/// How much of the stream arrives before it is cut.
const LINES: usize = 3;

pub(super) async fn run(stage: &Stage<'_>) -> anyhow::Result<Measured> {
    let (cut, total) = during(stage, cut_off(stage)).await?;
    let answer = stage.intrude().await?;
    let why = why::look_up(stage, &answer).await?;
    let because = why.reason();
    let mut lines = vec![
        format!("payments lets intruder in: its call was allowed {} ms later", cut.let_in.as_millis()),
        format!(
            "quarantined: its open stream broke off {} ms later, in force at {} sidecars after {} ms",
            cut.took.as_millis(),
            cut.told.in_force_at.len(),
            cut.told.took_ms
        ),
        format!("its next call answered {}, although the policy allows it", answer.status),
    ];
    lines.extend(why.lines(stage));
    lines.push(total.sentence());
    let in_force = cut.told.waiting_for.is_empty();
    let refused = answer.status == DENIED && because.as_deref() == Some("quarantined");
    Ok(Measured { held: total.failed == 0 && cut.took < AT_MOST && in_force && refused, lines })
}

struct CutOff {
    let_in: Duration,
    /// From the command to the broken stream.
    took: Duration,
    told: QuarantineResponse,
}

async fn cut_off(stage: &Stage<'_>) -> anyhow::Result<CutOff> {
    let let_in = flip(stage, Edit::OpenEvents, &stage.files.with_intruder_and_events()?).await?;
    let mut stream = stage.open_events().await?;
    ensure!(stream.status == ALLOWED, "the intruder's stream was answered {}", stream.status);
    for _ in 0..LINES {
        let line = timeout(LIMIT, stream.next()).await.context("the intruder's stream stands still")??;
        line.context("the intruder's stream ended by itself")?;
    }
    let mut admin = stage.admin().await?;
    let reason = "kith demo: an open stream is cut".to_owned();
    let request = AddQuarantineRequest { target: Some(named(INTRUDER)), reason, dry_run: false };
    stage.journal.mark(Mark::Quarantined);
    let began = Instant::now();
    let (told, broken) = tokio::join!(admin.add_quarantine(request), until_broken(&mut stream, began));
    let took = broken?;
    stage.journal.mark(Mark::CutSeen(took));
    Ok(CutOff { let_in, took, told: told? })
}

/// Reads until the stream breaks off; how long after `began`. A proper end would pass for a whole answer.
async fn until_broken(stream: &mut OpenAnswer, began: Instant) -> anyhow::Result<Duration> {
    let broken = async {
        loop {
            match stream.next().await {
                Ok(Some(_)) => {}
                Ok(None) => return false,
                Err(_) => return true,
            }
        }
    };
    let broken = timeout(LIMIT, broken).await;
    let took = began.elapsed();
    ensure!(
        broken.with_context(|| format!("the intruder's stream is still open after {LIMIT:?}"))?,
        "the intruder's stream ended as if it were complete"
    );
    Ok(took)
}
