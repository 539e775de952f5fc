//! Commands as people type them. Each has a time in which it must end, and an error that shows what it printed.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use crate::binary::kith_binary;

/// In seconds: `helm --wait` and `kubectl rollout status` have shorter ones of their own.
const SOON: &str = "180";

/// What a command that has ended printed.
#[derive(Debug, Clone)]
pub struct Said {
    /// Its exit code; -1 where a signal ended it.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// Runs a command with this input to its end, whichever that is.
pub fn run(program: &str, args: &[&str], input: &str) -> anyhow::Result<Said> {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", SOON, program]).args(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("{program} cannot be run"))?;
    let mut stdin = child.stdin.take().context("no input")?;
    // A command that does not read to the end says itself what is wrong.
    let fed = std::thread::scope(|scope| {
        let feeding = scope.spawn(move || stdin.write_all(input.as_bytes()));
        let ended = child.wait_with_output();
        let _unread = feeding.join();
        ended
    })?;
    Ok(Said {
        code: fed.status.code().unwrap_or(-1),
        stdout: String::from_utf8(fed.stdout)?,
        stderr: String::from_utf8(fed.stderr)?,
    })
}

fn succeed(program: &str, args: &[&str], input: &str) -> anyhow::Result<String> {
    let said = run(program, args, input)?;
    let shown = || format!("{program} {}\n{input}{}{}", args.join(" "), said.stdout, said.stderr);
    ensure!(said.code == 0, "exit code {}: {}", said.code, shown());
    Ok(said.stdout)
}

/// `kubectl ...`, which must succeed: what it printed.
pub fn kubectl(args: &[&str]) -> anyhow::Result<String> {
    succeed("kubectl", args, "")
}

/// `kubectl ... -o json`, parsed.
pub fn kubectl_json(args: &[&str]) -> anyhow::Result<Value> {
    let text = kubectl(&[args, &["-o", "json"]].concat())?;
    serde_json::from_str(&text).with_context(|| text.clone())
}

/// `kubectl ...`, which must fail: what it said.
pub fn refused(args: &[&str]) -> anyhow::Result<String> {
    let said = run("kubectl", args, "")?;
    ensure!(said.code != 0, "kubectl {} was not refused:\n{}", args.join(" "), said.stdout);
    Ok(said.stderr)
}

/// `kubectl apply -f -` of these objects.
pub fn apply(objects: &str) -> anyhow::Result<()> {
    succeed("kubectl", &["apply", "-f", "-"], objects).map(drop)
}

/// The same, which must fail: what it said.
pub fn apply_refused(objects: &str) -> anyhow::Result<String> {
    let said = run("kubectl", &["apply", "-f", "-"], objects)?;
    ensure!(said.code != 0, "not refused:\n{objects}");
    Ok(said.stderr)
}

/// `helm ...`, which must succeed.
pub fn helm(args: &[&str]) -> anyhow::Result<String> {
    succeed("helm", args, "")
}

/// `kith ...`, to its end.
pub fn kith(args: &[&str]) -> anyhow::Result<Said> {
    let kith = kith_binary();
    run(kith.to_str().context("no name for kith")?, args, "")
}

/// `kith ... -o json`, which must succeed, parsed.
pub fn kith_json(args: &[&str]) -> anyhow::Result<Value> {
    let said = kith(&[args, &["-o", "json"]].concat())?;
    match serde_json::from_str(&said.stdout) {
        Ok(answer) if said.code == 0 => Ok(answer),
        _ => bail!("kith {}: exit code {}\n{}{}", args.join(" "), said.code, said.stdout, said.stderr),
    }
}
