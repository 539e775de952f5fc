//! Callers, by processes that the test starts and by the kernel's own word.

use std::io::{BufRead, BufReader, Write, stdin};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::net::{UnixListener, UnixStream};

use super::*;

/// A child that ends with the test.
pub(crate) struct Process(Child);

impl Process {
    /// Runs a script that says a line when it is where the test wants it, and then waits for its input to end.
    pub(crate) fn script(script: &str) -> (Self, String) {
        let mut child = Command::new("sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let line = line_of(child.stdout.as_mut().unwrap());
        (Self(child), line)
    }

    pub(crate) fn waiting() -> Self {
        Self::script("echo here; read forever").0
    }

    pub(crate) fn application(&self) -> Application {
        Application::of(self.0.id()).unwrap()
    }

    fn pidfd(&self) -> OwnedFd {
        pidfd_of(i32::try_from(self.0.id()).unwrap())
    }

    fn end(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn line_of(from: &mut ChildStdout) -> String {
    let mut line = String::new();
    BufReader::new(from).read_line(&mut line).unwrap();
    line.trim().to_owned()
}

fn pidfd_of(pid: i32) -> OwnedFd {
    pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()).unwrap()
}

fn own() -> OwnedFd {
    pidfd_of(i32::try_from(std::process::id()).unwrap())
}

// W2.
#[test]
fn an_application_and_all_that_it_started_may_ask() {
    let (child, grandchild) = Process::script("sleep 60 & echo $!; read forever; kill $!");
    let grandchild = pidfd_of(grandchild.parse().unwrap());
    for process in [&own(), &child.pidfd(), &grandchild] {
        assert_eq!(lineage::check(process, &own()), Ok(()));
    }
    assert_eq!(lineage::check(&grandchild, &child.pidfd()), Ok(()));
    rustix::process::pidfd_send_signal(&grandchild, rustix::process::Signal::KILL).unwrap();
}

// W2.
#[test]
fn a_parent_and_a_sibling_of_the_application_may_not_ask() {
    let (application, sibling) = (Process::waiting(), Process::waiting());
    for stranger in [own(), sibling.pidfd()] {
        let refused = lineage::check(&stranger, &application.pidfd()).unwrap_err();
        assert!(matches!(refused, Stranger::NotOurs { .. }), "{refused}");
    }
}

#[test]
fn a_process_that_left_the_application_is_not_its_own_any_more() {
    // The shell between them ends.
    let (application, orphan) = Process::script("(sleep 60 & echo $!); read forever");
    let orphan = pidfd_of(orphan.parse().unwrap());
    // Until the shell between them has ended, it is a grandchild.
    let refused = loop {
        if let Err(refused) = lineage::check(&orphan, &application.pidfd()) {
            break refused;
        }
        std::thread::yield_now();
    };
    rustix::process::pidfd_send_signal(&orphan, rustix::process::Signal::KILL).unwrap();
    assert!(matches!(refused, Stranger::NotOurs { .. }), "{refused}");
}

// W2.
#[test]
fn who_has_ended_is_not_looked_up_by_its_number() {
    let mut ended = Process::waiting();
    let pidfd = ended.pidfd();
    ended.end();
    assert_eq!(lineage::check(&pidfd, &own()), Err(Stranger::Ended));
    assert_eq!(lineage::check(&own(), &pidfd), Err(Stranger::NoApplication));
}

// W5.
#[test]
fn a_process_that_is_named_like_a_line_of_its_status_is_read_as_what_it_is() {
    let (child, _) = Process::script("printf 'a\\nPPid:\\t1' > /proc/$$/comm; echo here; read forever");
    let application = Process::waiting();
    assert_eq!(lineage::check(&child.pidfd(), &own()), Ok(()));
    assert!(lineage::check(&child.pidfd(), &application.pidfd()).is_err());
}

/// A process that connects, by running this very test binary, and stays until it is told to end.
fn connecting(to: &Path) -> (Child, ChildStdin) {
    let name = format!("{}::a_process_that_connects", module_path!().split_once("::").unwrap().1);
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", &name])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{}", to.display()).unwrap();
    (child, stdin)
}

#[test]
#[ignore = "the other side of a test"]
fn a_process_that_connects() {
    let mut lines = stdin().lines();
    let Some(Ok(path)) = lines.next() else { return };
    let connected = std::os::unix::net::UnixStream::connect(path).unwrap();
    // Whoever reads the socket of a process that ended must find it open: a copy of it lives on in this one.
    let copy = connected.try_clone().unwrap();
    let mut keeper = Command::new("cat").stdin(OwnedFd::from(copy)).stdout(Stdio::null()).spawn().unwrap();
    assert!(lines.next().is_none());
    keeper.wait().unwrap();
}

fn descendants(application: Option<Application>) -> (watch::Sender<Option<Application>>, Callers) {
    let (sender, receiver) = watch::channel(application);
    (sender, Callers::Descendants(receiver))
}

// Conforms: Endpoint 5 no-authentication, Endpoint 5 out-of-band, Endpoint 5 checks
#[tokio::test]
async fn the_kernel_says_who_connected_and_a_number_that_was_given_back_is_nobodys() {
    // W2.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let (mut child, stdin) = connecting(&path);
    let (stream, _) = listener.accept().await.unwrap();
    let (_own, callers) = descendants(Some(Application::of(std::process::id()).unwrap()));
    let caller = Caller::of(&stream, &callers).unwrap();
    assert_eq!(caller.check(), Ok(()), "a child of the application");
    child.kill().unwrap();
    child.wait().unwrap();
    // Its connection may be in other hands.
    assert_eq!(caller.check(), Err(Stranger::Ended));
    drop(stdin);
}

#[tokio::test]
async fn the_application_is_asked_for_at_each_question() {
    let (stream, _other) = UnixStream::pair().unwrap();
    let (application, callers) = descendants(None);
    let caller = Caller::of(&stream, &callers).unwrap();
    assert_eq!(caller.check(), Err(Stranger::NoApplication));
    application.send_replace(Some(Application::of(std::process::id()).unwrap()));
    assert_eq!(caller.check(), Ok(()));
    let other = Process::waiting();
    application.send_replace(Some(other.application()));
    assert!(matches!(caller.check(), Err(Stranger::NotOurs { .. })), "another one runs now");
}

#[tokio::test]
async fn a_user_is_asked_for_only_where_others_are_not_meant() {
    let (stream, _other) = UnixStream::pair().unwrap();
    let caller = Caller::of(&stream, &Callers::User).unwrap();
    assert_eq!(caller.check(), Ok(()));
    let own = caller.uid() + 1;
    assert_eq!(caller.check_user(own), Err(Stranger::OtherUser { uid: caller.uid(), own }));
    assert_eq!(Caller::of(&stream, &Callers::Everyone).unwrap().check(), Ok(()));
}

#[test]
fn a_number_that_no_process_can_have_is_refused() {
    for pid in [0, u32::MAX] {
        assert!(Application::of(pid).is_err(), "{pid}");
    }
}
