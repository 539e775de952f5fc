//! `kith man`: the manual pages, made from the help texts.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use clap_mangen::{Man, generate_to};

use super::ask::answered;
use crate::args::{Cli, ManArgs};
use crate::exit::Exit;
use crate::render;

/// Writes the pages of all verbs into a folder, or prints the first one.
pub(crate) fn run(args: &ManArgs) -> anyhow::Result<Exit> {
    let Some(folder) = &args.folder else {
        return answered(render::print(page()?.trim_end()), Exit::Ok);
    };
    write(folder)?;
    render::report(&format!("the manual pages are in {}", folder.display()));
    Ok(Exit::Ok)
}

fn page() -> anyhow::Result<String> {
    let mut page = Vec::new();
    Man::new(Cli::for_people()).render(&mut page).context("cannot make the page")?;
    String::from_utf8(page).context("the page is no text")
}

fn write(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    generate_to(Cli::for_people(), folder).with_context(|| format!("cannot write into {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_page_for_every_verb_and_for_what_is_below_it() {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("new")).unwrap();
        let there = |page: &str| folder.path().join("new").join(page).is_file();
        assert!(there("kith.1") && there("kith-quarantine-add.1") && there("kith-identity-rotate.1"));
        for verb in Cli::for_people().get_subcommands() {
            assert!(there(&format!("kith-{}.1", verb.get_name())), "{}", verb.get_name());
        }
        assert!(!there("kith-run-sidecar.1") && !there("kith-demo-service.1"));
    }

    #[test]
    fn the_page_of_kith_names_its_verbs() {
        let page = page().unwrap();
        assert!(page.starts_with(".ie") && page.contains("quarantine"), "{page}");
    }
}
