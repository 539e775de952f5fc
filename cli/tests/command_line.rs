//! The real `kith`, as somebody types it: exit codes, a whole demo, and nothing left of it.

#![allow(clippy::unwrap_used)] // what a test cannot set up, it cannot test

mod support;

use std::path::Path;
use std::process::Stdio;

use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::Signal;
use support::{Demo, Runtime, json};

#[test]
fn exit_codes_tell_scripts_what_happened() {
    let runtime = Runtime::new();
    for (arguments, code) in [
        (&["--help"][..], 0),
        (&["--version"], 0),
        (&[], 64),
        (&["frobnicate"], 64),
        (&["demo", "--svid-ttl", "1"], 64),
        (&["demo", "--story", "--svid-ttl", "61"], 64),
        (&["demo", "--log-level", "loud"], 64),
        (&["demo", "--name", "a/b"], 65),
        (&["status"], 69),
        (&["tap"], 69),
        (&["explain", "web", "orders"], 69),
        (&["status", "--socket", "/nonexistent/kith.sock"], 69),
        (&["svid", "fetch"], 64),
        (&["svid", "fetch", "--socket", "unix://host/socket"], 64),
        (&["svid", "fetch", "--socket", "unix:///nonexistent/api.sock", "--timeout", "1s"], 69),
        (&["svid", "inspect", "/nonexistent/svid.pem"], 65),
        (&["svid", "inspect", "127.0.0.1:1"], 69),
        (&["svid", "inspect", "/dev/null"], 65),
    ] {
        let (got, stdout, stderr) = runtime.run(arguments);
        assert_eq!(got, code, "{arguments:?}: {stdout}{stderr}");
        assert!(code == 0 || stdout.is_empty(), "errors belong on standard error");
    }
    assert!(runtime.is_empty(), "what is refused makes no folder");
    let (_, _, stderr) = runtime.run(&["status"]);
    assert!(
        stderr.starts_with("kith: no mesh is running here, and no kubeconfig names a cluster"),
        "{stderr}"
    );
    assert!(stderr.contains("start one with: kith demo") && stderr.contains("--kubeconfig"), "{stderr}");
    let mut wrong_level = runtime.kith(&["demo"]);
    let said = wrong_level.env("KITH_LOG", "loud").output().unwrap();
    let stderr = String::from_utf8(said.stderr).unwrap();
    assert_eq!((said.status.code(), stderr.matches("\"loud\"").count()), (Some(64), 1), "{stderr}");
}

#[test]
fn a_child_that_is_started_by_hand_says_so() {
    for verb in ["run-control-plane", "run-sidecar"] {
        let (code, _, stderr) = Runtime::new().run(&[verb]);
        assert_eq!(code, 1, "{stderr}");
        assert!(stderr.contains("standard input"), "{stderr}");
    }
}

#[test]
fn a_runtime_folder_that_is_not_there_is_noted_and_done_without() {
    let mut status = Runtime::new().kith(&["status", "--name", "never-started"]);
    let said = status.env("XDG_RUNTIME_DIR", "/nonexistent/user/7").output().unwrap();
    let stderr = String::from_utf8(said.stderr).unwrap();
    assert_eq!(said.status.code(), Some(69), "{stderr}");
    assert!(
        stderr.starts_with("kith: XDG_RUNTIME_DIR is \"/nonexistent/user/7\", which is no folder"),
        "{stderr}"
    );
}

#[test]
fn a_mesh_that_runs_is_never_said_not_to() {
    let runtime = Runtime::new();
    let folder = runtime.path().join("kith");
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    // A supervisor whose control plane does not come back.
    let lock = std::fs::File::create(folder.join("demo.lock")).unwrap();
    let _lock = Flock::lock(lock, FlockArg::LockExclusiveNonblock).unwrap();
    for arguments in [&["status"][..], &["tap", "--name", "demo"]] {
        let (code, _, stderr) = runtime.run(arguments);
        assert_eq!(code, 69, "{stderr}");
        assert_eq!(stderr, "kith: the mesh \"demo\" runs, its control plane is restarting\n");
    }
    let (code, _, stderr) = runtime.run(&["demo"]);
    assert_eq!((code, stderr.contains("a mesh named \"demo\" runs already")), (64, true), "{stderr}");
}

