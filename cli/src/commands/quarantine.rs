//! `kith quarantine add`, `list` and `remove`: who is cut off. An emergency tool: it asks nothing back, says on standard
//! error what it hits, and exit code 1 says that a connected sidecar did not confirm.

use kith_proto::v1::{AddQuarantineRequest, QuarantineResponse};
use kith_runtime::Clock;

use super::ask::{answered, ask, change};
use crate::args::{AskArgs, Output, QuarantineAddArgs, QuarantineCommand, WorkloadArgs};
use crate::exit::Exit;
use crate::local::admin::AdminError;
use crate::render::quarantine::{self, Change, EffectJson, QuarantinesJson};
use crate::render::{self, json, terminal_width};

/// Asks or changes, and prints the answer.
pub(crate) async fn run(command: QuarantineCommand) -> anyhow::Result<Exit> {
    match command {
        QuarantineCommand::Add(args) => add(args).await,
        QuarantineCommand::List(args) => list(args).await,
        QuarantineCommand::Remove(args) => remove(args).await,
    }
}

async fn add(args: QuarantineAddArgs) -> anyhow::Result<Exit> {
    let QuarantineAddArgs { reason, dry_run, workload: WorkloadArgs { workload, ask: whom } } = args;
    let socket = whom.find_socket()?;
    let request = AddQuarantineRequest { workload, reason, dry_run: true };
    let preview = ask(&socket, async |mut admin| admin.add_quarantine(request.clone()).await).await?;
    if dry_run {
        let text = match whom.output {
            Output::Table => quarantine::hits(&preview),
            Output::Json => json::pretty(&EffectJson::new(Change::Add, true, &preview))?,
        };
        return answered(render::print(&text), Exit::Ok);
    }
    render::report(&quarantine::hits(&preview));
    let request = AddQuarantineRequest { dry_run: false, ..request };
    let answer = change(&socket, async |mut admin| admin.add_quarantine(request.clone()).await).await;
    let answer = answer.map_err(|error| in_doubt(error, &whom))?;
    let exit = done(Change::Add, whom.output, &answer);
    render::report(&format!("undo it with: kith quarantine remove{} {}", whom.flags(), answer.identity));
    exit
}

async fn remove(args: WorkloadArgs) -> anyhow::Result<Exit> {
    let WorkloadArgs { workload, ask: whom } = args;
    let socket = whom.find_socket()?;
    let answer = change(&socket, async |mut admin| admin.remove_quarantine(&workload).await).await;
    done(Change::Remove, whom.output, &answer.map_err(|error| in_doubt(error, &whom))?)
}

/// A request that was sent may have been carried out although nobody answered.
fn in_doubt(error: anyhow::Error, whom: &AskArgs) -> anyhow::Error {
    match error.downcast_ref() {
        Some(AdminError::Unreachable { .. } | AdminError::Restarting { .. }) => {
            let list = format!("it may have been done; see: kith quarantine list{}", whom.flags());
            error.context(list)
        }
        _ => error,
    }
}

/// What was done. A sidecar that is connected and does not confirm is a failure.
fn done(change: Change, output: Output, answer: &QuarantineResponse) -> anyhow::Result<Exit> {
    let exit = if answer.waiting_for.is_empty() { Exit::Ok } else { Exit::Failed };
    let text = match output {
        Output::Table => quarantine::done(change, answer, Clock::system().now()),
        Output::Json => json::pretty(&EffectJson::new(change, false, answer))?,
    };
    answered(render::print(&text), exit)
}

async fn list(args: AskArgs) -> anyhow::Result<Exit> {
    let socket = args.find_socket()?;
    let answer = ask(&socket, async |mut admin| admin.quarantines().await).await?;
    let text = match args.output {
        Output::Table => quarantine::list(&answer, Clock::system().now(), terminal_width()),
        Output::Json => json::pretty(&QuarantinesJson::new(&answer))?,
    };
    answered(render::print(&text), Exit::Ok)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Command};

    #[test]
    fn a_change_that_nobody_answered_may_have_been_made_and_one_that_was_refused_was_not() {
        let cli = Cli::try_parse_from(["kith", "quarantine", "list", "--name", "shop"]).unwrap();
        let Command::Quarantine(QuarantineCommand::List(whom)) = cli.command else { panic!("another verb") };
        let unreachable = AdminError::Unreachable { socket: "x".into(), reason: "gone".into() };
        for error in [unreachable, AdminError::Restarting { mesh: "shop".into() }] {
            let error = in_doubt(error.into(), &whom);
            assert_eq!(error.to_string(), "it may have been done; see: kith quarantine list --name shop");
            assert_eq!(Exit::of(&error), Exit::Unreachable);
        }
        let refused = in_doubt(AdminError::BadQuestion { reason: "reserved".into() }.into(), &whom);
        assert_eq!((refused.to_string().as_str(), Exit::of(&refused)), ("reserved", Exit::BadInput));
    }
}
