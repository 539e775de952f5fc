//! Rules that hold for the text of files: their size, their opening, and what must not stand in them.

use std::fs::read_to_string;

use crate::graph::{files, root, shown};

/// A file aims at 150 lines; over this it holds more than one question.
const MOST_LINES: usize = 600;

/// Files that may lift the ban on clocks, environment and bare spawns, each with the reason.
const MAY_LIFT: &[(&str, &str)] = &[
    ("identity/benches/parse.rs", "it measures time, in a crate that has no clock"),
    ("policy/benches/evaluate.rs", "it measures time, in a crate that has no clock"),
    ("proto/build.rs", "cargo tells a build script its output folder in the environment"),
    ("runtime/src/clock.rs", "it is where wall-clock time comes from"),
    ("tests/src/client.rs", "a client connection of a test ends with that test's runtime"),
    (
        "control-plane/src/source/kubernetes/tests/ground.rs",
        "its cluster is told by the command that runs the test",
    ),
];

/// What people and machines read; images and lock files excepted.
const TEXTS: &[&str] =
    &["rs", "toml", "md", "yaml", "yml", "proto", "sh", "Makefile", "run", "preflight", "snap", "json"];

#[test]
fn no_rust_file_is_longer_than_it_may_be() {
    let wrong = in_files(&["rs"], |_, text| {
        let lines = text.lines().count();
        (lines > MOST_LINES).then(|| format!("has {lines} lines, more than {MOST_LINES}: split it"))
    });
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_rust_file_opens_by_saying_what_it_owns() {
    let wrong = in_files(&["rs"], |_, text| {
        let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        (!first.starts_with("//! ")).then(|| "does not open with `//! ...`".to_owned())
    });
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_file_names_a_path_of_somebodys_machine() {
    // Put together here, so that this file does not name them.
    let homes =
        [["/ro", "ot/"].concat(), ["/wo", "rk/"].concat(), ["/ho", "me/"].concat(), ["/Us", "ers/"].concat()];
    let wrong = in_files(TEXTS, |_, text| {
        let (number, line) =
            text.lines().enumerate().find(|(_, line)| homes.iter().any(|it| line.contains(it)))?;
        Some(format!("line {} names a path of one machine: {line}", number + 1))
    });
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_ban_on_clocks_environment_and_bare_spawns_is_lifted_only_where_a_reason_is_listed() {
    let lint = ["disallowed", "_methods"].concat();
    let wrong = in_files(&["rs"], |path, text| {
        let listed = MAY_LIFT.iter().any(|(listed, _)| path == *listed);
        (text.contains(&lint) && !listed)
            .then(|| format!("lifts clippy::{lint}; take a Clock, a setting or Tasks"))
    });
    assert!(wrong.is_empty(), "{wrong:#?}");
    for (path, reason) in MAY_LIFT {
        let text = read_to_string(root().join(path)).unwrap_or_default();
        assert!(text.contains(&lint), "{path} no longer lifts the ban ({reason}): remove it from the list");
    }
}

#[test]
fn no_file_silences_lints_wholesale_or_leaves_work_for_later() {
    let silences = [
        ["allow(", "warnings"].concat(),
        ["allow(", "clippy::all"].concat(),
        ["allow(", "unsafe_code"].concat(),
    ];
    let later = [["to", "do!("].concat(), ["unimple", "mented!("].concat()];
    let wrong = in_files(&["rs"], |_, text| {
        let bad = silences.iter().chain(&later).find(|bad| text.contains(bad.as_str()))?;
        Some(format!("says {bad}"))
    });
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What is wrong with each file, as `path: what`.
fn in_files(extensions: &[&str], check: impl Fn(&str, &str) -> Option<String>) -> Vec<String> {
    let checked = files(root(), extensions).into_iter().filter_map(|file| {
        let path = shown(&file);
        let text = read_to_string(&file).unwrap_or_else(|error| panic!("{path}: {error}"));
        check(&path, &text).map(|what| format!("{path}: {what}"))
    });
    checked.collect()
}
