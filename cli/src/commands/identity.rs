//! `kith identity list`, `show` and `rotate`: the identities of a running mesh and their svids.

use kith_runtime::Clock;

use super::ask::{answered, ask, change};
use crate::args::{AskArgs, IdentityCommand, Output, WorkloadArgs};
use crate::exit::Exit;
use crate::local::admin::AdminError;
use crate::mesh::Mesh;
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
    let mesh = Mesh::find(&args).await?;
    let answer = ask(&mesh, async |mut admin| admin.identities("").await).await?;
    match args.output {
        Output::Table => Ok(identity::list(&answer, Clock::system().now(), terminal_width())),
        Output::Json => json::pretty(&IdentitiesJson::new(&answer)),
    }
}

async fn show(args: WorkloadArgs) -> anyhow::Result<String> {
    let mesh = Mesh::find(&args.ask).await?;
    let answer = ask(&mesh, async |mut admin| admin.identities(&args.workload).await).await?;
    let [one] = answer.identities.as_slice() else {
        let names: Vec<_> = answer.identities.iter().map(|one| one.name.as_str()).collect();
        let (count, names) = (names.len(), names.join(", "));
        let reason = format!("{:?} names {count} workloads; name one of them: {names}", args.workload);
        return Err(AdminError::UnknownWorkload { reason }.into());
    };
    match args.ask.output {
        Output::Table => Ok(identity::show(one, Clock::system().now())),
        Output::Json => json::pretty(&IdentityJson::from(one)),
    }
}

async fn rotate(args: WorkloadArgs) -> anyhow::Result<String> {
    let mesh = Mesh::find(&args.ask).await?;
    let answer = change(&mesh, async |mut admin| admin.rotate(&args.workload).await).await?;
    match args.ask.output {
        Output::Table => Ok(identity::rotated(&answer, Clock::system().now())),
        Output::Json => json::pretty(&RotatedJson::from(&answer)),
    }
}
