//! How the step behaves: what it leaves behind, what it refuses, and whom it may run as.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use kith_tests::binary;
use tempfile::TempDir;

use crate::ground::{Ground, said};

/// Somebody else's rules, which are none of our business.
const FOREIGN: &str = "table ip foreign { chain own { tcp dport 22 accept; }; }";
/// Somebody else's, which take every connection before ours could.
const FIRST: &str = "table inet first { chain output { type nat hook output priority -150; \
                     meta l4proto tcp redirect to :7500; }; }";

fn failed(output: &Output, code: i32, why: &str) {
    let text = said(output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(text.contains(why), "{why:?} is not in: {text}");
}

fn add(ground: &Ground, rules: &str) {
    let output = ground.command(&["nft", rules]).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn applying_twice_is_as_once_and_other_rules_are_left_alone() {
    // K18
    let ground = Ground::new();
    add(&ground, FOREIGN);
    let foreign = ground.rules();
    let mut step = ground.step();
    let once = step.output().unwrap();
    assert!(once.status.success(), "{}", said(&once));
    let rules = ground.rules();
    assert!(rules.starts_with(&foreign) && rules.contains("table inet kith"), "{rules}");
    let twice = step.output().unwrap();
    assert!(twice.status.success(), "{}", said(&twice));
    assert_eq!(ground.rules(), rules);
}

#[test]
fn applying_other_settings_puts_them_in_the_place_of_the_first() {
    let ground = Ground::redirected(r#"{"skipInbound":["9000"]}"#);
    let output = ground.step().output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(ground.rules(), Ground::redirected("{}").rules());
}

#[test]
fn removing_leaves_nothing_of_ours_and_succeeds_when_there_is_nothing() {
    // K18
    let ground = Ground::redirected("{}");
    add(&ground, FOREIGN);
    for _ in 0..2 {
        let output = ground.step().arg("--remove").output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        assert!(!ground.rules().contains("kith"), "{}", ground.rules());
        assert!(ground.rules().contains("foreign"));
    }
}

#[test]
fn it_says_in_one_line_what_is_redirected_and_how_long_it_took() {
    let ground = Ground::new();
    let redirect = r#"{"skipInbound":["9000-9010"],"skipOutbound":["80"],"quic":"Allow"}"#;
    let output = ground.step().env("KITH_REDIRECT", redirect).output().unwrap();
    assert!(output.status.success() && output.stdout.is_empty(), "{}", said(&output));
    let line: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    let told = ["message", "families", "skip_inbound", "skip_outbound", "quic"].map(|name| &line[name]);
    assert_eq!(told, ["Redirected", "IPv4,IPv6", "9000-9010", "80", "Allow"]);
    assert_eq!((&line["inbound"], &line["outbound"]), (&7442.into(), &7441.into()));
    assert!(line["took_ms"].as_u64().is_some_and(|took| took < 10_000), "{line}");
}

#[test]
fn a_pod_of_one_family_is_proved_in_that_one_and_redirected_in_both() {
    // K11
    for (pod_ips, families) in [("10.77.0.2", "IPv4"), ("fd77::2", "IPv6")] {
        let ground = Ground::new();
        let output = ground.step().env("KITH_POD_IPS", pod_ips).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        assert!(said(&output).contains(&format!("\"families\":\"{families}\"")), "{}", said(&output));
        assert_eq!(ground.rules(), Ground::redirected("{}").rules());
    }
}

#[test]
fn the_rules_are_known_again_where_protocols_have_no_names() {
    // As in the image, which has no /etc/protocols.
    let ground = Ground::new();
    let nameless = "mount --bind /dev/null /etc/protocols && exec \"$0\"";
    let mut step = ground.command(&["unshare", "--mount", "sh", "-c", nameless]);
    let output = step.arg(binary("kith-redirect")).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn settings_that_are_wrong_are_named_and_nothing_is_changed() {
    // K8
    let ground = Ground::new();
    for (name, value) in [
        ("KITH_REDIRECT", "{\"skipInbound\":[\"0\"]}"),
        ("KITH_REDIRECT", "{\"skip\":[]}"),
        ("KITH_REDIRECT", ""),
        ("KITH_POD_IPS", "10.77.0.2,"),
        ("KITH_POD_IPS", ""),
        ("KITH_POD_IPS", "127.0.0.1"),
    ] {
        failed(&ground.step().env(name, value).output().unwrap(), 65, name);
    }
    for name in ["KITH_REDIRECT", "KITH_POD_IPS"] {
        failed(&ground.step().env_remove(name).output().unwrap(), 65, name);
    }
    failed(&ground.step().arg("--force").output().unwrap(), 64, "--force");
    assert_eq!(ground.rules(), "");
}

#[test]
fn rules_that_do_not_take_effect_are_taken_away_and_the_pod_does_not_go_on() {
    let ground = Ground::new();
    add(&ground, FIRST);
    let before = ground.rules();
    let elsewhere = ground.listen("127.0.0.1:7500");
    failed(
        &ground.step().output().unwrap(),
        1,
        "IPv4 is not redirected: a connection to 192.0.2.1:80 went elsewhere",
    );
    assert_eq!(ground.rules(), before);
    drop(elsewhere);
    // Nobody there: the connection is not made at all.
    failed(
        &ground.step().output().unwrap(),
        1,
        "IPv4 is not redirected: a connection to 192.0.2.1:80 did not come",
    );
    assert_eq!(ground.rules(), before);
}

#[test]
fn a_family_that_is_not_redirected_is_found_although_the_other_one_is() {
    // K11
    let ground = Ground::new();
    add(&ground, &FIRST.replace("meta l4proto tcp", "meta nfproto ipv6 meta l4proto tcp"));
    failed(&ground.step().output().unwrap(), 1, "IPv6 is not redirected");
    assert!(!ground.rules().contains("kith"), "{}", ground.rules());
}

#[test]
fn a_place_that_is_taken_stops_the_step_before_it_changes_anything() {
    let ground = Ground::redirected(r#"{"skipInbound":["9000"]}"#);
    let rules = ground.rules();
    let sidecar = ground.listen("127.0.0.1:7441");
    failed(&ground.step().output().unwrap(), 1, "cannot listen on 127.0.0.1:7441");
    assert_eq!(ground.rules(), rules);
    drop(sidecar);
}

#[test]
fn what_nft_refuses_is_told_and_leaves_nothing() {
    let ground = Ground::new();
    // Root of a user namespace has the capability, but not in the network of somebody else.
    let output =
        ground.command(&["unshare", "--user", "--map-root-user"]).arg(binary("kith-redirect")).output();
    failed(&output.unwrap(), 1, "nft ended with");
    assert_eq!(ground.rules(), "");
}

#[test]
fn the_rules_are_shown_to_anybody_and_not_applied() {
    let ground = Ground::new();
    let (_folder, program) = installed(None);
    let output =
        as_7441(&ground, "-all", &program).arg("--print").env_remove("KITH_POD_IPS").output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(ground.rules(), "");
    // They are what would have been applied.
    add(&ground, &String::from_utf8(output.stdout).unwrap());
    assert_eq!(ground.rules(), Ground::redirected("{}").rules());
}

/// A copy of the program, as an image has it: anybody may run it, and its file carries what is given.
fn installed(capability: Option<&str>) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("kith-redirect");
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    // Not by this process: a file that it has open for writing, another test's child would hold open, and it would not run.
    let output =
        Command::new("install").arg("-m755").arg(binary("kith-redirect")).arg(&program).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    if let Some(capability) = capability {
        let output = Command::new("setcap").arg(capability).arg(&program).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
    }
    (folder, program)
}

/// The program as Kubernetes runs it under the restricted profile, with these capabilities at most.
fn as_7441(ground: &Ground, capabilities: &str, program: &std::path::Path) -> Command {
    let bounding = format!("--bounding-set={capabilities}");
    let user = ["setpriv", "--reuid=7441", "--regid=7441", "--clear-groups", "--no-new-privs", &bounding];
    let mut command = ground.command(&user);
    command.arg(program);
    command
}

#[test]
fn one_capability_of_its_file_is_all_that_it_needs() {
    let ground = Ground::new();
    let (_folder, program) = installed(Some("cap_net_admin+p"));
    let output = as_7441(&ground, "-all,+net_admin", &program).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(ground.rules(), Ground::redirected("{}").rules());
}

#[test]
fn root_with_that_one_capability_will_do() {
    let ground = Ground::new();
    let program = binary("kith-redirect");
    let root = ["setpriv", "--no-new-privs", "--bounding-set=-all,+net_admin"];
    let output = ground.command(&root).arg(program).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn without_the_capability_it_says_what_is_missing_and_what_to_do() {
    // The container has none; the container has it, but the file lost it.
    for (capability, bounding) in [(Some("cap_net_admin+p"), "-all"), (None, "-all,+net_admin")] {
        let ground = Ground::new();
        let (_folder, program) = installed(capability);
        let output = as_7441(&ground, bounding, &program).output().unwrap();
        failed(&output, 1, "no capability NET_ADMIN: Pod Security forbids it in this namespace");
        assert_eq!(ground.rules(), "");
    }
}
