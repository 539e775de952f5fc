//! One child process and what it starts itself: how they are started, told to end, watched. Owns the pidfd, which proves
//! before each signal that the number still is the child's, so that none reaches a process that took it over. Does not
//! restart: that is `keeper`.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::Context as _;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open, pidfd_send_signal, waitid,
};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::signal::unix::{SignalKind, signal};

use super::channel::Channel;
use super::group;

/// What to start.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    /// The executable.
    pub(crate) program: PathBuf,
    /// Its arguments.
    pub(crate) arguments: Vec<String>,
    /// Its whole environment; nothing is inherited.
    pub(crate) environment: BTreeMap<String, String>,
    /// The folder it runs in; the supervisor's own when `None`.
    pub(crate) folder: Option<PathBuf>,
    /// What lists of processes call it; only for programs of ours, because others may act on their own name.
    pub(crate) title: Option<String>,
    /// Whether its standard input is a channel to the supervisor.
    pub(crate) with_channel: bool,
}

/// A child that was started, until [`Started::process`] was waited for.
pub(crate) struct Started {
    /// To wait for. Killed when dropped.
    pub(crate) process: Child,
    /// To judge and to end it.
    pub(crate) life: Life,
    /// To talk to it.
    pub(crate) channel: Option<Channel>,
    /// What it writes.
    pub(crate) stdout: ChildStdout,
    /// What it complains about.
    pub(crate) stderr: ChildStderr,
}

/// The life of one process, from its start to its end, never another's. It leads a group, which has everything that it
/// starts, and that everything starts in turn, unless it takes a group of its own.
pub struct Life {
    pid: Pid,
    pidfd: OwnedFd,
}

impl Life {
    /// Takes hold of a process. The caller has not waited for it yet, so the number still is its own.
    fn of(pid: Pid) -> io::Result<Self> {
        Ok(Self { pid, pidfd: pidfd_open(pid, PidfdFlags::empty())? })
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Whether it still runs. When the kernel cannot be asked, it does not.
    pub fn is_alive(&self) -> bool {
        let mut watched = [PollFd::new(&self.pidfd, PollFlags::IN)];
        // A pidfd becomes readable when its process ends.
        poll(&mut watched, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ready| ready == 0)
    }

    /// Waits until it has ended, and leaves it to be waited for: until then its number is taken, and its group can be
    /// ended.
    pub(crate) async fn ended(&self) -> io::Result<()> {
        // Before the first look: whoever ends from now on is told of.
        let mut ends = signal(SignalKind::child())?;
        while !self.has_ended()? {
            ends.recv().await;
        }
        Ok(())
    }

    /// Whether it has ended. An error means that it was waited for.
    fn has_ended(&self) -> io::Result<bool> {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        Ok(waitid(WaitId::PidFd(self.pidfd.as_fd()), look)?.is_some())
    }

    /// Whether anything of its group still runs.
    pub(crate) fn is_group_alive(&self) -> io::Result<bool> {
        group::is_alive(self.pid())
    }

    /// Ends it and its group at once (`SIGKILL`). An error means that it ended and was waited for before.
    pub fn kill(&self) -> io::Result<()> {
        self.signal(Signal::KILL)?;
        // It may have left the group that it led.
        Ok(pidfd_send_signal(&self.pidfd, Signal::KILL)?)
    }

    /// Asks it and its group to end (`SIGTERM`). An error means that it ended and was waited for before.
    pub fn terminate(&self) -> io::Result<()> {
        self.signal(Signal::TERM)
    }

    /// Once for each process: a second request to end means "at once" to many. A number is not given away before its
    /// process was waited for, which is looked at first; and not before all others were, so it does not change hands
    /// between the two calls either.
    fn signal(&self, signal: Signal) -> io::Result<()> {
        self.has_ended()?;
        match kill_process_group(self.pid, signal) {
            Err(Errno::SRCH) => Ok(pidfd_send_signal(&self.pidfd, signal)?),
            sent => Ok(sent?),
        }
    }
}

impl fmt::Debug for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Life({})", self.pid)
    }
}

