//! How things look. Everything that a person reads passes through here, and everything that came from elsewhere is
//! escaped here: a service that calls `/\u{1b}[2J` must not write on somebody's terminal.

pub mod check;
pub mod edges;
pub mod escape;
pub mod event;
pub mod explain;
pub mod findings;
pub mod identity;
pub mod json;
pub mod name;
mod output;
pub mod quarantine;
#[cfg(test)]
mod schemas;
pub mod snippet;
pub mod status;
pub(crate) mod svid;
pub(crate) mod svid_inspection;
pub mod table;
pub mod time;
pub mod version;
pub mod why;
pub mod yaml;

pub use output::{Closed, print, print_json, report, terminal_width};
