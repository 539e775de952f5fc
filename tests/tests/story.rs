//! The story that `kith demo` tells, checked as CI checks it: the real binary, every call found again in the logs.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use kith_tests::kith_binary;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

/// The story is told in half a minute; a busy machine takes longer.
const WHOLE: Duration = Duration::from_secs(100);
const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn the_whole_story_holds_and_the_identity_logs_say_the_same() -> anyhow::Result<()> {
    let runtime = tempfile::tempdir()?;
    let said =
        timeout(WHOLE, check(&runtime, "story").output()).await.context("the check does not end")??;
    let progress = String::from_utf8(said.stderr)?;
    let report: Value = serde_json::from_slice(&said.stdout).with_context(|| progress.clone())?;
    assert_eq!(report["problems"], serde_json::json!([]), "{progress}");
    assert_eq!(said.status.code(), Some(0), "{progress}");

    let steps = report["steps"].as_array().context("no steps")?;
    assert_eq!(steps.len(), 6);
    let (figures, number) = (&report["figures"], |value: &Value| value.as_u64());
    let calls = &figures["calls"];
    let [attempted, received, refused] = ["attempted", "received", "refused"].map(|key| number(&calls[key]));
    assert_eq!(number(&calls["failed"]), Some(0));
    assert_eq!(attempted, received.zip(refused).map(|(received, refused)| received + refused));
    assert!(attempted > Some(100), "the load is among them: {calls}");
    assert!(
        number(&figures["rotations"]) >= Some(6),
        "each of three before the kill and after it: {figures}"
    );
    for key in ["cut_ms", "cut_client_ms"] {
        assert!(number(&figures[key]).is_some_and(|millis| millis < 1_000), "{key}: {figures}");
    }
    assert_eq!(figures["quarantine_held_after_kill"], true);

    // Progress, one line each, and no banner.
    assert_eq!(progress.lines().count(), 7, "{progress}");
    assert!(progress.starts_with("ready in ") && progress.contains("\n6/6 "), "{progress}");
    ensure!(std::fs::read_dir(runtime.path())?.count() == 0, "it left files behind");
    Ok(())
}

#[tokio::test]
async fn a_check_that_is_interrupted_reports_nothing_and_fails() -> anyhow::Result<()> {
    let runtime = tempfile::tempdir()?;
    let mut process = check(&runtime, "interrupted").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut progress = BufReader::new(process.stderr.take().context("no stderr")?).lines();
    let begun = timeout(SOON, async {
        while let Some(line) = progress.next_line().await? {
            if line.starts_with("1/6 ") {
                return anyhow::Ok(());
            }
        }
        anyhow::bail!("it ended")
    });
    begun.await.context("the first step was not told")??;
    let pid = i32::try_from(process.id().context("it ended")?)?;
    kill(Pid::from_raw(pid), Signal::SIGTERM)?;
    let said = timeout(SOON, process.wait_with_output()).await.context("it does not end")??;
    assert_eq!(said.status.code(), Some(1));
    assert_eq!(String::from_utf8(said.stdout)?, "", "half a report would pass for a whole one");
    let mut stopped = None;
    while let Some(line) = progress.next_line().await? {
        stopped = Some(line);
    }
    assert!(
        stopped.is_some_and(|line| line.starts_with("stopped after ") && line.ends_with(" of 6 promises"))
    );
    ensure!(std::fs::read_dir(runtime.path())?.count() == 0, "it left files behind");
    Ok(())
}

fn check(runtime: &TempDir, name: &str) -> Command {
    let mut command = Command::new(kith_binary());
    command.args(["demo", "--check", "-o", "json", "--name", name]);
    command.env("XDG_RUNTIME_DIR", runtime.path()).stdin(Stdio::null()).kill_on_drop(true);
    command
}