impl Launch {
    /// Starts the child. It inherits three descriptors and no more: everything else of the supervisor closes on
    /// exec. It gets a process group of its own, so that Ctrl-C reaches the supervisor alone, which ends its
    /// children in order, each with what it started.
    pub(crate) fn start(&self) -> anyhow::Result<Started> {
        let (channel, stdin) = if self.with_channel {
            let (ours, theirs) = Channel::pair().context("cannot make a channel")?;
            (Some(ours), Stdio::from(theirs))
        } else {
            (None, Stdio::null())
        };
        let mut command = Command::new(&self.program);
        if let Some(title) = &self.title {
            command.arg0(title);
        }
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        let mut process = command
            .args(&self.arguments)
            .env_clear()
            .envs(&self.environment)
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        let pid = process.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        let pid = pid.context("a process that was just started has no id")?;
        let life = Life::of(pid).context("cannot open the pidfd of a child; Linux 5.4 or newer is needed")?;
        let stdout = process.stdout.take().context("the child has no standard output")?;
        let stderr = process.stderr.take().context("the child has no standard error")?;
        Ok(Started { process, life, channel, stdout, stderr })
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::MetadataExt as _;

    use tokio::io::AsyncReadExt as _;

    use super::*;

    fn shell(script: &str) -> Launch {
        Launch {
            program: PathBuf::from("/bin/sh"),
            arguments: vec!["-c".to_owned(), script.to_owned()],
            environment: BTreeMap::from([("ONLY".to_owned(), "this".to_owned())]),
            folder: None,
            title: Some("kith: sidecar of web".to_owned()),
            with_channel: false,
        }
    }

    #[tokio::test]
    async fn a_life_ends_with_its_process_and_a_signal_then_reaches_nobody() {
        let mut started = shell("read x; exec sleep 60").start().unwrap();
        // Standard input is /dev/null: `read` returns and the shell becomes `sleep`.
        assert!(started.life.is_alive());
        started.life.kill().unwrap();
        started.process.wait().await.unwrap();
        assert!(!started.life.is_alive());
        assert!(started.life.kill().is_err());
    }

    #[tokio::test]
    async fn an_ended_child_is_not_alive_even_before_it_was_waited_for() {
        let mut started = shell("exit 0").start().unwrap();
        let mut text = String::new();
        // Its output closes when it ends.
        started.stdout.read_to_string(&mut text).await.unwrap();
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(5);
        while started.life.is_alive() {
            assert!(tokio::time::Instant::now() < deadline);
            tokio::task::yield_now().await;
        }
        started.process.wait().await.unwrap();
    }

    #[tokio::test]
    async fn a_child_is_listed_under_its_title() {
        let (mut started, seen) =
            (shell("tr '\\0' '\\n' < /proc/$$/cmdline").start().unwrap(), &mut String::new());
        started.stdout.read_to_string(seen).await.unwrap();
        started.process.wait().await.unwrap();
        assert_eq!(seen.lines().next(), Some("kith: sidecar of web"));
    }

    #[tokio::test]
    async fn a_child_has_the_environment_it_was_given_and_no_descriptor_of_another() {
        let (_ours, theirs) = Channel::pair().unwrap();
        let another = File::from(theirs).metadata().unwrap().ino();
        let (mut started, seen) = (shell("env; ls -l /proc/self/fd/").start().unwrap(), &mut String::new());
        started.stdout.read_to_string(seen).await.unwrap();
        started.process.wait().await.unwrap();
        // Variables that the shell itself sets; nothing of ours.
        let known =
            |line: &str| ["ONLY=", "PWD=", "SHLVL=", "_=", "OLDPWD="].iter().any(|k| line.starts_with(k));
        assert!(seen.contains("ONLY=this"));
        assert!(seen.lines().filter(|line| line.contains('=')).all(known), "{seen}");
        assert!(seen.contains(" 0 -> /dev/null"), "{seen}");
        assert!(!seen.contains(&format!("socket:[{another}]")), "{seen}");
    }
}
