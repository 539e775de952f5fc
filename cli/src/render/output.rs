//! Where text goes: data to standard output, everything else to standard error. Colours are dropped where they are
//! not wanted (no terminal, `NO_COLOR`).

use std::io::{self, IsTerminal as _, Write as _};

use anyhow::Context as _;
use serde::Serialize;

use super::json;

/// Nobody reads our standard output any more, as after `kith tap | head`. Not a failure.
#[derive(Debug, thiserror::Error)]
#[error("standard output was closed")]
pub struct Closed;

/// Writes one or more whole lines of data.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = anstream::stdout();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Closed.into()),
        written => written.context("cannot write to standard output"),
    }
}

/// Writes one value as a line of JSON.
pub fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    print(&json::line(value)?)
}

/// Writes what is not data. When standard error is gone, nobody can be told.
pub fn report(text: &str) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// How many columns the terminal has that our data goes to; `None` when it goes elsewhere.
pub fn terminal_width() -> Option<usize> {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    // A terminal that does not know its size is taken for the usual one.
    let known = rustix::termios::tcgetwinsize(&stdout).ok().map(|size| usize::from(size.ws_col));
    Some(known.filter(|&columns| columns > 0).unwrap_or(80))
}
