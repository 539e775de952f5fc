//! Step 3: the file is edited, and the same call flips; an invalid edit changes nothing and is shown.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::time::{Instant, sleep};

use super::{ALLOWED, DENIED, Measured, PATIENCE, Stage};
use crate::local::demo_mesh::PAYMENTS_FILE;

/// The promise.
const AT_MOST: Duration = Duration::from_secs(1);
/// How often the call is made while it is to flip.
const AGAIN: Duration = Duration::from_millis(20);
const ORDERS_ALONE: &str = "serviceAccount: { name: orders } }";
const AND_INTRUDER: &str =
    "serviceAccount: { name: orders } }\n    - { type: ServiceAccount, serviceAccount: { name: intruder } }";

pub(super) async fn run(stage: &Stage<'_>) -> anyhow::Result<Measured> {
    let file = stage.policies.join(PAYMENTS_FILE);
    let original = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let edited = original.replace(ORDERS_ALONE, AND_INTRUDER);
    if edited == original {
        bail!("{} is not the file of the demo any more", file.display());
    }
    let open = flip(stage, &file, &edited, ALLOWED).await?;
    let (error, kept) = invalid(stage, &file, &edited).await?;
    let closed = flip(stage, &file, &original, DENIED).await?;
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

/// Writes the file and makes the call until it gets this answer; how long that took.
async fn flip(stage: &Stage<'_>, file: &Path, text: &str, want: u16) -> anyhow::Result<Duration> {
    write(file, text)?;
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if stage.intrude().await?.status == want {
            return Ok(began.elapsed());
        }
        sleep(AGAIN).await;
    }
    bail!("the call did not become {want} within {PATIENCE:?}")
}

/// Writes an edit that is not valid; the error that is shown for it, and whether the call is still allowed.
async fn invalid(stage: &Stage<'_>, file: &Path, valid: &str) -> anyhow::Result<(String, bool)> {
    write(file, &valid.replace("sources:", "sauces:"))?;
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

/// As an editor saves: the file is never half of one text and half of another.
fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    let draft = file.with_extension("draft");
    fs::write(&draft, text)
        .and_then(|()| fs::rename(&draft, file))
        .with_context(|| format!("cannot write {}", file.display()))
}
