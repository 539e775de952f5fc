//! What does the mesh cost in a cluster? Starts of pods, policies, the API server, webhooks and memory, as one table.
//!
//! Owns the measuring. Judges nothing: no figure makes it fail, only a part that could not be measured does. Runs inside
//! the network of a cluster that is up and has the images: `make bench-cluster`, which also starts it.

mod crowd;
mod policies;
mod prometheus;
mod quantile;
mod starts;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use kith_tests::cluster::install;

/// Measure the mesh in a cluster
#[derive(Debug, Parser)]
struct Args {
    /// Tiny counts: shows that everything runs, and measures nothing
    #[arg(long)]
    quick: bool,
    /// `cargo bench` says so to every benchmark. Without it this is somebody's test of all targets.
    #[arg(long, hide = true)]
    bench: bool,
}

/// How much is measured.
#[derive(Debug, Clone, Copy)]
struct Effort {
    /// Pods that are started, of each sort.
    starts: usize,
    /// Edits of a policy.
    edits: usize,
    /// Pods that are there at once.
    crowd: usize,
    /// Renewals that are waited for.
    renewals: u64,
}

const WHOLE: Effort = Effort { starts: 30, edits: 30, crowd: 50, renewals: 1000 };
const QUICK: Effort = Effort { starts: 3, edits: 4, crowd: 5, renewals: 10 };

fn main() -> ExitCode {
    let args = Args::parse();
    // All targets of the workspace are built and run by some; this one would need a cluster.
    if !args.bench {
        return ExitCode::SUCCESS;
    }
    match measure(if args.quick { QUICK } else { WHOLE }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // When nobody reads the error, the exit code still says it.
            let _unread = writeln!(std::io::stderr(), "{error:?}");
            ExitCode::FAILURE
        }
    }
}

fn measure(effort: Effort) -> anyhow::Result<()> {
    install()?;
    for part in [starts::measure, policies::measure, crowd::measure] {
        for line in part(effort)? {
            writeln!(std::io::stdout(), "{line}")?;
        }
    }
    Ok(())
}
