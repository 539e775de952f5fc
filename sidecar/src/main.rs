//! The sidecar as a program of its own, lean enough for every pod.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use kith_sidecar::Args;

/// Measured: less time for each call than the system's allocator takes, and less memory kept after a burst
/// (docs/decisions/002).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Where Kubernetes takes a container's last words from, for `kubectl describe`. Its log is not taken for them: who may see a
/// pod may not therefore see its calls. Elsewhere there is no such file.
const LAST_WORDS: &str = "/dev/termination-log";

fn main() -> ExitCode {
    match kith_sidecar::run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The one place where an error's whole chain is printed. Where it cannot be said, nobody is left to tell.
            let words = format!("kith-sidecar: {error:#}\n");
            let _ = std::io::stderr().write_all(words.as_bytes());
            let last = OpenOptions::new().write(true).truncate(true).open(LAST_WORDS);
            let _ = last.and_then(|mut file| file.write_all(words.as_bytes()));
            ExitCode::FAILURE
        }
    }
}
