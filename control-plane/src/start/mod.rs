//! Wiring: from settings to a control plane that answers, and back to nothing. Every task is one of `tasks`, and ends
//! when the stop begins.
//!
//! [`local`] starts under a supervisor, [`kubernetes`] in a pod; [`services`] is what both of them run.

mod kubernetes;
mod local;
mod services;

use std::time::Duration;

use anyhow::Context;
use kith_runtime::telemetry::{self, Format};
use kith_runtime::{HealthPort, Stopper, Tasks, drain};

use crate::config::{Args, LogFormat, Platform};
#[cfg(test)]
pub(crate) use local::ControlPlane;

/// The control plane signs and sends; two threads serve thousands of sidecars.
const THREADS: usize = 2;
/// What open calls get to finish in.
const DEADLINE: Duration = Duration::from_secs(3);

/// Runs the control plane until its supervisor goes, or a signal asks it to stop.
pub fn run(args: Args) -> anyhow::Result<()> {
    let Args { log_level, log_format, platform } = args;
    let format = match log_format {
        LogFormat::Auto => Format::Auto,
        LogFormat::Text => Format::Text,
        LogFormat::Json => Format::Json,
    };
    telemetry::init(&log_level, format)?;
    kith_runtime::raise_file_limit().context("the limit of open files cannot be raised")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    match platform {
        None => {
            kith_runtime::die_with_parent().context("the end of the supervisor cannot be watched")?;
            runtime.block_on(local::process())
        }
        Some(Platform::Kubernetes(args)) => runtime.block_on(kubernetes::process(&args)),
    }
}

/// What has to be ended, whatever started it.
struct Running {
    health: HealthPort,
    stopper: Stopper,
    tasks: Tasks,
}

impl Running {
    /// Ends everything: open calls have until the deadline, or until `hurry`. Says how many tasks were cut off.
    async fn stop(self, hurry: impl Future) -> usize {
        let cut = drain(&self.stopper, &self.tasks, DEADLINE, hurry).await;
        self.health.close().await;
        cut
    }
}
