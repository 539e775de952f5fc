//! Starting `kith`, reading what it writes without ever blocking it, and waiting for what must come.

use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{sleep, spawn};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

/// How long anything that must happen may take on a busy machine.
const SOON: Duration = Duration::from_secs(30);
const AGAIN: Duration = Duration::from_millis(10);

/// Waits until there is something to be found.
pub(crate) fn soon<T>(mut found: impl FnMut() -> Option<T>) -> T {
    let tries = SOON.as_millis() / AGAIN.as_millis();
    for _ in 0..tries {
        if let Some(found) = found() {
            return found;
        }
        sleep(AGAIN);
    }
    panic!("not within {SOON:?}")
}

pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

pub(crate) fn signal(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).unwrap();
}

/// A runtime folder of the test's own.
pub(crate) struct Runtime(TempDir);

impl Runtime {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn is_empty(&self) -> bool {
        std::fs::read_dir(self.path()).unwrap().next().is_none()
    }

    pub(crate) fn kith(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kith"));
        command.args(arguments).env_clear().env("XDG_RUNTIME_DIR", self.path()).stdin(Stdio::null());
        command
    }

    /// The exit code and both outputs.
    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.kith(arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    }
}

/// A `kith` whose lines are read one by one.
pub(crate) struct Lines {
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

impl Lines {
    pub(crate) fn of(command: &mut Command) -> Self {
        Self::reading(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    fn reading(mut child: Child) -> Self {
        let (stdout, stderr) = (lines(child.stdout.take().unwrap()), lines(child.stderr.take().unwrap()));
        Self { child, stdout, stderr }
    }

    pub(crate) fn next(&mut self) -> String {
        self.stdout.recv_timeout(SOON).expect("a line in time")
    }

    pub(crate) fn complaint(&mut self) -> String {
        self.stderr.recv_timeout(SOON).expect("a complaint in time")
    }

    /// Stops reading, and waits for its end.
    pub(crate) fn close(mut self) -> (ExitStatus, String) {
        self.stdout = channel().1;
        self.until_end()
    }

    /// How it ended, and what it complained about since the last complaint that was read.
    pub(crate) fn until_end(mut self) -> (ExitStatus, String) {
        let status = soon(|| self.child.try_wait().unwrap());
        (status, self.stderr.iter().map(|line| line + "\n").collect())
    }
}

/// Lines as they come, until nobody wants them any more.
fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    spawn(move || {
        let mut read = BufReader::new(from).lines().map_while(Result::ok);
        // An error means that nobody reads; dropping the pipe then tells the process.
        read.all(|line| sender.send(line).is_ok());
    });
    receiver
}

/// A child of a demo.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) title: String,
}

/// A `kith demo` that runs.
pub(crate) struct Demo {
    lines: Lines,
    pub(crate) children: Vec<Process>,
}

impl Demo {
    /// Starts one, and waits for its first row.
    pub(crate) fn start(runtime: &Runtime, arguments: &[&str]) -> Self {
        let mut demo = Self::spawn(runtime, arguments);
        demo.lines.next();
        demo.children = children_of(demo.lines.child.id());
        demo
    }

    /// Starts one. An empty level is as good as none.
    pub(crate) fn spawn(runtime: &Runtime, arguments: &[&str]) -> Self {
        let mut command = runtime.kith(&["demo"]);
        Self { lines: Lines::of(command.args(arguments).env("KITH_LOG", "")), children: Vec::new() }
    }

    /// One that was started already.
    pub(crate) fn of(child: Child) -> Self {
        let mut demo = Self { lines: Lines::reading(child), children: Vec::new() };
        demo.lines.next();
        demo
    }

    /// The next line of JSON that is wanted.
    pub(crate) fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let event = json(&self.lines.next());
            if wanted(&event) {
                return event;
            }
        }
    }

    /// Ends it with a signal: how it ended, and all that it said beside its rows.
    pub(crate) fn end(self, by: Signal) -> (ExitStatus, String) {
        signal(i32::try_from(self.lines.child.id()).unwrap(), by);
        self.lines.until_end()
    }
}

fn children_of(pid: u32) -> Vec<Process> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let children = std::fs::read_to_string(path).unwrap();
    let process = |pid: &str| Process {
        pid: pid.parse().unwrap(),
        title: std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap().replace('\0', " "),
    };
    children.split_whitespace().map(process).collect()
}
