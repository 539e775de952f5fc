//! How do people drive it? The command line, and local mode: a mesh on one machine.
//!
//! Owns the verbs, how answers look ([`render`]), exit codes, and the supervisor of local mode ([`local`]), which
//! the end-to-end tests use as well. Decides nothing about calls and holds no key of the mesh but the one that signs
//! statements.

pub mod args;
mod commands;
pub mod exit;
pub mod local;
mod mesh;
pub mod render;

use std::ffi::OsString;

use clap::Parser as _;

use crate::args::Cli;
use crate::exit::Exit;

/// Runs the command line.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // When neither stream is there, nobody can be told.
            let _ = error.print();
            // Help and version are what was asked for.
            return if error.use_stderr() { Exit::Usage } else { Exit::Ok };
        }
    };
    commands::run(cli.command).unwrap_or_else(|error| {
        let exit = Exit::of(&error);
        if exit != Exit::Ok {
            render::report(&format!("kith: {}", render::escape::lines(&causes(&error))));
        }
        exit
    })
}

/// An error with its causes. One that the error before it has quoted already is not said again.
fn causes(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |told, cause| match told.as_str() {
        "" => cause,
        before if before.contains(&cause) => told,
        _ => format!("{told}: {cause}"),
    })
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_cause_is_told_once_however_often_it_is_quoted() {
        let plain = anyhow!("no such file").context("cannot read x");
        assert_eq!(causes(&plain), "cannot read x: no such file");
        let quoted = anyhow!("no such file").context("cannot read x: no such file").context("cannot start");
        assert_eq!(causes(&quoted), "cannot start: cannot read x: no such file");
    }
}
