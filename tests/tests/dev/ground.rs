//! What a person has at hand: a folder, the binary, and a `kith dev` whose outputs are read all the time.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};

use anyhow::{Context, ensure};
use kith_runtime::Tasks;
use kith_tests::kith_binary;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{sleep, timeout};

use super::{AGAIN, SOON};

/// A folder of somebody's own, and a runtime folder of the test's.
pub(super) struct Ground {
    pub(super) runtime: TempDir,
    pub(super) folder: PathBuf,
    _parent: TempDir,
}

impl Ground {
    pub(super) fn new(name: &str) -> anyhow::Result<Self> {
        let parent = tempfile::tempdir()?;
        let folder = parent.path().join(name);
        std::fs::create_dir(&folder)?;
        Ok(Self { runtime: tempfile::tempdir()?, folder, _parent: parent })
    }

    pub(super) fn text(&self) -> String {
        self.folder.display().to_string()
    }

    pub(super) fn file(&self) -> String {
        self.folder.join("kith.yaml").display().to_string()
    }

    pub(super) fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        Ok(std::fs::write(self.folder.join(name), text)?)
    }

    pub(super) fn kith(&self) -> Command {
        let mut command = Command::new(kith_binary());
        command.env_clear().env("PATH", "/usr/bin:/bin").env("SECRET", "mine");
        command.env("XDG_RUNTIME_DIR", self.runtime.path()).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// What a command says, on either side; it ends with this code.
    pub(super) async fn said(&self, arguments: &[&str], code: i32) -> anyhow::Result<String> {
        let run = self.kith().args(arguments).output();
        let Output { status, stdout, stderr } = timeout(SOON * 2, run).await.context("it does not end")??;
        let said = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        ensure!(status.code() == Some(code), "{arguments:?} ended with {status}, not {code}: {said}");
        Ok(said)
    }

    /// Starts the mesh of the file.
    pub(super) fn dev(&self, flags: &[&str]) -> anyhow::Result<Dev> {
        let mut command = self.kith();
        command.args(["dev", "-f", &self.file()]).args(flags);
        Dev::of(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
    }

    pub(super) fn runtime_is_empty(&self) -> anyhow::Result<bool> {
        Ok(Path::read_dir(self.runtime.path())?.next().is_none())
    }
}

/// A `kith dev` that runs; both of its outputs are always read.
pub(super) struct Dev {
    pub(super) process: Child,
    events: UnboundedReceiver<String>,
    complaints: UnboundedReceiver<String>,
    _readers: Tasks,
}

impl Dev {
    pub(super) fn of(mut process: Child) -> anyhow::Result<Self> {
        let readers = Tasks::new();
        let events = lines(&readers, process.stdout.take().context("no stdout")?);
        let complaints = lines(&readers, process.stderr.take().context("no stderr")?);
        Ok(Self { process, events, complaints, _readers: readers })
    }

    /// The next event that is wanted.
    pub(super) async fn event(&mut self, wanted: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        let search = async {
            loop {
                let line = self.events.recv().await.context("it ended")?;
                let event = serde_json::from_str(&line).with_context(|| line.clone())?;
                if wanted(&event) {
                    return Ok(event);
                }
            }
        };
        timeout(SOON, search).await.context("no such event in time")?
    }

    /// The next line beside the events that is wanted.
    pub(super) async fn complaint(&mut self, wanted: impl Fn(&str) -> bool) -> anyhow::Result<String> {
        let mut seen = Vec::new();
        let search = async {
            while let Some(line) = self.complaints.recv().await {
                if wanted(&line) {
                    return Ok(line);
                }
                seen.push(line);
            }
            anyhow::bail!("it ended")
        };
        let found = timeout(SOON, search).await.context("no such line in time").flatten();
        found.with_context(|| seen.join("\n"))
    }

    /// Where a service is reached, as the banner says. Then everything runs: the banner comes last.
    pub(super) async fn address_of(&mut self, service: &str) -> anyhow::Result<String> {
        let of_service = |line: &str| line.split_whitespace().nth(1) == Some(service);
        let line = self.complaint(|line| of_service(line) && line.contains("http://")).await?;
        let address = line.split("http://").nth(1).context("no address")?;
        Ok(address.split_whitespace().next().context("no address")?.to_owned())
    }

    /// As Ctrl-C does.
    pub(super) async fn stop(mut self) -> anyhow::Result<ExitStatus> {
        let pid = i32::try_from(self.process.id().context("it has ended")?)?;
        kill(Pid::from_raw(pid), Signal::SIGINT)?;
        Ok(timeout(SOON, self.process.wait()).await.context("it does not end")??)
    }
}

/// The two numbers that an application wrote.
pub(super) fn two_pids(event: &Value) -> anyhow::Result<(Pid, Pid)> {
    let (first, second) =
        event["detail"].as_str().and_then(|text| text.split_once(' ')).context("no text")?;
    Ok((Pid::from_raw(first.parse()?), Pid::from_raw(second.parse()?)))
}

/// The child of a process whose command line has this word.
pub(super) fn child_of(parent: u32, word: &str) -> anyhow::Result<Pid> {
    let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"))?;
    for child in children.split_whitespace() {
        let line = std::fs::read(format!("/proc/{child}/cmdline"))?;
        if line.split(|&byte| byte == 0).any(|part| part == word.as_bytes()) {
            return Ok(Pid::from_raw(child.parse()?));
        }
    }
    anyhow::bail!("no child of {parent} has {word:?} on its command line")
}

/// Nobody may be there to wait for a process whose parent is gone, so that it stays listed.
pub(super) fn runs(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

pub(super) async fn until_gone(pid: Pid) -> anyhow::Result<()> {
    let gone = async {
        while runs(pid) {
            sleep(AGAIN).await;
        }
    };
    timeout(SOON, gone).await.with_context(|| format!("process {pid} is still there"))
}

pub(super) fn lines(
    tasks: &Tasks,
    from: impl AsyncRead + Unpin + Send + 'static,
) -> UnboundedReceiver<String> {
    let (sender, receiver) = unbounded_channel();
    tasks.spawn(async move {
        let mut lines = BufReader::new(from).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            // An error means that nobody wants it; it is read all the same.
            let _ = sender.send(line);
        }
    });
    receiver
}

pub(super) async fn until_status(url: &str, wanted: u16) -> anyhow::Result<()> {
    let search = async {
        while status_of(url).await? != wanted {
            sleep(AGAIN).await;
        }
        anyhow::Ok(())
    };
    timeout(SOON, search).await.with_context(|| format!("{url} did not become {wanted}"))?
}

pub(super) async fn status_of(url: &str) -> anyhow::Result<u16> {
    Ok(kith::local::call(http::Method::GET, url.to_owned(), SOON).await?.status)
}
