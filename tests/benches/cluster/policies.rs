//! How long a policy takes from `kubectl apply` to the first call that is judged by it: from the start of the command
//! to the line in the identity log of the called workload, under a call every 5 ms.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use kith_runtime::Clock;
use kith_tests::cluster::{App, Namespace, eventually};
use serde_json::Value;

use crate::Effort;
use crate::quantile::line;

const DAY: u64 = 24 * 3600 * 1000;

pub(crate) fn measure(effort: Effort) -> anyhow::Result<Vec<String>> {
    let namespace = Namespace::meshed("policies")?;
    let called = App::start(&namespace, "called", &[])?.ready()?;
    let url = called.url("/");
    App::start(&namespace, "caller", &["--call", &url, "--every", "5ms"])?.ready()?;
    let mut samples = Vec::new();
    for number in 0..effort.edits {
        let (callers, verdict) = [("caller", "allow"), ("nobody", "deny")][number % 2];
        let begun = of_day(Clock::system().now())?;
        called.allow(&[callers])?;
        let judged = eventually(Duration::from_secs(30), || first(&called.identity_log()?, begun, verdict))?;
        samples.push(Duration::from_millis(judged));
    }
    Ok(vec![line("kubectl apply of a policy to enforced", &samples)])
}

/// How long after this moment of the day the first call had this verdict, in milliseconds.
fn first(log: &[Value], begun: u64, verdict: &str) -> anyhow::Result<u64> {
    let after = |line: &Value| {
        let is_call = line["event"] == "call" && line["kith.direction"] == "inbound";
        let time = line["time"].as_str().filter(|_| is_call && line["kith.verdict"] == verdict)?;
        let after = (time_of_day(time)? + DAY - begun) % DAY;
        // What was before is nearly a day after.
        (after < DAY / 2).then_some(after)
    };
    log.iter().filter_map(after).min().with_context(|| format!("no call yet with the verdict {verdict}"))
}

fn of_day(time: SystemTime) -> anyhow::Result<u64> {
    Ok(u64::try_from(time.duration_since(UNIX_EPOCH)?.as_millis())? % DAY)
}

/// Of `2026-11-21T18:24:48.622Z`, in milliseconds.
fn time_of_day(text: &str) -> Option<u64> {
    let time = text.split_once('T')?.1.strip_suffix('Z')?;
    let mut parts = time.split([':', '.']).map(str::parse::<u64>);
    let mut next = || parts.next()?.ok();
    let (hours, minutes, seconds, millis) = (next()?, next()?, next()?, next()?);
    Some(((hours * 60 + minutes) * 60 + seconds) * 1000 + millis)
}
