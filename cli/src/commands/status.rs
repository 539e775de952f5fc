//! `kith status`: workloads, svids and policies of a running mesh. Exit code 2 says that the newest edit of the
//! policies is not in force.

use kith_runtime::Clock;

use super::ask::{self, answered};
use crate::args::{AskArgs, Output};
use crate::exit::Exit;
use crate::mesh::Mesh;
use crate::render::{self, json, status, terminal_width};

/// Asks, and prints the answer.
pub(crate) async fn run(args: AskArgs) -> anyhow::Result<Exit> {
    let mesh = Mesh::find(&args).await?;
    let (name, answer) = (mesh.name(), ask::status(&mesh).await?);
    let in_force = answer.policies_error.is_empty() && answer.refused_policies.is_empty();
    let exit = if in_force { Exit::Ok } else { Exit::Findings };
    let text = match args.output {
        Output::Table => status::table(&name, &answer, Clock::system().now(), terminal_width()),
        Output::Json => json::pretty(&status::StatusJson::new(&name, &answer))?,
    };
    answered(render::print(&text), exit)
}
