//! `docs/first-hour.md` as a newcomer follows it: its files are written, every command in it is run in its order, in
//! two terminals, and what it shows is compared with what is printed.
//! What its fences mean is `kith_tests::page`'s.
//!
//! Two lines are checked and not run, because this test belongs to what they make: the clone, whose address has to be
//! the workspace's own and which leaves links to this checkout; and the build, which has to be the very command of
//! `make demo`, whose result lies beside this test.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use kith_tests::page::{self, Fence, Kind, Said, Terminal, fences, is_shown};
use kith_tests::{kith_binary, repository};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

const SOON: Duration = Duration::from_secs(20);
const AGAIN: Duration = Duration::from_millis(100);
const PLACEHOLDER: &str = "kith why ID";
/// Verbs that only ask: they may be asked again until what just happened was reported.
const ASKING: [&str; 5] = ["kith why", "kith status", "kith edges", "kith explain", "kith identity list"];

#[tokio::test]
async fn every_command_of_the_first_hour_does_what_the_page_shows() -> anyhow::Result<()> {
    let text = std::fs::read_to_string(repository().join("docs/first-hour.md"))?;
    let fences = fences(&text)?;
    ensure!(fences.len() >= 20, "the page was not understood: {} fences", fences.len());
    let mut reader = Reader::new()?;
    let followed = reader.follow_all(&fences).await;
    // Whatever went wrong: a mesh that is killed at once leaves the applications that it started.
    let ended = reader.close().await;
    followed.and(ended)?;
    reader.left_nothing()
}

/// Who follows the page.
struct Reader {
    first: Terminal,
    second: Terminal,
    home: TempDir,
    runtime: TempDir,
    /// Ports of the page that are taken on this machine, and those that the mesh chose instead.
    ports: Vec<(String, String)>,
}

impl Reader {
    fn new() -> anyhow::Result<Self> {
        let (home, runtime) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let [first, second] = [(); 2].map(|()| Terminal::open(home.path(), runtime.path()));
        Ok(Self { first, second, home, runtime, ports: Vec::new() })
    }

    async fn follow_all(&mut self, fences: &[Fence]) -> anyhow::Result<()> {
        for (number, fence) in fences.iter().enumerate() {
            let rest = &fences[number + 1..];
            let followed = self.follow(fence, rest).await;
            followed.with_context(|| format!("line {} of the page", fence.line))?;
        }
        ensure!(!self.first.is_running() && !self.second.is_running(), "the page leaves something running");
        Ok(())
    }

    async fn follow(&mut self, fence: &Fence, rest: &[Fence]) -> anyhow::Result<()> {
        let text = self.with_ports(&fence.text);
        match &fence.kind {
            Kind::File(name) => self.write(name, &text),
            Kind::Commands(terminal) => self.run(*terminal, &text, rest).await,
            Kind::Shown(terminal) => self.sees(*terminal, &text).await,
            Kind::Keys(terminal) => self.terminal(*terminal).press(text.trim()).await,
        }
    }

    fn terminal(&mut self, which: page::Which) -> &mut Terminal {
        match which {
            page::Which::First => &mut self.first,
            page::Which::Second => &mut self.second,
        }
    }