#[test]
fn a_demo_shows_both_verdicts_answers_questions_and_leaves_nothing_behind() {
    let runtime = Runtime::new();
    let mut demo = Demo::start(&runtime, &["-o", "json"]);
    demo.until(|event| event["verdict"] == "allow" && event["tls"]["group"] == "X25519MLKEM768");
    demo.until(|event| event["verdict"] == "deny" && event["denial_id"].is_string());
    let (code, stdout, _) = runtime.run(&["status", "-o", "json"]);
    let status = json(&stdout);
    assert_eq!((code, status["policies"].as_u64(), status["name"].as_str()), (0, Some(2), Some("demo")));
    let (code, stdout, _) = runtime.run(&["explain", "intruder", "payments", "POST", "/charge/7"]);
    assert_eq!(code, 2, "{stdout}");
    assert!(stdout.contains("DENY") && stdout.contains("payments.yaml:"), "{stdout}");
    assert_eq!(runtime.run(&["explain", "orders", "payments", "POST", "/charge/7"]).0, 0);
    let (code, _, stderr) = runtime.run(&["explain", "web", "paymets", "POST", "/"]);
    assert_eq!(code, 65);
    assert!(stderr.contains("(did you mean \"payments\"?)"), "{stderr}");
    assert_eq!(stderr.matches("did you mean").count(), 1, "{stderr}");
    for nothing in [["", "/"], ["GET", ""], ["G T", "/"]] {
        assert_eq!(runtime.run(&["explain", "web", "orders", nothing[0], nothing[1]]).0, 65, "{nothing:?}");
    }
    let (code, _, stderr) = runtime.run(&["demo"]);
    assert_eq!(code, 64, "a second mesh of the same name: {stderr}");

    let (status, told) = demo.end(Signal::SIGINT);
    assert_eq!(status.code(), Some(0));
    assert!(told.contains(" 0 failed by the mesh"), "{told}");
    assert!(told.contains("  deny    curl -i -X POST http://127.0.0.1:"), "{told}");
    assert!(runtime.is_empty());
}

#[test]
fn an_answer_stands_also_when_its_reader_has_gone() {
    let runtime = Runtime::new();
    let demo = Demo::start(&runtime, &[]);
    let mut explain = runtime.kith(&["explain", "intruder", "payments", "POST", "/charge/7"]);
    let (reader, writer) = nix::unistd::pipe().unwrap();
    drop(reader);
    assert_eq!(explain.stdout(Stdio::from(writer)).status().unwrap().code(), Some(2));
    assert!(demo.end(Signal::SIGTERM).0.success());
}

#[test]
fn edits_of_the_policies_are_shown_in_the_demo_and_by_the_exit_code_of_status() {
    let runtime = Runtime::new();
    let mut demo = Demo::start(&runtime, &["--name", "edited", "-o", "json"]);
    demo.until(|event| event["verdict"] == "deny");
    let told =
        |name: &str| demo.children.iter().any(|child| child.title.starts_with(&format!("kith: {name}")));
    assert!(told("control plane") && told("sidecar of web") && told("application of intruder"));
    let folder =
        json(&runtime.run(&["status", "-o", "json"]).1)["policies_folder"].as_str().unwrap().to_owned();
    let file = Path::new(&folder).join("payments.yaml");
    let original = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, original.replace("sources:", "sauces:")).unwrap();
    let refused = demo.until(|event| event["kind"] == "policies");
    let detail = refused["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("payments.yaml:") && detail.ends_with("the rules stay as they were"),
        "{detail}"
    );
    let (code, stdout, _) = runtime.run(&["status"]);
    assert_eq!(code, 2);
    assert!(stdout.starts_with("mesh      edited, trust domain demo.local"), "{stdout}");
    assert_eq!(runtime.run(&["status", "-o", "json"]).0, 2);
    std::fs::write(&file, original.replace("create-charge", "make-charge")).unwrap();
    let taken = demo.until(|event| event["kind"] == "policies" && event["reason"].is_null());
    assert!(taken["detail"].as_str().unwrap().ends_with("in force, 2 policies"), "{taken}");
    assert_eq!(runtime.run(&["status"]).0, 0);

    let (status, told) = demo.end(Signal::SIGHUP);
    assert_eq!(status.code(), Some(0));
    for command in ["kith explain --name edited", "kith status --name edited", "kith tap --name edited"] {
        assert!(told.contains(command), "{told}");
    }
    assert!(runtime.is_empty(), "a closed terminal ends a demo in order");
}

