//! The verbs that ask a control plane, as somebody types them: exit codes, and which stream says what. Most against a
//! control plane that answers as it is told, and one walk through a mesh that runs.

#![allow(clippy::unwrap_used)] // what a test cannot set up, it cannot test

mod answers;
#[allow(dead_code)] // each binary of tests uses its part
mod support;

use std::process::Command;

use answers::{ControlPlane, KNOWN_ID, identity, run};
use nix::sys::signal::Signal;
use serde_json::Value;
use support::{Demo, Runtime, json};

#[test]
fn exit_codes_tell_scripts_what_the_control_plane_said() {
    let control_plane = ControlPlane::start();
    let reserved = identity("kith-control-plane");
    for (arguments, code) in [
        (&["why", KNOWN_ID][..], 0),
        (&["why", "#01234567"], 0),
        (&["why", "refused, denial 0123456789abcdef0123456789abcdef"], 0),
        (&["why", "ffffffff"], 1),
        (&["why", "0123"], 65),
        (&["why", ""], 64),
        (&["edges"], 0),
        (&["identity", "list"], 0),
        (&["identity", "show", "orders"], 0),
        (&["identity", "show", "ordesr"], 65),
        (&["identity", "rotate", "orders"], 0),
        (&["identity", "rotate", "ordesr"], 65),
        (&["quarantine", "list"], 0),
        (&["quarantine", "add", "orders"], 0),
        (&["quarantine", "add", "laggard"], 1),
        (&["quarantine", "add", "laggard", "--dry-run"], 0),
        (&["quarantine", "add", "ordesr"], 65),
        (&["quarantine", "add", &reserved], 65),
        (&["quarantine", "remove", "orders"], 0),
        (&["quarantine", "remove", "laggard"], 1),
        (&["quarantine", "remove", "ordesr"], 65),
        (&["version"], 0),
    ] {
        let (got, stdout, stderr) = control_plane.ask(arguments);
        assert_eq!(got, code, "{arguments:?}: {stdout}{stderr}");
        assert!(code < 64 || stdout.is_empty(), "errors belong on standard error");
    }
}

#[test]
fn a_quarantine_says_what_it_hits_before_what_it_did_and_how_to_undo_it() {
    let control_plane = ControlPlane::start();
    let (_, stdout, stderr) = control_plane.ask(&["quarantine", "add", "orders", "--reason", "leaked"]);
    assert!(stdout.starts_with(&format!("QUARANTINED  {}\n", identity("orders"))), "{stdout}");
    assert!(stdout.contains("at 1 of 1 connected sidecars after 12 ms"), "{stdout}");
    assert!(stderr.contains("it called  payments: 7 allowed, 1 denied, 0 failed"), "{stderr}");
    assert!(stderr.contains("undo it with: kith quarantine remove --socket "), "{stderr}");

    let (_, stdout, stderr) = control_plane.ask(&["quarantine", "add", "orders", "--dry-run"]);
    assert!(stdout.contains("it called  payments") && !stdout.contains("QUARANTINED"), "{stdout}");
    assert_eq!(stderr, "");
    let (_, stdout, _) = control_plane.ask(&["quarantine", "add", "laggard", "-o", "json"]);
    assert_eq!((&json(&stdout)["waiting_for"][0], &json(&stdout)["dry_run"]), (&"web".into(), &false.into()));
}

#[test]
fn every_answer_is_also_json() {
    let control_plane = ControlPlane::start();
    for (arguments, key) in [
        (&["why", KNOWN_ID][..], "no_suggestion"),
        (&["edges"], "edges"),
        (&["identity", "list"], "identities"),
        (&["identity", "show", "web"], "renew_from"),
        (&["identity", "rotate", "web"], "previous_serial"),
        (&["quarantine", "list"], "quarantines"),
        (&["quarantine", "add", "web"], "in_force_at"),
        (&["quarantine", "remove", "web"], "in_force_at"),
        (&["status"], "workloads"),
        (&["version"], "control_plane"),
    ] {
        let (_, stdout, _) = control_plane.ask(&[arguments, &["-o", "json"]].concat());
        assert!(json(&stdout).as_object().unwrap().contains_key(key), "{arguments:?}: {stdout}");
    }
    let (_, stdout, _) = control_plane.ask(&["version", "-o", "json"]);
    assert_eq!(json(&stdout)["control_plane"]["version"], "0.2.0");
    let (_, stdout, _) = control_plane.ask(&["edges"]);
    assert_eq!(
        stdout.lines().last().unwrap().split_whitespace().collect::<Vec<_>>(),
        ["web", "orders", "12", "2", "3", "1"]
    );
}

