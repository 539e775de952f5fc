//! `kith status`: workloads, svids and policies of a running mesh. Exit code 2 says that the newest edit of the
//! policies is not in force.

use kith_runtime::Clock;

use super::ask::{self, answered};
use crate::args::{AskArgs, Output};
use crate::exit::Exit;
use crate::render::{self, json, status, terminal_width};

/// Asks, and prints the answer.
pub(crate) async fn run(args: AskArgs) -> anyhow::Result<Exit> {
    let socket = args.find_socket()?;
    let (name, answer) = (socket.name(), ask::status(&socket).await?);
    let exit = if answer.policies_error.is_empty() { Exit::Ok } else { Exit::Findings };
    let text = match args.output {
        Output::Table => status::table(&name, &answer, Clock::system().now(), terminal_width()),
        Output::Json => json::pretty(&status::StatusJson::new(&name, &answer))?,
    };
    answered(render::print(&text), exit)
}
