//! An edit, and how long until the same call has another answer.

use std::time::Duration;

use anyhow::bail;
use tokio::time::{Instant, sleep};

use super::stage::Stage;
use super::{ALLOWED, DENIED, PATIENCE};
use crate::local::check::{Edit, INTRUDER, Mark};
use crate::local::demo_mesh::{ORDERS_FILE, PAYMENTS_FILE};

/// How often the call is made while it is to flip.
pub(super) const AGAIN: Duration = Duration::from_millis(20);

/// Writes the file and makes the call until it gets the answer that the edit is about; how long that took.
pub(super) async fn flip(stage: &Stage<'_>, edit: Edit, text: &str) -> anyhow::Result<Duration> {
    let want = if edit.allows() { ALLOWED } else { DENIED };
    stage.journal.mark(Mark::Edited(edit));
    let began = Instant::now();
    let by_intruder = edit.call().0 == INTRUDER;
    stage.files.write(if by_intruder { PAYMENTS_FILE } else { ORDERS_FILE }, text)?;
    while began.elapsed() < PATIENCE {
        let answer = if by_intruder { stage.intrude().await? } else { stage.order().await? };
        if answer.status == want {
            let took = began.elapsed();
            stage.journal.mark(Mark::Flipped(edit, took));
            return Ok(took);
        }
        sleep(AGAIN).await;
    }
    bail!("the call did not become {want} within {PATIENCE:?}")
}
