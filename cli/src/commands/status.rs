//! `kith status`: workloads, svids and policies of a running mesh.

use kith_runtime::Clock;

use crate::args::{AskArgs, Output};
use crate::exit::Exit;
use crate::local::admin::Admin;
use crate::render::{self, json, status};

/// Asks, and prints the answer.
pub(crate) async fn run(args: AskArgs) -> anyhow::Result<Exit> {
    let mut admin = Admin::connect(&args.find_socket()?).await?;
    let answer = admin.status().await?;
    match args.output {
        Output::Table => render::print(&status::table(&answer, Clock::system().now()))?,
        Output::Json => render::print(&json::pretty(&status::StatusJson::from(&answer))?)?,
    }
    Ok(Exit::Ok)
}