#[test]
fn what_needs_no_mesh_asks_for_none() {
    let folder = tempfile::tempdir().unwrap();
    let kith = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kith"));
        run(command.args(arguments).arg("--").current_dir(folder.path()))
    };
    for shell in ["bash", "zsh", "fish"] {
        let (code, stdout, stderr) = kith(&["completion", shell]);
        assert_eq!((code, stderr.as_str(), stdout.contains("quarantine")), (0, "", true), "{shell}");
    }
    assert_eq!(kith(&["completion", "tcsh"]).0, 64);
    let (code, stdout, _) = kith(&["man"]);
    assert!(code == 0 && stdout.contains("quarantine"), "{stdout}");
    let pages = folder.path().join("pages");
    let (code, stdout, stderr) = kith(&["man", pages.to_str().unwrap()]);
    assert_eq!((code, stdout.as_str()), (0, ""), "{stderr}");
    assert!(pages.join("kith-why.1").is_file());
    let (code, _, stderr) = kith(&["man", "/proc/self/nowhere"]);
    assert_eq!(code, 1, "{stderr}");
}

#[test]
fn a_version_is_told_without_a_mesh_and_a_mesh_that_was_named_must_answer() {
    let folder = tempfile::tempdir().unwrap();
    let version = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kith"));
        run(command.arg("version").arg("--runtime-dir").arg(folder.path()).args(arguments))
    };
    let (code, stdout, stderr) = version(&["-o", "json"]);
    assert_eq!((code, stderr.as_str(), &json(&stdout)["control_plane"]), (0, "", &Value::Null));
    assert_eq!(version(&["--name", "never-started"]).0, 69);
    assert_eq!(version(&["--socket", "/nonexistent/kith.sock"]).0, 69);
}

#[test]
fn a_denial_is_explained_and_mended_and_a_caller_is_cut_off_and_let_in_again() {
    let runtime = Runtime::new();
    let mut demo = Demo::start(&runtime, &["-o", "json"]);
    let charge = |event: &Value| event["src"] == identity("intruder") && event["path"] == "/charge/7";
    let denied = demo.until(|event| charge(event) && event["reason"] == "default_deny");
    let id = &denied["denial_id"].as_str().unwrap()[..8];
    // The sidecar reports a moment after it refused.
    let why = support::soon(|| Some(runtime.run(&["why", id, "-o", "json"])).filter(|(code, ..)| *code == 0));
    let why = json(&why.1);
    assert_eq!((&why["refusal"]["path"], &why["allowed_now"]), (&"/charge/7".into(), &false.into()));
    let path = why["suggestion_file"].as_str().unwrap();
    std::fs::write(path, why["suggestion"].as_str().unwrap()).unwrap();
    demo.until(|event| charge(event) && event["verdict"] == "allow");
    support::soon(|| {
        let (_, now, _) = runtime.run(&["why", id, "-o", "json"]);
        (json(&now)["allowed_now"] == true).then_some(())
    });

    let (code, stdout, stderr) = runtime.run(&["quarantine", "add", "intruder", "-o", "json"]);
    assert_eq!((code, json(&stdout)["waiting_for"].as_array().unwrap().len()), (0, 0), "{stdout}{stderr}");
    demo.until(|event| charge(event) && event["reason"] == "quarantined");
    let (_, listed, _) = runtime.run(&["quarantine", "list", "-o", "json"]);
    assert_eq!(json(&listed)["quarantines"][0]["identity"], identity("intruder"));
    assert_eq!(runtime.run(&["identity", "rotate", "intruder"]).0, 1, "no svid for who is cut off");
    assert_eq!(runtime.run(&["quarantine", "remove", "intruder"]).0, 0);
    demo.until(|event| charge(event) && event["verdict"] == "allow");

    let (code, rotated, stderr) = runtime.run(&["identity", "rotate", "orders", "-o", "json"]);
    assert_eq!(code, 0, "{stderr}");
    assert_ne!(json(&rotated)["serial"], json(&rotated)["previous_serial"]);
    let (_, shown, _) = runtime.run(&["identity", "show", "orders", "-o", "json"]);
    assert_eq!(json(&shown)["serial"], json(&rotated)["serial"]);
    let (_, edges, _) = runtime.run(&["edges", "-o", "json"]);
    let edges = json(&edges);
    assert!(edges["edges"].as_array().unwrap().iter().any(|edge| edge["src_name"] == "web"), "{edges}");
    assert!(demo.end(Signal::SIGTERM).0.success());
}
