//! `kith run-control-plane`: the control plane of a local mesh.

use anyhow::Context as _;

use crate::exit::Exit;

/// Runs it until its supervisor is gone or asks it to end.
pub(crate) fn run(args: kith_control_plane::Args) -> anyhow::Result<Exit> {
    kith_runtime::die_with_parent().context("cannot tie the process to its supervisor")?;
    kith_control_plane::run(args)?;
    Ok(Exit::Ok)
}
