//! One thin file for each verb: arguments, one call, one rendering. Beside them what several verbs share: `ask` for
//! questions, `rows` for the live table, `stop_signals`.

mod ask;
mod check;
mod completion;
mod crds;
mod demo;
mod demo_service;
mod dev;
mod edges;
mod explain;
mod identity;
pub(crate) mod inject;
mod man;
mod quarantine;
mod rows;
mod run_application;
mod run_control_plane;
mod run_sidecar;
mod status;
mod stop_signals;
pub(crate) mod svid;
mod tap;
mod version;
mod why;

use anyhow::Context as _;

use crate::args::{Command, RuntimeArgs};
use crate::exit::Exit;
use crate::render;

/// Runs a verb.
pub(crate) fn run(command: Command) -> anyhow::Result<Exit> {
    if let Some(complaint) = command.runtime().and_then(RuntimeArgs::complaint) {
        render::report(&format!("kith: {complaint}"));
    }
    match command {
        Command::Demo(args) => block_on(demo::run(args)),
        Command::Dev(args) => block_on(dev::run(args)),
        Command::Status(args) => block_on(status::run(args)),
        Command::Tap(args) => block_on(tap::run(args)),
        Command::Explain(args) => block_on(explain::run(args)),
        Command::Why(args) => block_on(why::run(args)),
        Command::Edges(args) => block_on(edges::run(args)),
        Command::Check(args) => block_on(check::run(args)),
        Command::Identity(command) => block_on(identity::run(command)),
        Command::Quarantine(command) => block_on(quarantine::run(command)),
        Command::Svid(command) => block_on(svid::run(command)),
        Command::Version(args) => block_on(version::run(args)),
        Command::Completion(args) => completion::run(&args),
        Command::Man(args) => man::run(&args),
        Command::Inject(args) => block_on(inject::run(args)),
        Command::Crds(args) => crds::run(&args),
        Command::DemoService(args) => block_on(demo_service::run(args)),
        Command::RunApplication(args) => run_application::run(&args),
        // These two have threads of their own choice.
        Command::RunControlPlane(args) => run_control_plane::run(args),
        Command::RunSidecar(args) => run_sidecar::run(&args),
    }
}

/// One thread is enough for what people do; it lives until the end, as the supervisor's children need (they die with
/// the thread that started them).
fn block_on(verb: impl Future<Output = anyhow::Result<Exit>>) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot start the runtime")?.block_on(verb)
}
