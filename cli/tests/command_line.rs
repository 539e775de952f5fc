//! The real `kith`, as somebody types it: exit codes, a whole demo, and nothing left of it.

#![allow(clippy::unwrap_used)] // what a test cannot set up, it cannot test

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

fn kith(runtime: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kith"));
    command.args(arguments).env_clear().env("XDG_RUNTIME_DIR", runtime.path()).stdin(Stdio::null());
    command
}

fn runtime() -> TempDir {
    TempDir::new().unwrap()
}

/// The exit code and both outputs.
fn run(runtime: &TempDir, arguments: &[&str]) -> (i32, String, String) {
    let output = kith(runtime, arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn end(mut child: Child, signal: Signal) -> ExitStatus {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
    child.wait().unwrap()
}

#[test]
fn exit_codes_tell_scripts_what_happened() {
    let runtime = runtime();
    for (arguments, code) in [
        (&["--help"][..], 0),
        (&["--version"], 0),
        (&[], 64),
        (&["frobnicate"], 64),
        (&["demo", "--svid-ttl", "1"], 64),
        (&["status"], 69),
        (&["tap"], 69),
        (&["explain", "web", "orders"], 69),
        (&["status", "--socket", "/nonexistent/kith.sock"], 69),
    ] {
        let (got, stdout, stderr) = run(&runtime, arguments);
        assert_eq!(got, code, "{arguments:?}: {stdout}{stderr}");
        assert!(code == 0 || stdout.is_empty(), "errors belong on standard error");
    }
    let (_, _, stderr) = run(&runtime, &["status"]);
    assert_eq!(stderr, "kith: no mesh is running here; start one with: kith demo\n");
}

#[test]
fn a_child_that_is_started_by_hand_says_so() {
    for verb in ["run-control-plane", "run-sidecar"] {
        let (code, _, stderr) = run(&runtime(), &[verb]);
        assert_eq!(code, 1, "{stderr}");
        assert!(stderr.contains("standard input"), "{stderr}");
    }
}

#[test]
fn a_demo_shows_both_verdicts_answers_questions_and_leaves_nothing_behind() {
    let runtime = runtime();
    let mut demo = kith(&runtime, &["demo", "-o", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    let (mut allowed, mut denied) = (false, false);
    while !(allowed && denied) {
        let event: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        allowed |= event["verdict"] == "allow" && event["tls"]["group"] == "X25519MLKEM768";
        denied |= event["verdict"] == "deny" && event["denial_id"].is_string();
    }
    let (code, stdout, _) = run(&runtime, &["status", "-o", "json"]);
    assert_eq!(
        (code, serde_json::from_str::<serde_json::Value>(&stdout).unwrap()["policies"].as_u64()),
        (0, Some(2))
    );
    let (code, stdout, _) = run(&runtime, &["explain", "intruder", "payments", "POST", "/charge/7"]);
    assert_eq!(code, 2, "{stdout}");
    assert!(stdout.contains("DENY") && stdout.contains("payments.yaml:"), "{stdout}");
    assert_eq!(run(&runtime, &["explain", "orders", "payments", "POST", "/charge/7"]).0, 0);
    assert_eq!(run(&runtime, &["explain", "nobody", "payments", "POST", "/"]).0, 65);
    let (code, _, stderr) = run(&runtime, &["demo"]);
    assert_eq!(code, 64, "a second mesh of the same name: {stderr}");

    let mut stderr = demo.stderr.take().unwrap();
    // Its output is still read, so that only the signal ends it.
    let reader = std::thread::spawn(move || lines.map_while(Result::ok).count());
    assert_eq!(end(demo, Signal::SIGINT).code(), Some(0));
    reader.join().unwrap();
    let mut told = String::new();
    stderr.read_to_string(&mut told).unwrap();
    assert!(told.contains("0 failed by the mesh"), "{told}");
    assert_eq!(std::fs::read_dir(runtime.path()).unwrap().count(), 0);
}

#[test]
fn a_tap_whose_reader_has_seen_enough_ends_quietly() {
    let runtime = runtime();
    let mut demo = kith(&runtime, &["demo", "--name", "tapped"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(demo.stdout.take().unwrap());
    output.read_line(&mut String::new()).unwrap();
    let mut tap =
        kith(&runtime, &["tap", "-o", "json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(tap.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(serde_json::from_str::<serde_json::Value>(&first).unwrap()["verdict"].is_string());
    assert_eq!(tap.wait().unwrap().code(), Some(0));
    let mut complaints = String::new();
    tap.stderr.take().unwrap().read_to_string(&mut complaints).unwrap();
    assert_eq!(complaints, "");
    assert!(end(demo, Signal::SIGTERM).success());
}

#[test]
fn children_do_not_outlive_a_supervisor_that_is_killed() {
    let runtime = runtime();
    let mut demo = kith(&runtime, &["demo"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut output = BufReader::new(demo.stdout.take().unwrap());
    output.read_line(&mut String::new()).unwrap();
    let children = children_of(demo.id());
    assert_eq!(children.len(), 9, "a control plane, four sidecars, four applications");
    end(demo, Signal::SIGKILL);
    let gone = || children.iter().all(|pid| !Path::new(&format!("/proc/{pid}")).exists());
    for _ in 0..500 {
        if gone() {
            return;
        }
        sleep(Duration::from_millis(10));
    }
    panic!("some of {children:?} live on");
}

fn children_of(pid: u32) -> Vec<String> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    std::fs::read_to_string(path).unwrap().split_whitespace().map(str::to_owned).collect()
}
