//! The pair, its credentials and its end; with real child processes where the process id matters.

use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::socket::ControlMessage;

use super::*;

/// A second socket that a test can use as the child would, in this process.
fn pair() -> (PacketSocket, PacketSocket) {
    let (ours, childs) = PacketSocket::pair().unwrap();
    (ours, PacketSocket::new(childs).unwrap())
}

fn own_pid() -> i32 {
    i32::try_from(std::process::id()).unwrap()
}

#[tokio::test]
async fn a_packet_arrives_whole_and_names_the_process_that_sent_it() {
    let (ours, childs) = pair();
    childs.send(b"one").await.unwrap();
    childs.send(b"two").await.unwrap();
    // Packets keep their borders, unlike a stream's bytes.
    for expected in [b"one", b"two"] {
        let packet = ours.receive().await.unwrap().unwrap();
        assert_eq!(packet, Packet { bytes: expected.to_vec(), sender: Some(own_pid()) });
    }
    ours.send(b"back").await.unwrap();
    assert_eq!(childs.receive().await.unwrap().unwrap().bytes, b"back");
}

#[tokio::test]
async fn a_packet_of_another_process_carries_that_process_id() {
    let (ours, childs) = PacketSocket::pair().unwrap();
    // A plain write, by a program that knows nothing of credentials: the kernel adds them all the same.
    let mut child =
        Command::new("sh").args(["-c", "printf hello >&0"]).stdin(Stdio::from(childs)).spawn().unwrap();
    let packet = ours.receive().await.unwrap().unwrap();
    assert_eq!(packet.bytes, b"hello");
    assert_eq!(packet.sender, Some(i32::try_from(child.id()).unwrap()));
    assert_ne!(packet.sender, Some(own_pid()));
    assert!(child.wait().unwrap().success());
    // The child held the only other end.
    assert_eq!(ours.receive().await.unwrap(), None);
}

#[tokio::test]
async fn a_grandchild_that_inherited_the_socket_speaks_under_its_own_process_id() {
    let (ours, childs) = PacketSocket::pair().unwrap();
    // `:` afterwards keeps the outer shell from replacing itself with the inner one.
    let script = "sh -c 'printf $$ >&0'; :";
    let mut child = Command::new("sh").args(["-c", script]).stdin(Stdio::from(childs)).spawn().unwrap();
    let packet = ours.receive().await.unwrap().unwrap();
    assert!(child.wait().unwrap().success());
    let grandchild: i32 = String::from_utf8(packet.bytes).unwrap().parse().unwrap();
    assert_eq!(packet.sender, Some(grandchild));
    assert_ne!(packet.sender, Some(i32::try_from(child.id()).unwrap()));
}

#[tokio::test]
async fn packets_sent_before_the_other_end_closed_are_still_read_and_then_comes_the_end() {
    let (ours, childs) = pair();
    childs.send(b"last words").await.unwrap();
    drop(childs);
    assert_eq!(ours.receive().await.unwrap().unwrap().bytes, b"last words");
    assert_eq!(ours.receive().await.unwrap(), None);
    let error = ours.send(b"anybody there").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn a_receiver_that_waits_is_woken_by_the_end() {
    let (ours, childs) = pair();
    let (received, ()) = tokio::join!(ours.receive(), async { drop(childs) });
    assert_eq!(received.unwrap(), None);
}

#[tokio::test]
async fn the_longest_packet_passes_and_a_longer_one_is_refused_by_both_sides() {
    let (ours, childs) = pair();
    let longest = vec![7; MAX_PACKET];
    let (sent, received) = tokio::join!(childs.send(&longest), ours.receive());
    sent.unwrap();
    assert_eq!(received.unwrap().unwrap().bytes, longest);

    let too_long = vec![7; MAX_PACKET + 1];
    let error = childs.send(&too_long).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);

    // A sender that does not keep to the limit: nothing of its packet is taken for a whole one.
    send_now(&childs.socket, &too_long).unwrap();
    childs.send(b"next").await.unwrap();
    let error = ours.receive().await.unwrap_err();
    assert!(error.to_string().contains("longer than 262144 bytes"), "{error}");
    assert_eq!(ours.receive().await.unwrap().unwrap().bytes, b"next");
}