    /// A policy is the one that was just printed: the page says that it was copied.
    fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        if name.starts_with("policies/") {
            ensure!(self.first.printed.contains(text), "not suggested so:\n{text}\n{}", self.first.printed);
        }
        Ok(std::fs::write(self.first.folder.join(name), text)?)
    }

    async fn run(&mut self, which: page::Which, text: &str, rest: &[Fence]) -> anyhow::Result<()> {
        let stays = page::is_ended_by_keys(which, rest);
        let expected = rest.first().filter(|next| next.kind == Kind::Shown(which) && !stays);
        let expected = expected.map(|next| self.with_ports(&next.text)).unwrap_or_default();
        let asks = text.lines().all(|line| ASKING.iter().any(|verb| line.starts_with(verb)));
        let begun = Instant::now();
        loop {
            let ran = self.run_once(which, text, stays).await;
            let seen = ran.and_then(|()| is_shown(&expected, &self.terminal(which).printed));
            // What was refused a moment ago may not have been reported yet.
            if seen.is_ok() || !asks || begun.elapsed() > SOON {
                return seen;
            }
            sleep(AGAIN).await;
        }
    }

    async fn run_once(&mut self, which: page::Which, text: &str, stays: bool) -> anyhow::Result<()> {
        self.terminal(which).printed.clear();
        let count = text.lines().count();
        for (number, line) in text.lines().enumerate() {
            let line = self.prepared(line).await.with_context(|| line.to_owned())?;
            let terminal = self.terminal(which);
            if stays && number + 1 == count {
                terminal.start(&line)?;
            } else {
                terminal.run(&line).await.with_context(|| line.clone())?;
            }
        }
        Ok(())
    }

    /// The line as it is typed here: see the head of this file.
    async fn prepared(&mut self, line: &str) -> anyhow::Result<String> {
        if let Some(clone) = line.strip_prefix("git clone ") {
            let (from, then) = clone.split_once(" kith && ").context("the folder is not kith")?;
            self.clone_from(from)?;
            return Ok(then.to_owned());
        }
        if line.starts_with("cargo build ") {
            self.build(line).await?;
            return Ok("true".to_owned());
        }
        if line == PLACEHOLDER {
            let id = self.second.newest_denial().context("no denial was shown")?;
            return Ok(line.replace("ID", &id));
        }
        Ok(line.to_owned())
    }

    fn clone_from(&self, address: &str) -> anyhow::Result<()> {
        let manifest = std::fs::read_to_string(repository().join("Cargo.toml"))?;
        ensure!(manifest.contains(&format!("\nrepository = \"{address}\"\n")), "{address} is not ours");
        let clone = self.clone_folder();
        std::fs::create_dir(&clone)?;
        for entry in std::fs::read_dir(repository())? {
            let entry = entry?;
            if entry.file_name() != "target" {
                symlink(entry.path(), clone.join(entry.file_name()))?;
            }
        }
        Ok(())
    }

    async fn build(&self, line: &str) -> anyhow::Result<()> {
        let mut make = Command::new("make");
        make.args(["--dry-run", "demo"]).current_dir(repository());
        let said = timeout(SOON, make.output()).await.context("make does not end")??;
        let said = String::from_utf8(said.stdout)?;
        ensure!(said.lines().any(|of_make| of_make == line), "not what make demo runs:\n{said}");
        let target = self.clone_folder().join("target");
        std::fs::create_dir(&target)?;
        let built = kith_binary();
        Ok(symlink(built.parent().context("no folder")?, target.join("debug"))?)
    }

    fn clone_folder(&self) -> PathBuf {
        self.home.path().join("kith")
    }

    async fn sees(&mut self, which: page::Which, expected: &str) -> anyhow::Result<()> {
        let terminal = self.terminal(which);
        if !terminal.is_running() {
            return is_shown(expected, &terminal.printed);
        }
        for wanted in expected.lines() {
            let said = timeout(SOON, self.next_like(which, wanted)).await;
            let printed = &self.terminal(which).printed;
            said.with_context(|| format!("not shown in time: {wanted}\n{printed}"))??;
        }
        Ok(())
    }

    async fn next_like(&mut self, which: page::Which, wanted: &str) -> anyhow::Result<()> {
        loop {
            let Said::Line(line) = self.terminal(which).next_line().await? else {
                bail!("it ended without: {wanted}\n{}", self.terminal(which).printed);
            };
            let line = self.learn_port(&line);
            if page::is_like(&self.with_ports(wanted), line) {
                return Ok(());
            }
        }
    }

    /// `http://127.0.0.1:40123  (3000 is taken)`: from here on, that is what the page means. Returns the rest.
    fn learn_port<'a>(&mut self, line: &'a str) -> &'a str {
        let taken = line.strip_suffix(" is taken)").and_then(|line| line.rsplit_once("  ("));
        let Some((shown, port)) = taken else { return line };
        if let Some((_, instead)) = shown.rsplit_once(':') {
            self.ports.push((port.to_owned(), instead.to_owned()));
        }
        shown
    }

    fn with_ports(&self, text: &str) -> String {
        let replaced = |text: String, (port, instead): &(String, String)| text.replace(port, instead);
        self.ports.iter().fold(text.to_owned(), replaced)
    }

    /// Ends what still runs.
    async fn close(&mut self) -> anyhow::Result<()> {
        for terminal in [&mut self.first, &mut self.second] {
            if terminal.is_running() {
                terminal.press("Ctrl-C").await?;
            }
        }
        Ok(())
    }

    /// Nothing but the clone.
    fn left_nothing(&self) -> anyhow::Result<()> {
        let left = names(self.home.path())?;
        ensure!(left == ["kith"], "left behind: {left:?}");
        let left = names(self.runtime.path())?;
        ensure!(left.is_empty(), "left in the runtime folder: {left:?}");
        Ok(())
    }
}

fn names(folder: &Path) -> anyhow::Result<Vec<String>> {
    let entries = std::fs::read_dir(folder)?;
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}
