//! What does the mesh cost? A pair of sidecars beside a pair of HAProxy and the bare application, in one run.
//!
//! Owns the measuring: its processes, their load, and the table at the end. Judges nothing: no figure makes it fail,
//! only a part that could not be measured does. How to read the table is in `docs/benchmarks.md`.
//!
//! ```text
//! core 1: load ──► core 0: proxy of the caller ──► proxy of the application ──► core 1: backend
//! ```
//! One executable plays every part: it starts itself again as the backend, the load and the owner of the mesh.

mod backend;
mod certificates;
mod child;
mod cpu;
mod effort;
mod haproxy;
mod issuance;
mod load;
mod measure;
mod noise;
mod pair;
mod policies;
mod results;
mod run;
mod table;

use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Measure the mesh beside HAProxy and the bare application
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    part: Option<Part>,
    /// Tiny counts and one round: shows that everything runs, and measures nothing
    #[arg(long)]
    quick: bool,
    /// How many rounds the medians are of
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=99))]
    rounds: Option<u32>,
    /// `cargo bench` says so to every benchmark. Without it this is somebody's test of all targets, and quick.
    #[arg(long, hide = true)]
    bench: bool,
}

/// The parts that this executable plays for itself.
#[derive(Debug, Subcommand)]
#[command(hide = true)]
enum Part {
    /// Becomes a program that stays on one core and dies with whoever started it
    OnCore {
        core: usize,
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
    /// Answers, until its standard input ends
    Backend,
    /// Makes one load and prints what came of it
    Load { request: String },
    /// Owns a mesh of three sidecars, until its standard input ends
    Pair { request: String },
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match args.part {
        None => block_on(run::run(&effort::Effort::of(args.quick || !args.bench, args.rounds))),
        Some(part) => play(part),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // When nobody reads the error, the exit code still says it.
            let _ = writeln!(std::io::stderr(), "mesh benchmark: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn play(part: Part) -> anyhow::Result<()> {
    match part {
        Part::OnCore { core, command } => on_core(core, &command),
        Part::Backend => block_on(backend::run()),
        Part::Load { request } => say(&load::run(&told(&request)?)?),
        Part::Pair { request } => block_on(pair::run(told(&request)?)),
    }
}

/// Children die with the thread that started them, so everything happens on this one.
fn block_on(part: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    kith_runtime::raise_file_limit().context("the limit of open files cannot be raised")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("the runtime cannot be started")?.block_on(part)
}

fn on_core(core: usize, command: &[OsString]) -> anyhow::Result<()> {
    kith_runtime::die_with_parent().context("the end of the benchmark cannot be watched")?;
    cpu::pin_this_thread(core)?;
    let (program, arguments) = command.split_first().context("no program was named")?;
    let error = Command::new(program).args(arguments).exec();
    Err(error).with_context(|| format!("cannot start {}", program.display()))
}

/// What a part was told on its command line.
fn told<T: DeserializeOwned>(request: &str) -> anyhow::Result<T> {
    serde_json::from_str(request).with_context(|| format!("the request {request:?} cannot be read"))
}

/// What a part tells whoever started it: one line of JSON.
fn say(answer: &impl Serialize) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    serde_json::to_writer(&mut stdout, answer)?;
    stdout.write_all(b"\n")?;
    Ok(stdout.flush()?)
}
