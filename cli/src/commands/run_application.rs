//! `kith run-application`: becomes an application of a local mesh, tied to its supervisor. Programs of others do not do
//! that by themselves, nor does every verb of Kith, and would outlive a supervisor that was killed, on ports that the next
//! one wants.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::Context as _;

use crate::args::RunApplicationArgs;
use crate::exit::Exit;

/// Becomes the program, or says why not.
pub(crate) fn run(args: &RunApplicationArgs) -> anyhow::Result<Exit> {
    let (program, arguments) = args.argv.split_first().context("there is no command to run")?;
    kith_runtime::die_with(args.supervisor).context("cannot tie the process to its supervisor")?;
    let mut command = Command::new(program);
    if let Some(title) = &args.title {
        command.arg0(title);
    }
    let error = command.args(arguments).exec();
    Err(error).with_context(|| format!("cannot run {}", program.display()))
}
