//! What the documents show is true: every command in them is run, every policy in them is read.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use kith_policy::document;
use kith_runtime::Tasks;
use kith_tests::{kith_binary, repository};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader, Lines};
use tokio::process::{Child, Command};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn every_command_that_a_document_shows_does_what_it_says() -> anyhow::Result<()> {
    let demo = Demo::start().await?;
    let commands = blocks("sh")?;
    ensure!(commands.len() >= 3, "the documents were not found");
    for (file, block) in commands {
        for line in block.lines() {
            let (command, remark) = line.split_once('#').unwrap_or((line, ""));
            let words: Vec<&str> = command.split_whitespace().collect();
            demo.check(&words, remark).await.with_context(|| format!("{}: {line}", file.display()))?;
        }
    }
    demo.stop().await
}

/// What the README shows of Kubernetes runs where it stands a second time: `kubernetes_page` follows that page.
#[test]
fn every_command_of_the_readme_for_a_cluster_stands_in_the_page_that_is_followed() -> anyhow::Result<()> {
    let (readme, page) = (repository().join("README.md"), repository().join("docs/kubernetes.md"));
    let blocks = blocks("sh first")?;
    let of = |wanted: &Path| -> Vec<&str> {
        blocks.iter().filter(|(file, _)| file == wanted).flat_map(|(_, block)| block.lines()).collect()
    };
    let (shown, followed) = (of(&readme), of(&page));
    ensure!(!shown.is_empty(), "the README was not understood");
    for line in shown {
        ensure!(followed.contains(&line), "not in {}: {line}", page.display());
    }
    Ok(())
}

#[test]
fn every_policy_that_a_document_shows_is_one() -> anyhow::Result<()> {
    let policies = blocks("yaml")?;
    ensure!(policies.len() >= 2, "the documents were not found");
    for (file, block) in policies {
        let file = file.display().to_string();
        let read = document::parse(&file, &block)?;
        ensure!(read.len() == 1, "{file}: {} policies", read.len());
    }
    Ok(())
}

/// The fenced blocks of a language in all documents.
fn blocks(language: &str) -> anyhow::Result<Vec<(PathBuf, String)>> {
    let mut blocks = Vec::new();
    for file in documents()? {
        let text = std::fs::read_to_string(&file)?;
        let fences = text.split("```").skip(1).step_by(2);
        let found = fences.filter_map(|fence| fence.strip_prefix(language)?.strip_prefix('\n'));
        blocks.extend(found.map(|block| (file.clone(), block.to_owned())));
    }
    Ok(blocks)
}

fn documents() -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for folder in [repository(), repository().join("docs")] {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "md") {
                files.push(path);
            }
        }
    }
    Ok(files)
}

/// A `kith demo` that runs, as a reader of the README has it.
struct Demo {
    process: Child,
    runtime: TempDir,
    web: String,
    /// Go on reading what it writes: a demo whose reader is gone ends.
    _readers: Tasks,
}

impl Demo {
    /// Starts it and waits for its first allowed and its first denied call: within five seconds of the start.
    async fn start() -> anyhow::Result<Self> {
        let runtime = tempfile::tempdir()?;
        let mut process = kith(&runtime).arg("demo").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let mut table = BufReader::new(process.stdout.take().context("no stdout")?).lines();
        let mut banner = BufReader::new(process.stderr.take().context("no stderr")?).lines();
        let shown = timeout(SOON, async {
            let web =
                find(&mut banner, |line| line.split_whitespace().find(|word| word.starts_with("http://")))
                    .await?;
            find(&mut table, |line| line.contains(" allow ").then_some("")).await?;
            find(&mut table, |line| line.contains(" DENY ").then_some("")).await?;
            anyhow::Ok(web)
        });
        let web = shown.await.context("not within 5 s of the start")??;
        let readers = Tasks::new();
        readers.spawn(read_on(table));
        readers.spawn(read_on(banner));
        Ok(Self { process, runtime, web, _readers: readers })
    }

    /// Runs one command of a document, or shows that CI does.
    async fn check(&self, words: &[&str], remark: &str) -> anyhow::Result<()> {
        match words {
            [] => Ok(()),
            // CI runs `make test` around this very test, and `kith demo` above is what `make demo` ends in.
            ["make", arguments @ ..] => {
                let mut make = Command::new("make");
                make.arg("--dry-run").args(arguments).current_dir(repository());
                succeeded(&output(&mut make).await?)
            }
            ["kith", "tap", ..] => self.tap(&words[1..]).await,
            ["kith", arguments @ ..] => {
                let said = output(kith(&self.runtime).args(arguments)).await?;
                let denied = said.status.code() == Some(2) && remark.contains("denied");
                if denied { Ok(()) } else { succeeded(&said) }
            }
            ["curl", url] => {
                // The port is the demo's to choose when the usual one is taken.
                let url = url.replace("http://127.0.0.1:8080", &self.web);
                succeeded(&output(Command::new("curl").args(["--fail", "--silent", &url])).await?)
            }
            _ => bail!("no test runs this command"),
        }
    }

    async fn tap(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let mut tap = kith(&self.runtime).args(arguments).stdout(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(tap.stdout.take().context("no stdout")?).lines();
        let line = timeout(SOON, find(&mut lines, |line| line.contains(" DENY ").then_some(""))).await;
        tap.kill().await?;
        line.context("no refused call within 5 s")?.map(drop)
    }

    async fn stop(mut self) -> anyhow::Result<()> {
        let pid = i32::try_from(self.process.id().context("the demo has ended")?)?;
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGINT)?;
        timeout(SOON * 2, self.process.wait()).await??;
        ensure!(std::fs::read_dir(self.runtime.path())?.count() == 0, "the demo left files behind");
        Ok(())
    }
}

fn kith(runtime: &TempDir) -> Command {
    let mut command = Command::new(kith_binary());
    command.env("XDG_RUNTIME_DIR", runtime.path()).env("COLUMNS", "120").kill_on_drop(true);
    command
}

async fn find(
    lines: &mut Lines<BufReader<impl AsyncRead + Unpin>>,
    wanted: impl Fn(&str) -> Option<&str>,
) -> anyhow::Result<String> {
    while let Some(line) = lines.next_line().await? {
        if let Some(found) = wanted(&line) {
            return Ok(found.to_owned());
        }
    }
    bail!("the output ended")
}

async fn read_on(mut lines: Lines<BufReader<impl AsyncRead + Unpin>>) {
    while let Ok(Some(_)) = lines.next_line().await {}
}

async fn output(command: &mut Command) -> anyhow::Result<Output> {
    let run = command.stdin(Stdio::null()).kill_on_drop(true).output();
    Ok(timeout(SOON * 2, run).await.context("it does not end")??)
}

fn succeeded(said: &Output) -> anyhow::Result<()> {
    let errors = String::from_utf8_lossy(&said.stderr);
    ensure!(said.status.success(), "{}: {errors}", said.status);
    Ok(())
}
