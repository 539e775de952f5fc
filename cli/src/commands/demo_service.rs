//! `kith demo-service`: one service of the demo.

use crate::args::DemoServiceArgs;
use crate::exit::Exit;
use crate::local::demo_app;

/// Runs it until it is asked to end.
pub(crate) async fn run(args: DemoServiceArgs) -> anyhow::Result<Exit> {
    demo_app::run(args).await?;
    Ok(Exit::Ok)
}
