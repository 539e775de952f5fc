//! Calls that are open when somebody is cut off: his end, nobody else's, and the log says why.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use kith_tests::cluster::{App, Namespace, apply, eventually, kubectl};
use tokio::time::Instant;

use crate::in_mesh;

/// A line comes every 100 ms.
const SOON: Duration = Duration::from_secs(10);
/// From a stored quarantine to the end of the calls that it cuts.
const CUT: Duration = Duration::from_secs(1);

/// A stream that a workload reads.
struct Stream {
    process: Child,
    lines: Receiver<String>,
}

impl Stream {
    /// Opens it, and waits for its first line.
    fn open(namespace: &Namespace, caller: &str, url: &str) -> anyhow::Result<Self> {
        let deployment = format!("deployment/{caller}");
        let mut command = Command::new("kubectl");
        command.args(["--namespace", &namespace.name, "exec", &deployment, "-c", "app", "--"]);
        command.args(["wget", "-qO-", url]).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn()?;
        let printed = BufReader::new(process.stdout.take().context("no output")?);
        let (sender, lines) = channel();
        // It ends with the process.
        thread::spawn(move || printed.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let stream = Self { process, lines };
        stream.goes_on().with_context(|| format!("the stream of {caller} did not begin"))?;
        Ok(stream)
    }

    /// Something is still sent.
    fn goes_on(&self) -> anyhow::Result<()> {
        while self.lines.try_recv().is_ok() {}
        self.lines.recv_timeout(SOON).context("no line")?;
        Ok(())
    }

    /// Reads to the end: when it was.
    fn ended(&self) -> anyhow::Result<Instant> {
        let by = Instant::now() + SOON;
        loop {
            match self.lines.recv_timeout(by.saturating_duration_since(Instant::now())) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(Instant::now()),
                Err(RecvTimeoutError::Timeout) => bail!("it has not ended within {SOON:?}"),
            }
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.process.kill();
        let _ended = self.process.wait();
    }
}

/// One that is lifted when this value goes.
struct Quarantine {
    name: String,
}

impl Quarantine {
    /// Stores it.
    fn of(namespace: &Namespace, account: &str) -> anyhow::Result<Self> {
        let name = format!("{}-{account}", namespace.name);
        apply(&format!(
            "apiVersion: kith.dev/v1alpha1\nkind: Quarantine\nmetadata: {{ name: {name} }}\nspec:\n  \
             serviceAccount: {{ namespace: {}, name: {account} }}\n  reason: its key has leaked\n",
            namespace.name
        ))?;
        Ok(Self { name })
    }
}

impl Drop for Quarantine {
    fn drop(&mut self) {
        // It is about nobody but this scenario.
        let _left = kubectl(&["delete", "quarantine", &self.name]);
    }
}

#[test]
fn an_open_stream_of_a_quarantined_caller_is_cut_within_a_second_and_no_other() -> anyhow::Result<()> {
    in_mesh("open", |mesh, namespace| {
        let [web, other, orders] = ["web", "other", "orders"].map(|name| App::start(namespace, name, &[]));
        let (web, other, orders) = (web?.ready()?, other?.ready()?, orders?.ready()?);
        orders.allow(&["web", "other"])?;
        web.call_until(&orders.url("/"), 200)?;
        other.call_until(&orders.url("/"), 200)?;
        let url = orders.url("/stream");
        let (cut, stays) = (Stream::open(namespace, "web", &url)?, Stream::open(namespace, "other", &url)?);

        let _quarantine = Quarantine::of(namespace, "web")?;
        let stored = Instant::now();
        let took = cut.ended()?.saturating_duration_since(stored);
        ensure!(took <= CUT, "cut after {took:?}");
        stays.goes_on().context("the stream of somebody else was cut")?;

        let caller = mesh.identity(&namespace.name, "web");
        eventually(SOON, || {
            // Both sidecars know at once, and whichever is first has cut it.
            let lines = [web.identity_log()?, orders.identity_log()?].concat();
            let of_stream = lines
                .iter()
                .filter(|line| line["url.path"] == "/stream" && line["kith.source.identity"] == *caller);
            let of_stream: Vec<_> = of_stream.collect();
            let told = of_stream.iter().any(|line| line["kith.denial.reason"] == "quarantined");
            ensure!(told, "no log says why the stream ended: {of_stream:#?}");
            Ok(())
        })
    })
}
