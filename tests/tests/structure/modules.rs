//! No orphans: every Rust file is reached from the root of a target by `mod` declarations. One that is not is never
//! compiled, so whatever it says is not tested and not true.

use std::collections::BTreeSet;
use std::fs::read_to_string;
use std::path::{Path, PathBuf};

use crate::graph::{files, graph, shown};

#[test]
fn every_rust_file_is_part_of_a_target() {
    let mut wrong = Vec::new();
    for member in graph().members() {
        let folder = member.manifest_path.parent().expect("a manifest stands in a folder").as_std_path();
        let mut reached = BTreeSet::new();
        for target in &member.targets {
            reach(target.src_path.as_std_path(), true, &mut reached, &mut wrong);
        }
        let orphans = files(folder, &["rs"]).into_iter().filter(|file| !reached.contains(file));
        wrong.extend(orphans.map(|file| format!("{}: no `mod` line leads here", shown(&file))));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn declarations_are_read_with_their_visibility_and_path_and_comments_are_not() {
    let text = "//! mod doc;\nmod a;\n    pub(crate) mod b;\npub mod c; // why\n// mod d;\n#[cfg(test)]\nmod tests;\n\
                mod inline {\n#[path = \"else/where.rs\"]\nmod moved;\nmodest();\n";
    let declared = declarations(text);
    let names: Vec<&str> = declared.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c", "tests", "moved"]);
    assert_eq!(declared[4].path.as_deref(), Some("else/where.rs"));
    assert!(declared[..4].iter().all(|it| it.path.is_none()));
}

/// A line `mod name;`, with the `#[path]` above it.
struct Declaration {
    name: String,
    path: Option<String>,
}

/// Adds a file and all files that its declarations lead to; notes declarations that lead nowhere.
fn reach(file: &Path, is_root: bool, reached: &mut BTreeSet<PathBuf>, wrong: &mut Vec<String>) {
    if !reached.insert(file.to_path_buf()) {
        return;
    }
    let text = read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", shown(file)));
    let folder = file.parent().expect("a file stands in a folder");
    let is_folder_root = is_root || file.ends_with("mod.rs");
    let children = if is_folder_root { folder.to_path_buf() } else { file.with_extension("") };
    for Declaration { name, path } in declarations(&text) {
        let candidates = match path {
            Some(path) => vec![folder.join(path)],
            None => vec![children.join(format!("{name}.rs")), children.join(&name).join("mod.rs")],
        };
        match candidates.iter().find(|it| it.is_file()) {
            Some(child) => reach(child, false, reached, wrong),
            None => wrong.push(format!("{}: no file for `mod {name};`", shown(file))),
        }
    }
}

/// Reads declarations line by line. Files declared inside an inline module are not looked for in its folder: the house
/// has none, and the missing file would be reported.
fn declarations(text: &str) -> Vec<Declaration> {
    let mut found = Vec::new();
    let mut path = None;
    for line in text.lines().map(str::trim) {
        if let Some(quoted) = line.strip_prefix("#[path = \"").and_then(|rest| rest.strip_suffix("\"]")) {
            path = Some(quoted.to_owned());
        } else if let Some(name) = declared_name(line) {
            found.push(Declaration { name: name.to_owned(), path: path.take() });
        }
    }
    found
}

fn declared_name(line: &str) -> Option<&str> {
    let line = line.split("//").next()?.trim();
    let line = match line.strip_prefix("pub") {
        Some(rest) => {
            rest.strip_prefix("(crate)").or_else(|| rest.strip_prefix("(super)")).unwrap_or(rest).trim_start()
        }
        None => line,
    };
    let name = line.strip_prefix("mod ")?.strip_suffix(';')?.trim();
    name.chars().all(|c| c.is_alphanumeric() || c == '_').then_some(name)
}
