//! `kith run-sidecar`: a sidecar of a local mesh.

use anyhow::Context as _;

use crate::exit::Exit;

/// Runs it until its supervisor is gone or asks it to end.
pub(crate) fn run(args: &kith_sidecar::Args) -> anyhow::Result<Exit> {
    kith_runtime::die_with_parent().context("cannot tie the process to its supervisor")?;
    kith_sidecar::run(args)?;
    Ok(Exit::Ok)
}
