//! `kith explain`: what would become of a call, and why. Exit code 2 says that it would be denied.

use kith_proto::v1::ExplainRequest;

use crate::args::{ExplainArgs, Output};
use crate::exit::Exit;
use crate::local::admin::Admin;
use crate::render::{self, explain, json};

/// Asks, and prints the answer.
pub(crate) async fn run(args: ExplainArgs) -> anyhow::Result<Exit> {
    let mut admin = Admin::connect(&args.ask.find_socket()?).await?;
    let request = ExplainRequest {
        source: args.source,
        destination: args.destination,
        method: args.method.unwrap_or_default(),
        path: args.path.unwrap_or_default(),
    };
    let answer = admin.explain(request.clone()).await?;
    match args.ask.output {
        Output::Table => render::print(&explain::table(&request, &answer))?,
        Output::Json => render::print(&json::pretty(&explain::ExplainJson::new(&request, &answer))?)?,
    }
    Ok(if answer.allowed { Exit::Ok } else { Exit::Findings })
}
