//! The real process, with a supervisor's end of its standard input: it starts, answers, and ends with its supervisor.
#![allow(clippy::unwrap_used)] // what helps a test is test

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use kith_control_plane::attest::StatementSigner;
use kith_proto::v1;
use kith_proto::v1::from_child::Kind as Up;
use kith_proto::v1::to_child::Kind as Down;
use kith_runtime::PacketSocket;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use prost::Message;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

/// A supervisor with one child.
struct Supervised {
    child: Child,
    socket: PacketSocket,
    ready: v1::ControlPlaneReady,
}

fn start_message(dir: &Path) -> v1::ControlPlaneStart {
    let text = |path: PathBuf| path.to_str().unwrap().to_owned();
    v1::ControlPlaneStart {
        trust_domain: "demo.local".into(),
        state_file: text(dir.join("state")),
        seal_key: vec![7; 32],
        policies_folder: text(dir.join("policies")),
        listen: "127.0.0.1:0".into(),
        admin_socket: text(dir.join("run/admin.sock")),
        statement_key: StatementSigner::generate().unwrap().public_key(),
        instance: vec![1; 16],
        svid_seconds: 60,
        watch_policies: true,
        health_listen: "127.0.0.1:0".into(),
        key_exchange: "PreferPq".into(),
    }
}

fn spawn() -> (Child, PacketSocket) {
    let (socket, theirs) = PacketSocket::pair().unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_kith-control-plane"))
        .env_clear()
        .stdin(Stdio::from(theirs))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    (child, socket)
}

async fn send(socket: &PacketSocket, kind: Down) {
    socket.send(&v1::ToChild { kind: Some(kind) }.encode_to_vec()).await.unwrap();
}

async fn start(dir: &Path) -> Supervised {
    fs::create_dir_all(dir.join("policies")).unwrap();
    let (child, socket) = spawn();
    send(&socket, Down::ControlPlane(start_message(dir))).await;
    let packet =
        timeout(PATIENCE, socket.receive()).await.unwrap().unwrap().expect("it ended before it was ready");
    assert_eq!(packet.sender, Some(i32::try_from(child.id()).unwrap()));
    match v1::FromChild::decode(packet.bytes.as_slice()).unwrap().kind {
        Some(Up::ControlPlane(ready)) => Supervised { child, socket, ready },
        other => panic!("not ready: {other:?}"),
    }
}

async fn exit(mut child: Child) -> ExitStatus {
    let waited = tokio::task::spawn_blocking(move || child.wait());
    timeout(PATIENCE, waited).await.expect("it did not end").unwrap().unwrap()
}

#[tokio::test]
async fn it_answers_on_its_port_and_ends_cleanly_when_the_supervisor_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let Supervised { child, socket, ready } = start(dir.path()).await;
    tokio::net::TcpStream::connect(&ready.address).await.unwrap();
    assert!(dir.path().join("run/admin.sock").exists());

    drop(socket);
    assert!(exit(child).await.success());
    assert!(!dir.path().join("run/admin.sock").exists());
}

#[tokio::test]
async fn it_ends_cleanly_on_a_signal() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let dir = tempfile::tempdir().unwrap();
        let Supervised { child, socket: _socket, .. } = start(dir.path()).await;
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
        assert!(exit(child).await.success(), "{signal}");
        assert!(!dir.path().join("run/admin.sock").exists());
    }
}

// C20
#[tokio::test]
async fn killed_and_started_again_it_has_the_same_root_and_takes_its_socket_back() {
    let dir = tempfile::tempdir().unwrap();
    let Supervised { child, ready: before, socket: _socket } = start(dir.path()).await;
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGKILL).unwrap();
    assert!(!exit(child).await.success());
    assert!(dir.path().join("run/admin.sock").exists(), "a killed process cleans nothing up");

    let Supervised { child, ready: after, socket } = start(dir.path()).await;
    assert_eq!(after.root_sha256, before.root_sha256);
    drop(socket);
    assert!(exit(child).await.success());
}

#[tokio::test]
async fn without_its_record_of_quarantines_it_does_not_start_again() {
    let dir = tempfile::tempdir().unwrap();
    let Supervised { child, socket, .. } = start(dir.path()).await;
    drop(socket);
    assert!(exit(child).await.success());

    let record = dir.path().join("quarantines.json");
    let kept = fs::read(&record).unwrap();
    for lose in [fs::remove_file::<&Path>, |path: &Path| fs::write(path, "")] {
        lose(&record).unwrap();
        let (child, socket) = spawn();
        send(&socket, Down::ControlPlane(start_message(dir.path()))).await;
        assert!(!exit(child).await.success());
    }
    fs::write(&record, kept).unwrap();
    fs::set_permissions(&record, Permissions::from_mode(0o600)).unwrap();
    let Supervised { child, socket, .. } = start(dir.path()).await;
    drop(socket);
    assert!(exit(child).await.success());
}

#[tokio::test]
async fn without_a_start_message_that_holds_it_does_not_start() {
    let dir = tempfile::tempdir().unwrap();
    let (child, socket) = spawn();
    send(&socket, Down::ControlPlane(v1::ControlPlaneStart { svid_seconds: 1, ..start_message(dir.path()) }))
        .await;
    assert!(!exit(child).await.success());

    let by_hand = Command::new(env!("CARGO_BIN_EXE_kith-control-plane"))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert!(!exit(by_hand).await.success(), "it is not started by hand");
}
