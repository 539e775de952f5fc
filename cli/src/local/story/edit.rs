//! Step 3: the file is edited, and the same call flips; an invalid edit changes nothing and is shown.

use anyhow::bail;
use tokio::time::{Instant, sleep};

use super::flip::{AGAIN, flip};
use super::stage::Stage;
use super::{ALLOWED, AT_MOST, Measured, PATIENCE};
use crate::local::check::Edit;
use crate::local::demo_mesh::PAYMENTS_FILE;

pub(super) async fn run(stage: &Stage<'_>) -> anyhow::Result<Measured> {
    let edited = stage.files.with_intruder()?;
    let open = flip(stage, Edit::OpenPayments, &edited).await?;
    let (error, kept) = invalid(stage, &edited).await?;
    let closed = flip(stage, Edit::ClosePayments, stage.files.original(PAYMENTS_FILE)?).await?;
    Ok(Measured {
        held: open < AT_MOST && closed < AT_MOST && kept && error.contains(PAYMENTS_FILE),
        lines: vec![
            format!("intruder added to {PAYMENTS_FILE}: its call was allowed {} ms later", open.as_millis()),
            format!(
                "a misspelt field: {}, and this error in `kith status`:",
                if kept { "nothing changed" } else { "IT CHANGED" }
            ),
            error,
            format!("the file as it was: the call was denied {} ms later", closed.as_millis()),
        ],
    })
}

/// Writes an edit that is not valid; the error that is shown for it, and whether the call is still allowed.
async fn invalid(stage: &Stage<'_>, valid: &str) -> anyhow::Result<(String, bool)> {
    stage.files.write(PAYMENTS_FILE, &valid.replace("sources:", "sauces:"))?;
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let status = stage.status().await?;
        if !status.policies_error.is_empty() {
            return Ok((status.policies_error, stage.intrude().await?.status == ALLOWED));
        }
        sleep(AGAIN).await;
    }
    bail!("no error was shown for the invalid edit within {PATIENCE:?}")
}
