//! Rows of the live table, or objects of the same content. The terminal is measured anew for each: it may be resized
//! meanwhile.

use crate::args::Output;
use crate::render::event::{Columns, Shown};
use crate::render::name::Naming;
use crate::render::{self, terminal_width};

/// What comes before the first row.
pub(super) fn begin(output: Output, naming: Naming) -> anyhow::Result<()> {
    match output {
        Output::Table => render::print(&Columns::new(terminal_width(), naming).headings()),
        Output::Json => Ok(()),
    }
}

/// One more.
pub(super) fn show(output: Output, naming: Naming, shown: &Shown) -> anyhow::Result<()> {
    match output {
        Output::Table => render::print(&Columns::new(terminal_width(), naming).row(shown)),
        Output::Json => render::print_json(shown),
    }
}
