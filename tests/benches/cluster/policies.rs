//! How long a policy takes from `kubectl apply` to the first call that is judged by it: from the start of the command
//! to the line in the identity log of the called workload, under a call every 5 ms.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use kith::local::check::read_moment;
use kith_runtime::Clock;
use kith_tests::cluster::{App, Namespace, eventually};
use serde_json::Value;

use crate::Effort;
use crate::quantile::line;

pub(crate) fn measure(effort: Effort) -> anyhow::Result<Vec<String>> {
    let namespace = Namespace::meshed("policies")?;
    let called = App::start(&namespace, "called", &[])?.ready()?;
    let url = called.url("/");
    App::start(&namespace, "caller", &["--call", &url, "--every", "5ms"])?.ready()?;
    let mut samples = Vec::new();
    for number in 0..effort.edits {
        let (callers, verdict) = [("caller", "allow"), ("nobody", "deny")][number % 2];
        let begun = Clock::system().now();
        called.allow(&[callers])?;
        samples.push(eventually(Duration::from_secs(30), || first(&called.identity_log()?, begun, verdict))?);
    }
    Ok(vec![line("kubectl apply of a policy to enforced", &samples)])
}

/// How long after this moment the first call had this verdict.
fn first(log: &[Value], begun: SystemTime, verdict: &str) -> anyhow::Result<Duration> {
    let after = |line: &Value| {
        let is_call = line["event"] == "call" && line["kith.direction"] == "inbound";
        let time = line["time"].as_str().filter(|_| is_call && line["kith.verdict"] == verdict)?;
        let time = UNIX_EPOCH + Duration::from_millis(u64::try_from(read_moment(time)?).ok()?);
        time.duration_since(begun).ok()
    };
    log.iter().filter_map(after).min().with_context(|| format!("no call yet with the verdict {verdict}"))
}
