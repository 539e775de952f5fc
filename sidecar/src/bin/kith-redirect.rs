//! The redirect step of a pod, as a program of its own: a file that carries one capability, and ends.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use kith_runtime::Clock;
use kith_runtime::telemetry::{self, Format};
use kith_sidecar::redirect::{Args, run};

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // When neither stream is there, nobody can be told.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(64) } else { ExitCode::SUCCESS };
        }
    };
    if let Err(error) = telemetry::init("info", Format::Auto) {
        return failed(&error.into(), 1);
    }
    match run(&args, &Clock::system()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = error.exit_code();
            failed(&error.into(), code)
        }
    }
}

/// The one place where an error's whole chain is printed.
fn failed(error: &anyhow::Error, code: u8) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "kith-redirect: {error:#}");
    ExitCode::from(code)
}
