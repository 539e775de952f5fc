//! A child of the local supervisor does not outlive it. Linux only, as the supervisor is.

use std::io;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::getppid;

/// Asks the kernel to kill this process the moment its parent dies, however the parent dies. An error means that it
/// cannot, or that the parent died meanwhile.
///
/// Three limits of `PR_SET_PDEATHSIG`, see prctl(2): "parent" is the *thread* that started this process, so a supervisor
/// starts its children from a thread that lives as long as itself; it is for this process alone, not for those that it
/// starts; and a parent that died before this call is not noticed. Whoever was told who it is calls [`die_with`]; others
/// also stop when their packet socket ends.
pub fn die_with_parent() -> io::Result<()> {
    die_with(getppid().as_raw())
}

/// As [`die_with_parent`], for a process that was told the process id of its parent: an error when that died before.
pub fn die_with(parent: i32) -> io::Result<()> {
    set_pdeathsig(Signal::SIGKILL)?;
    // Afterwards, for a parent that dies from now on is noticed.
    match getppid().as_raw() {
        now if now == parent => Ok(()),
        now => {
            Err(io::Error::other(format!("process {parent} is not its parent any more, process {now} is")))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use super::*;
    use crate::PacketSocket;

    fn this_test_binary(test: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--ignored", "--exact", test]).stdout(Stdio::null());
        command
    }

    #[test]
    fn a_process_whose_parent_died_before_the_call_is_told() {
        assert!(die_with(i32::MAX).is_err());
        // Else the thread that started the tests would take them along.
        set_pdeathsig(None).unwrap();
    }

    #[tokio::test]
    #[ignore = "started by the test below: the process that must not outlive its parent"]
    async fn child() {
        die_with_parent().unwrap();
        PacketSocket::from_stdin().unwrap().send(b"alive").await.unwrap();
        pending::<()>().await;
    }

    #[test]
    #[ignore = "started by the test below: the parent that is killed"]
    fn parent() {
        // The child inherits the socket that is this process's standard input.
        this_test_binary("parent::tests::child").spawn().unwrap().wait().unwrap();
    }

    #[tokio::test]
    async fn a_child_dies_with_a_parent_that_had_no_time_to_stop_it() {
        let (ours, theirs) = PacketSocket::pair().unwrap();
        let mut parent =
            this_test_binary("parent::tests::parent").stdin(Stdio::from(theirs)).spawn().unwrap();
        let alive = ours.receive().await.unwrap().unwrap();
        assert_ne!(alive.sender, Some(i32::try_from(parent.id()).unwrap()));

        parent.kill().unwrap(); // SIGKILL
        parent.wait().unwrap();
        // The child never closes its end: only its death does.
        let end = tokio::time::timeout(Duration::from_secs(30), ours.receive()).await;
        assert_eq!(end.expect("the child outlived its parent").unwrap(), None);
    }
}
