//! `kith identity list`, `show` and `rotate`: the identities of a running mesh and their svids.

use kith_runtime::Clock;

use super::ask::{answered, ask, change};
use crate::args::{AskArgs, IdentityCommand, Output, WorkloadArgs};
use crate::exit::Exit;
use crate::local::admin::AdminError;
use crate::render::identity::{self, IdentitiesJson, IdentityJson, RotatedJson};
use crate::render::{self, json, terminal_width};

/// Asks, and prints the answer.
pub(crate) async fn run(command: IdentityCommand) -> anyhow::Result<Exit> {
    let text = match command {
        IdentityCommand::List(args) => list(args).await?,
        IdentityCommand::Show(args) => show(args).await?,
        IdentityCommand::Rotate(args) => rotate(args).await?,
    };
    answered(render::print(&text), Exit::Ok)
}

async fn list(args: AskArgs) -> anyhow::Result<String> {
    let socket = args.find_socket()?;
    let answer = ask(&socket, async |mut admin| admin.identities("").await).await?;
    match args.output {
        Output::Table => Ok(identity::list(&answer, Clock::system().now(), terminal_width())),
        Output::Json => json::pretty(&IdentitiesJson::new(&answer)),
    }
}

async fn show(args: WorkloadArgs) -> anyhow::Result<String> {
    let socket = args.ask.find_socket()?;
    let answer = ask(&socket, async |mut admin| admin.identities(&args.workload).await).await?;
    let [one] = answer.identities.as_slice() else {
        let count = answer.identities.len();
        let reason = format!("{:?} names {count} workloads, where one was asked for", args.workload);
        return Err(AdminError::UnknownWorkload { reason }.into());
    };
    match args.ask.output {
        Output::Table => Ok(identity::show(one, Clock::system().now())),
        Output::Json => json::pretty(&IdentityJson::from(one)),
    }
}

async fn rotate(args: WorkloadArgs) -> anyhow::Result<String> {
    let socket = args.ask.find_socket()?;
    let answer = change(&socket, async |mut admin| admin.rotate(&args.workload).await).await?;
    match args.ask.output {
        Output::Table => Ok(identity::rotated(&answer, Clock::system().now())),
        Output::Json => json::pretty(&RotatedJson::from(&answer)),
    }
}