#[tokio::test]
async fn an_empty_packet_is_not_taken_for_the_end() {
    let (ours, childs) = pair();
    assert_eq!(childs.send(b"").await.unwrap_err().kind(), io::ErrorKind::InvalidData);
    send_now(&childs.socket, b"").unwrap();
    childs.send(b"next").await.unwrap();
    assert!(ours.receive().await.unwrap_err().to_string().contains("empty"));
    assert_eq!(ours.receive().await.unwrap().unwrap().bytes, b"next");
}

#[tokio::test]
async fn a_packet_with_file_descriptors_is_refused_and_they_are_closed() {
    let (ours, childs) = pair();
    let (reader, writer) = nix::unistd::pipe().unwrap();
    let passed = [writer.as_raw_fd()];
    let control = [ControlMessage::ScmRights(&passed)];
    let slices = [IoSlice::new(b"a gift")];
    sendmsg::<()>(childs.socket.as_raw_fd(), &slices, &control, MsgFlags::empty(), None).unwrap();
    drop(writer);

    let error = ours.receive().await.unwrap_err();
    assert!(error.to_string().contains("file descriptors"), "{error}");
    // The pipe ends only when no copy of its writing side is open, in a queue or in this process.
    assert_eq!(nix::unistd::read(&reader, &mut [0; 1]).unwrap(), 0);
}

#[tokio::test]
async fn a_full_queue_makes_the_sender_wait_until_it_is_read() {
    let (ours, childs) = pair();
    let packet = vec![1; MAX_PACKET];
    let count = 20;
    let send_all = async {
        for _ in 0..count {
            childs.send(&packet).await.unwrap();
        }
    };
    let receive_all = async {
        for _ in 0..count {
            assert_eq!(ours.receive().await.unwrap().unwrap().bytes.len(), MAX_PACKET);
        }
    };
    tokio::time::timeout(Duration::from_secs(30), async { tokio::join!(send_all, receive_all) })
        .await
        .unwrap();
}

/// The other side of the two tests below, in a process of its own; does nothing when run by hand.
#[tokio::test]
#[ignore = "started by the tests of from_stdin, with a socket as standard input"]
async fn child_of_the_stdin_tests() {
    let socket = match PacketSocket::from_stdin() {
        Ok(socket) => socket,
        Err(error) => panic!("refused: {error}"),
    };
    let asked = socket.receive().await.unwrap().unwrap();
    let stdin = std::fs::read_link("/proc/self/fd/0").unwrap();
    let again = PacketSocket::from_stdin().is_err();
    socket.send(format!("{} {} {again}", asked.bytes.len(), stdin.display()).as_bytes()).await.unwrap();
}

fn stdin_child() -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--nocapture", "--exact", "packet_socket::tests::child_of_the_stdin_tests"]);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

#[tokio::test]
async fn a_child_takes_the_channel_from_its_standard_input_and_leaves_dev_null_there() {
    let (ours, childs) = PacketSocket::pair().unwrap();
    // Sent before the child runs: it waits in the queue.
    ours.send(b"four").await.unwrap();
    let child = stdin_child().stdin(Stdio::from(childs)).spawn().unwrap();
    let answer = ours.receive().await.unwrap().unwrap();
    assert_eq!(String::from_utf8(answer.bytes).unwrap(), "4 /dev/null true");
    assert_eq!(answer.sender, Some(i32::try_from(child.id()).unwrap()));
    assert!(child.wait_with_output().unwrap().status.success());
    assert_eq!(ours.receive().await.unwrap(), None);
}

#[test]
fn a_standard_input_of_another_sort_is_refused_with_what_to_do() {
    let (_, stream) = std::os::unix::net::UnixStream::pair().unwrap();
    for (sort, stdin) in [("file", Stdio::null()), ("stream socket", Stdio::from(OwnedFd::from(stream)))] {
        let output = stdin_child().stdin(stdin).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{sort}");
        assert!(text.contains("started by `kith`, not by hand"), "{sort}: {text}");
    }
}
