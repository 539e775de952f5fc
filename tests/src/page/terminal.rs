//! A terminal of somebody who follows the page: a folder and a `PATH` that last from one command to the next, at most
//! one command that goes on, and what is printed. Both outputs of a command are one text, as on a screen.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// The compiler is the slowest.
const SOON: Duration = Duration::from_secs(60);
const EXIT_CODE: &str = "# exit code ";
/// In front of the number of a denial.
const DENIAL: &str = "denial ";
/// Runs the line, then tells where it led. The file's name is `$0`.
const RUN: &str = "\nended=$?; printf '%s\\n%s\\n' \"$PWD\" \"$PATH\" >\"$0\"; exit $ended";

/// One terminal.
#[derive(Debug)]
pub struct Terminal {
    /// Where its commands run.
    pub folder: PathBuf,
    /// Of the last commands, or of what runs.
    pub printed: String,
    path: Option<String>,
    runtime: PathBuf,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

/// What comes next from a command that goes on.
#[derive(Debug)]
pub enum Said {
    /// A line.
    Line(String),
    /// Nothing more.
    End,
}

impl Terminal {
    /// Opens one in a folder, with a folder for what belongs to a session.
    pub fn open(folder: &Path, runtime: &Path) -> Self {
        let (folder, runtime) = (folder.to_owned(), runtime.to_owned());
        Self { folder, printed: String::new(), path: None, runtime, running: None }
    }

    /// Whether a command goes on in it.
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Runs a command to its end, which is the one that the line names, else success.
    pub async fn run(&mut self, line: &str) -> anyhow::Result<()> {
        ensure!(!self.is_running(), "a command runs in this terminal");
        let wanted = match line.split_once(EXIT_CODE) {
            Some((_, remark)) => {
                remark.chars().take_while(char::is_ascii_digit).collect::<String>().parse()?
            }
            None => 0,
        };
        let led = tempfile::NamedTempFile::new()?;
        let mut command = self.bash(&format!("{line}{RUN}"));
        command.arg(led.path());
        let said = timeout(SOON, command.output()).await.context("it does not end")??;
        self.printed.push_str(&String::from_utf8(said.stdout)?);
        ensure!(said.status.code() == Some(wanted), "{}, not {wanted}:\n{}", said.status, self.printed);
        let led = std::fs::read_to_string(led.path())?;
        let (folder, path) = led.trim_end().split_once('\n').context("the shell did not say where it is")?;
        (self.folder, self.path) = (folder.into(), Some(path.to_owned()));
        Ok(())
    }

    /// Starts a command that goes on.
    pub fn start(&mut self, line: &str) -> anyhow::Result<()> {
        ensure!(!self.is_running(), "a command runs in this terminal");
        self.printed.clear();
        let mut process = self.bash(&format!("exec {line}")).stdout(Stdio::piped()).spawn()?;
        let lines = BufReader::new(process.stdout.take().context("no output")?).lines();
        self.running = Some(Running { process, lines });
        Ok(())
    }

    /// What the command that goes on prints next.
    pub async fn next_line(&mut self) -> anyhow::Result<Said> {
        let running = self.running.as_mut().context("nothing runs in this terminal")?;
        let Some(line) = running.lines.next_line().await? else { return Ok(Said::End) };
        self.printed.push_str(&line);
        self.printed.push('\n');
        Ok(Said::Line(line))
    }

    /// Ends the command that goes on, which must end well.
    pub async fn press(&mut self, keys: &str) -> anyhow::Result<()> {
        ensure!(keys == "Ctrl-C", "{keys} is not a key of this test");
        let pid = self.running.as_ref().and_then(|running| running.process.id()).context("nothing runs")?;
        kill(Pid::from_raw(i32::try_from(pid)?), Signal::SIGINT)?;
        let ended = async {
            while let Said::Line(_) = self.next_line().await? {}
            let mut running = self.running.take().context("nothing runs")?;
            anyhow::Ok(running.process.wait().await?)
        };
        let status = timeout(SOON, ended).await.context("it does not end")??;
        if !status.success() {
            bail!("{status}:\n{}", self.printed);
        }
        Ok(())
    }

    /// The id that somebody would copy from this screen now.
    pub fn newest_denial(&self) -> Option<String> {
        let named = self.printed.lines().rev().filter_map(|line| line.split_once(DENIAL));
        let mut ids =
            named.map(|(_, rest)| rest.chars().take_while(char::is_ascii_hexdigit).collect::<String>());
        ids.find(|id| !id.is_empty())
    }

    fn bash(&self, script: &str) -> Command {
        let mut command = Command::new("bash");
        command.arg("-c").arg(format!("exec 2>&1\n{script}")).current_dir(&self.folder);
        command.env("XDG_RUNTIME_DIR", &self.runtime).stdin(Stdio::null()).kill_on_drop(true);
        if let Some(path) = &self.path {
            command.env("PATH", path);
        }
        command
    }
}
