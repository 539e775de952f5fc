//! `kith edges`: who called whom, and what became of it.

use super::ask::{answered, ask};
use crate::args::{AskArgs, Output};
use crate::exit::Exit;
use crate::mesh::Mesh;
use crate::render::name::Names;
use crate::render::{self, edges, json, terminal_width};

/// Asks, and prints the answer.
pub(crate) async fn run(args: AskArgs) -> anyhow::Result<Exit> {
    let mesh = Mesh::find(&args).await?;
    let both = ask(&mesh, async |mut admin| Ok((admin.edges().await?, admin.status().await?)));
    let (answer, status) = both.await?;
    let names = match mesh {
        Mesh::Local(_) => Names::of_workloads(&status),
        Mesh::Cluster(_) => Names::of_accounts(&status),
    };
    let text = match args.output {
        Output::Table => edges::table(&answer, &names, terminal_width()),
        Output::Json => json::pretty(&edges::EdgesJson::new(&answer, &names))?,
    };
    answered(render::print(&text), Exit::Ok)
}
