//! A real cluster, as somebody with `kubectl`, `helm` and `kith` uses it: what the tests and measurements in a cluster
//! share. It is the one that `tests/cluster/run exec` names, whose tools lie in `PATH`.
//!
//! Owned here: running those commands, waiting for conditions, and what an installation for tests is given. Not owned:
//! starting a cluster (`tests/cluster`), and what has to come out.

mod application;
mod command;
mod installation;
mod namespace;

pub use application::{App, Called, Counts};
pub use command::{Said, apply, apply_refused, helm, kith, kith_json, kubectl, kubectl_json, refused, run};
pub use installation::{Installation, install, uninstall};
pub use namespace::{Namespace, report};

use std::time::Duration;

use anyhow::Context;
use tokio::time::Instant;

/// How often a condition is looked at again.
const AGAIN: Duration = Duration::from_millis(100);

/// Tries until it succeeds, for so long at most; then says why it did not.
pub fn eventually<T>(within: Duration, mut attempt: impl FnMut() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let begun = Instant::now();
    loop {
        match attempt() {
            Err(error) if begun.elapsed() > within => {
                return Err(error).with_context(|| format!("not within {within:?}"));
            }
            Err(_) => std::thread::sleep(AGAIN),
            done => return done,
        }
    }
}

/// Demands that it holds for so long, looked at again and again.
pub fn holds(during: Duration, mut condition: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < during {
        condition()?;
        std::thread::sleep(AGAIN);
    }
    Ok(())
}
