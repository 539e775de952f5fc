//! A process of the run: started on a core of its own choice, ended with the run however that ends. Only processes
//! that were started here are ever signalled.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{ChildStdout, Command};
use tokio::time::timeout;

/// How long a process that was asked to end may take.
const END: Duration = Duration::from_secs(15);

/// A process.
pub(crate) struct Child {
    name: String,
    process: tokio::process::Child,
    stdout: Option<BufReader<ChildStdout>>,
    pidfd: OwnedFd,
    /// It ends by itself when its standard input does, and has things to put in order.
    gentle: bool,
}

/// A command for a program that will stay on `core` and die with this process. It gets a process group of its own:
/// Ctrl-C reaches the benchmark alone, which ends the others.
pub(crate) fn command(core: usize, program: impl AsRef<OsStr>) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("this executable is not to be found")?);
    let core = core.to_string();
    command.args(["on-core", core.as_str(), "--"]).arg(program).process_group(0).kill_on_drop(true);
    Ok(command)
}

impl Child {
    /// Starts this executable in another part, which serves until its standard input ends.
    pub(crate) fn serving(core: usize, part: &str, request: Option<&impl Serialize>) -> anyhow::Result<Self> {
        let mut command = Self::part(core, part, request)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        Self::start(part, command, true)
    }

    /// Starts this executable in another part, which ends by itself.
    pub(crate) fn working(core: usize, part: &str, request: &impl Serialize) -> anyhow::Result<Self> {
        let mut command = Self::part(core, part, Some(request))?;
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        Self::start(part, command, false)
    }

    fn part(core: usize, part: &str, request: Option<&impl Serialize>) -> anyhow::Result<Command> {
        let mut command = command(core, std::env::current_exe()?)?;
        command.arg(part);
        if let Some(request) = request {
            command.arg(serde_json::to_string(request)?);
        }
        Ok(command)
    }

    /// Starts a command. A gentle one is given time when it is dropped; any other is killed.
    pub(crate) fn start(name: &str, mut command: Command, gentle: bool) -> anyhow::Result<Self> {
        let mut process = command.spawn().with_context(|| format!("cannot start the {name}"))?;
        let stdout = process.stdout.take().map(BufReader::new);
        let pid = process.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        let pid = pid.with_context(|| format!("the {name} has no process id"))?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).context("cannot open the pidfd of a child")?;
        Ok(Self { name: name.to_owned(), process, stdout, pidfd, gentle })
    }

    /// Its process id, while it runs.
    pub(crate) fn pid(&self) -> anyhow::Result<i32> {
        let pid = self.process.id().with_context(|| format!("the {} has ended", self.name))?;
        Ok(i32::try_from(pid)?)
    }

    /// The next line that it says.
    pub(crate) async fn answer<T: DeserializeOwned>(&mut self, limit: Duration) -> anyhow::Result<T> {
        let name = self.name.clone();
        let stdout = self.stdout.as_mut().with_context(|| format!("the {name} says nothing"))?;
        let mut line = String::new();
        let read = timeout(limit, stdout.read_line(&mut line)).await;
        read.with_context(|| format!("the {name} said nothing within {limit:?}"))??;
        ensure!(!line.is_empty(), "the {name} ended without an answer");
        serde_json::from_str(&line).with_context(|| format!("the {name} said {line:?}"))
    }

    /// Closes its standard input.
    pub(crate) fn ask_to_end(&mut self) {
        drop(self.process.stdin.take());
    }

    /// Waits for its end; an error when that was not a good one.
    pub(crate) async fn ended(mut self) -> anyhow::Result<()> {
        let Ok(status) = timeout(END, self.process.wait()).await else {
            bail!("the {} did not end within {END:?}", self.name)
        };
        let status = status?;
        ensure!(status.success(), "the {} ended with {status}", self.name);
        self.gentle = false;
        Ok(())
    }

    /// Whether it has ended, so that nobody waits for something that will not come.
    pub(crate) fn check_alive(&mut self) -> anyhow::Result<()> {
        match self.process.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("the {} ended with {status}", self.name),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.ask_to_end();
        if self.gentle {
            let mut watched = [PollFd::new(&self.pidfd, PollFlags::IN)];
            let limit = Timespec { tv_sec: END.as_secs().cast_signed(), tv_nsec: 0 };
            // A pidfd becomes readable when its process ends. One that does not is killed next.
            let _ = poll(&mut watched, Some(&limit));
        }
    }
}
