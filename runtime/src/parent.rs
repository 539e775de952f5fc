//! A child of the local supervisor does not outlive it. Linux only, as the supervisor is.

use std::io;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;

/// Asks the kernel to kill this process the moment its parent dies, however the parent dies.
///
/// Two limits of `PR_SET_PDEATHSIG`, see prctl(2): "parent" is the *thread* that started this process, so a supervisor
/// starts its children from a thread that lives as long as itself; and a parent that died before this call is
/// not noticed, so a child also stops when its packet socket ends.
pub fn die_with_parent() -> io::Result<()> {
    Ok(set_pdeathsig(Signal::SIGKILL)?)
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
