//! The control plane as a process of its own. Everything is in the library, which `kith run-control-plane` calls too.

use clap::Parser;

fn main() -> anyhow::Result<()> {
    kith_control_plane::run(kith_control_plane::Args::parse())
}
