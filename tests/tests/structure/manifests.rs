//! What every manifest says: the workspace's lints, licence and versions, and nothing that escapes them.

use std::fs::read_to_string;

use crate::graph::{files, graph, root, shown};

#[test]
fn every_crate_inherits_the_lints_and_the_licence_of_the_workspace() {
    for member in graph().members() {
        let text = read_to_string(&member.manifest_path).unwrap();
        let has = |line: &str| text.lines().any(|it| it.trim() == line);
        assert!(
            text.contains("[lints]\nworkspace = true"),
            "{}: [lints] workspace = true is missing",
            member.name
        );
        assert!(has("license.workspace = true"), "{}: license.workspace = true is missing", member.name);
        assert_eq!(member.license.as_deref(), Some("Apache-2.0"), "{}", member.name);
        assert_eq!(
            member.publish.as_deref(),
            Some(&[][..]),
            "{} could be published by accident",
            member.name
        );
    }
}

/// Workspaces of their own, each with who builds it.
const APART: &[(&str, &str)] = &[("fuzz/Cargo.toml", "`make fuzz`, with a nightly compiler")];

#[test]
fn every_folder_with_a_manifest_is_a_member() {
    let members: Vec<_> =
        graph().members().iter().map(|it| it.manifest_path.clone().into_std_path_buf()).collect();
    for manifest in files(root(), &["Cargo.toml"]) {
        let apart = APART.iter().any(|(path, _)| manifest == root().join(path));
        let known = apart || manifest == root().join("Cargo.toml") || members.contains(&manifest);
        assert!(known, "{} belongs to no workspace, so nothing builds or checks it", shown(&manifest));
    }
}

#[test]
fn dependencies_take_their_version_from_the_workspace() {
    for member in graph().members() {
        let text = read_to_string(&member.manifest_path).unwrap();
        let mut section = "";
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if line.starts_with('[') {
                section = line;
            } else if section.ends_with("dependencies]") {
                let inherits = line.contains(".workspace = true") || line.contains("workspace = true,");
                assert!(inherits, "{}: {line:?} names a version of its own", member.name);
            }
        }
    }
}

#[test]
fn versions_and_toolchain_are_pinned() {
    assert!(root().join("Cargo.lock").is_file(), "Cargo.lock is part of the repository");
    let toolchain = read_to_string(root().join("rust-toolchain.toml")).unwrap();
    let channel = toolchain.lines().find_map(|line| line.strip_prefix("channel = ")).unwrap();
    let numbers = channel.trim_matches('"').split('.').filter(|it| it.parse::<u32>().is_ok()).count();
    assert_eq!(numbers, 3, "{channel} moves by itself; pin all three numbers");
}

#[test]
fn unsafe_code_is_forbidden_and_clippy_knows_the_rules_of_the_house() {
    let workspace = read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(workspace.contains("unsafe_code = \"forbid\""));
    let clippy = read_to_string(root().join("clippy.toml")).unwrap();
    for method in ["std::env::var", "std::time::SystemTime::now", "std::time::Instant::now", "tokio::spawn"] {
        assert!(clippy.contains(&format!("\"{method}\"")), "clippy.toml no longer forbids {method}");
    }
}
