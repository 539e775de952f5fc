//! `docs/first-hour.md` as a newcomer follows it: its files are written, every command in it is run in its order, in
//! two terminals, and what it shows is compared with what is printed.
//! What its fences mean is `kith_tests::page`'s.
//!
//! Two lines are checked and not run, because this test belongs to what they make: the clone, whose address has to be
//! the workspace's own and which leaves links to this checkout; and the build, which has to be the very command of
//! `make demo`, whose result lies beside this test.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use kith_tests::page::{Page, Reader};
use kith_tests::{kith_binary, repository};

#[tokio::test]
async fn every_command_of_the_first_hour_does_what_the_page_shows() -> anyhow::Result<()> {
    let (home, runtime) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let page = FirstHour { clone: home.path().join("kith"), ports: Vec::new() };
    let mut reader = Reader::new(page, home.path(), runtime.path());
    let followed = reader.follow(&repository().join("docs/first-hour.md")).await;
    // Whatever went wrong: a mesh that is killed at once leaves the applications that it started.
    let ended = reader.close().await;
    followed.and(ended)?;
    let left = names(home.path())?;
    ensure!(left == ["kith"], "left behind: {left:?}");
    let left = names(runtime.path())?;
    ensure!(left.is_empty(), "left in the runtime folder: {left:?}");
    Ok(())
}

fn names(folder: &Path) -> anyhow::Result<Vec<String>> {
    let entries = std::fs::read_dir(folder)?;
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

/// What the page means here.
struct FirstHour {
    /// The clone's folder.
    clone: PathBuf,
    /// Ports of the page that are taken on this machine, and those that the mesh chose instead.
    ports: Vec<(String, String)>,
}

impl Page for FirstHour {
    const ASKING: &'static [&'static str] =
        &["kith why", "kith status", "kith edges", "kith explain", "kith identity list"];

    fn meant(&self, text: &str) -> String {
        let replaced = |text: String, (port, instead): &(String, String)| text.replace(port, instead);
        self.ports.iter().fold(text.to_owned(), replaced)
    }

    /// See the head of this file.
    fn typed(&mut self, line: &str) -> anyhow::Result<String> {
        if let Some(clone) = line.strip_prefix("git clone ") {
            let (from, then) = clone.split_once(" kith && ").context("the folder is not kith")?;
            self.clone_from(from)?;
            return Ok(then.to_owned());
        }
        if line.starts_with("cargo build ") {
            self.build(line)?;
            return Ok("true".to_owned());
        }
        Ok(line.to_owned())
    }

    /// `http://127.0.0.1:40123  (3000 is taken)`: from here on, that is what the page means. Returns the rest.
    fn printed<'a>(&mut self, line: &'a str) -> &'a str {
        let taken = line.strip_suffix(" is taken)").and_then(|line| line.rsplit_once("  ("));
        let Some((shown, port)) = taken else { return line };
        if let Some((_, instead)) = shown.rsplit_once(':') {
            self.ports.push((port.to_owned(), instead.to_owned()));
        }
        shown
    }
}

impl FirstHour {
    fn clone_from(&self, address: &str) -> anyhow::Result<()> {
        let manifest = std::fs::read_to_string(repository().join("Cargo.toml"))?;
        ensure!(manifest.contains(&format!("\nrepository = \"{address}\"\n")), "{address} is not ours");
        std::fs::create_dir(&self.clone)?;
        for entry in std::fs::read_dir(repository())? {
            let entry = entry?;
            if entry.file_name() != "target" {
                symlink(entry.path(), self.clone.join(entry.file_name()))?;
            }
        }
        Ok(())
    }

    fn build(&self, line: &str) -> anyhow::Result<()> {
        let said = Command::new("make").args(["--dry-run", "demo"]).current_dir(repository()).output()?;
        let said = String::from_utf8(said.stdout)?;
        ensure!(said.lines().any(|of_make| of_make == line), "not what make demo runs:\n{said}");
        let target = self.clone.join("target");
        std::fs::create_dir(&target)?;
        let built = kith_binary();
        Ok(symlink(built.parent().context("no folder")?, target.join("debug"))?)
    }
}