#[test]
fn of_two_demos_that_start_at_once_one_ends_at_once() {
    let runtime = Runtime::new();
    let start =
        || runtime.kith(&["demo", "--name", "twin"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut twins = [start().unwrap(), start().unwrap()];
    let at = support::soon(|| twins.iter_mut().position(|twin| twin.try_wait().unwrap().is_some()));
    let [first, second] = twins;
    let (loser, winner) = if at == 0 { (first, second) } else { (second, first) };
    let said = loser.wait_with_output().unwrap();
    let stderr = String::from_utf8(said.stderr).unwrap();
    assert_eq!(said.status.code(), Some(64), "{stderr}");
    assert_eq!(stderr, "kith: a mesh named \"twin\" runs already; choose another name with --name\n");
    let (status, _) = Demo::of(winner).end(Signal::SIGQUIT);
    assert_eq!(status.code(), Some(0));
    assert!(runtime.is_empty());
}

#[test]
fn a_story_that_is_interrupted_has_proven_nothing() {
    let runtime = Runtime::new();
    let mut story = Demo::spawn(&runtime, &["--story", "-o", "json"]);
    assert_eq!(story.until(|finding| finding["step"] == 1)["held"], true);
    let (status, told) = story.end(Signal::SIGTERM);
    assert_eq!(status.code(), Some(1));
    let stopped = told.lines().find(|line| line.starts_with("stopped after ")).unwrap();
    assert!(stopped.ends_with(" of 6 promises") && !stopped.contains("after 0"), "{stopped}");
    assert!(runtime.is_empty());
}

#[test]
fn a_tap_whose_reader_has_seen_enough_ends_quietly() {
    let runtime = Runtime::new();
    let demo = Demo::start(&runtime, &["--name", "tapped"]);
    let mut tap = support::Lines::of(&mut runtime.kith(&["tap", "-o", "json"]));
    assert!(json(&tap.next())["verdict"].is_string());
    let (status, complaints) = tap.close();
    assert_eq!((status.code(), complaints.as_str()), (Some(0), ""));
    assert!(demo.end(Signal::SIGTERM).0.success());
}

#[test]
fn a_tap_outlives_a_control_plane_that_is_killed_and_ends_with_its_mesh() {
    let runtime = Runtime::new();
    let demo = Demo::start(&runtime, &["--name", "killed"]);
    let mut tap = support::Lines::of(&mut runtime.kith(&["tap", "-o", "json"]));
    tap.next();
    let control_plane = demo.children.iter().find(|child| child.title.contains("control plane")).unwrap();
    support::signal(control_plane.pid, Signal::SIGKILL);
    // Whatever this meets, the mesh runs.
    let (code, _, stderr) = runtime.run(&["status"]);
    assert!(code == 0 || stderr.contains("its control plane is restarting"), "{code}: {stderr}");
    assert_eq!(runtime.run(&["explain", "orders", "payments", "POST", "/charge/7"]).0, 0);
    assert_eq!(tap.complaint(), "kith: the control plane is gone; waiting for it");
    // By now it is back, and this tap with it: these were not there before it was killed.
    let back = json(&tap.next())["time"].as_str().unwrap().to_owned();
    support::soon(|| (json(&tap.next())["time"].as_str().unwrap() > back.as_str()).then_some(()));
    assert!(demo.end(Signal::SIGTERM).0.success());
    let (status, complaints) = tap.until_end();
    assert_eq!((status.code(), complaints.as_str()), (Some(0), "kith: the mesh was stopped\n"));
}

#[test]
fn children_do_not_outlive_a_supervisor_that_is_killed_and_the_next_one_clears_away() {
    let runtime = Runtime::new();
    let demo = Demo::start(&runtime, &[]);
    let children = demo.children.clone();
    assert_eq!(children.len(), 9, "a control plane, four sidecars, four applications");
    demo.end(Signal::SIGKILL);
    let gone = |pid: i32| !Path::new(&format!("/proc/{pid}")).exists();
    support::soon(|| children.iter().all(|child| gone(child.pid)).then_some(()));
    assert!(!runtime.is_empty());
    let (code, _, stderr) = runtime.run(&["status"]);
    assert_eq!((code, stderr.contains("no mesh is running here")), (69, true), "{stderr}");
    assert!(Demo::start(&runtime, &[]).end(Signal::SIGTERM).0.success());
    assert!(runtime.is_empty());
}
