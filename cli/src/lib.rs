//! How do people drive it? The command line, and local mode: a mesh on one machine.
//!
//! Owns the verbs, how answers look ([`render`]), exit codes, and the supervisor of local mode ([`local`]), which
//! the end-to-end tests use as well. Decides nothing about calls and holds no key of the mesh but the one that signs
//! statements.

pub mod args;
mod commands;
pub mod exit;
pub mod local;
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
            render::report(&format!("kith: {}", render::escape::lines(&format!("{error:#}"))));
        }
        exit
    })
}
