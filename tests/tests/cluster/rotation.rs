//! Svids of 20 s under load: renewed again and again, and no call is lost.

use std::time::Duration;

use anyhow::ensure;
use kith_tests::cluster::{App, Namespace, eventually};
use serde_json::Value;

use crate::in_mesh;

const ROTATIONS: usize = 10;

/// A caller that never stops calling, and whom it calls.
pub(crate) struct Load<'a> {
    pub(crate) caller: App<'a>,
    pub(crate) called: App<'a>,
}

impl<'a> Load<'a> {
    /// Starts both, the caller once its calls are allowed.
    pub(crate) fn start(namespace: &'a Namespace) -> anyhow::Result<Self> {
        let called = App::start(namespace, "called", &[])?.ready()?;
        called.allow(&["caller"])?;
        namespace.kubectl(&["wait", "--for=condition=Programmed", "kap/called-callers", "--timeout=30s"])?;
        let url = called.url("/load");
        let caller = App::start(namespace, "caller", &["--call", &url, "--every", "20ms"])?.ready()?;
        let load = Self { caller, called };
        load.goes_on()?;
        Ok(load)
    }

    /// Waits for a hundred more calls that went well.
    pub(crate) fn goes_on(&self) -> anyhow::Result<()> {
        let before = self.caller.counts()?.ok;
        eventually(Duration::from_secs(30), || {
            let counts = self.caller.counts()?;
            ensure!(counts.ok >= before + 100, "calls do not go on: {counts:?}");
            Ok(())
        })
    }

    /// Demands that of all calls until now none was refused or failed, by the caller's own count.
    pub(crate) fn lost_nothing(&self) -> anyhow::Result<()> {
        let counts = self.caller.counts()?;
        ensure!(counts.lost() == 0, "lost calls: {counts:?}");
        ensure!(counts.attempted - counts.ok <= 16, "calls are neither answered nor lost: {counts:?}");
        Ok(())
    }
}

/// How often an svid was renewed by this sidecar, its first one aside.
pub(crate) fn renewals(log: &[Value]) -> usize {
    let renewed = |line: &&Value| line["event"] == "svid_renewed" && line["kith.previous.serial"].is_string();
    log.iter().filter(renewed).count()
}

#[test]
fn ten_rotations_on_both_sides_lose_no_call() -> anyhow::Result<()> {
    in_mesh("rotation", |mesh, namespace| {
        let load = Load::start(namespace)?;
        // Renewed at two thirds of its life at the latest.
        let long = Duration::from_secs(u64::from(mesh.svid_seconds) * (ROTATIONS as u64 + 2));
        eventually(long, || {
            for app in [&load.caller, &load.called] {
                let renewals = renewals(&app.identity_log()?);
                ensure!(renewals >= ROTATIONS, "{renewals} renewals");
            }
            Ok(())
        })?;
        load.lost_nothing()?;
        // And by the logs: no call was refused, or broke off.
        for app in [&load.caller, &load.called] {
            let bad = |line: &&Value| {
                line["url.path"] == "/load"
                    && (line["kith.verdict"] == "deny" || !line["error.type"].is_null())
            };
            let lines = app.identity_log()?;
            ensure!(lines.iter().find(bad).is_none(), "{:#}", lines.iter().find(bad).unwrap_or(&Value::Null));
        }
        Ok(())
    })
}
