//! `kith check`: whether an installation in a cluster is as it ought to be, a cluster is ready for one, or nobody needs one
//! any more. Exit code 2 says that something is not.

use std::time::Duration;

use kith_control_plane::kubernetes::Installation;
use kith_control_plane::kubernetes::check::{Finding, Outcome, Stage, judge};
use kith_runtime::Clock;
use tokio::time::{Instant, sleep};

use super::ask::{answered, once};
use crate::args::{CheckArgs, FailOn, Output};
use crate::exit::Exit;
use crate::mesh::{self, Mesh};
use crate::render::{self, findings, json};

/// What is waited for takes seconds: pods that start, certificates that are written.
const AGAIN: Duration = Duration::from_secs(2);

/// Looks, as often as was asked for, and prints what was found last.
pub(crate) async fn run(args: CheckArgs) -> anyhow::Result<Exit> {
    let installation = mesh::installation(&args.cluster).await?;
    let stage = match (args.pre, args.before_uninstall) {
        (true, _) => Stage::Before,
        (_, true) => Stage::Leaving,
        _ => Stage::After,
    };
    let deadline = Instant::now() + args.wait.unwrap_or_default();
    let key_secret = args.key_secret.as_deref();
    let mut findings = look(&installation, stage, key_secret).await;
    while is_bad(&findings, args.fail_on) && Instant::now() + AGAIN <= deadline {
        sleep(AGAIN).await;
        findings = look(&installation, stage, key_secret).await;
    }
    let exit = if is_bad(&findings, args.fail_on) { Exit::Findings } else { Exit::Ok };
    let text = match args.output {
        Output::Table => findings::table(&findings),
        Output::Json => json::pretty(&findings::FindingsJson::new(installation.namespace(), &findings))?,
    };
    answered(render::print(&text), exit)
}

async fn look(installation: &Installation, stage: Stage, key_secret: Option<&str>) -> Vec<Finding> {
    let status = match stage {
        Stage::Before => Err("Kith is not installed yet".to_owned()),
        // Whether it answers changes nothing about who would lose it.
        Stage::Leaving => Err("it was not asked".to_owned()),
        Stage::After => {
            let mesh = Mesh::Cluster(installation.clone());
            let status = once(&mesh, async |mut admin| admin.status().await).await;
            status.map_err(|error| error.to_string())
        }
    };
    let now = Clock::system().now();
    let facts = installation.facts(stage, now, env!("CARGO_PKG_VERSION"), status, key_secret).await;
    judge(&facts, stage)
}

fn is_bad(findings: &[Finding], fail_on: FailOn) -> bool {
    let least = match fail_on {
        FailOn::Error => Outcome::Error,
        FailOn::Warning => Outcome::Warning,
    };
    findings.iter().any(|finding| finding.judgement.outcome >= least)
}
