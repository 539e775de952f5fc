//! Which test says that it covers which line: comments `// Conforms: ID, ID` right above a test, in Rust and Go, and the
//! same behind `#` in Python. Owns how they are found; whether an id exists is not its question.

use std::fs;
use std::path::{Path, PathBuf};

use kith_tests::repository;

/// What opens a citation, behind the comment sign.
const WORD: &str = "Conforms:";

/// One id, cited once.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Citation {
    pub(crate) id: String,
    /// The file, from the root of the repository.
    pub(crate) file: String,
    /// The test below the comment; without one the citation covers nothing.
    pub(crate) test: Option<String>,
}

/// Every citation of the repository, in the order of their files.
pub(crate) fn all() -> Vec<Citation> {
    let mut found = Vec::new();
    let root = repository();
    for file in sources(&root) {
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        if text.contains(WORD) {
            let shown = file.strip_prefix(&root).unwrap_or(&file).display().to_string();
            found.extend(in_text(&shown, &text));
        }
    }
    found.sort();
    found.dedup();
    found
}

/// The source files of the repository; build output, git's own and what others wrote left out.
fn sources(root: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![root.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap_or_else(|error| panic!("{}: {error}", folder.display())).path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let extension = path.extension().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                if !name.starts_with('.') && !matches!(name.as_str(), "target" | "node_modules") {
                    folders.push(path);
                }
            } else if matches!(extension.as_str(), "rs" | "go" | "py") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The citations of one file.
fn in_text(file: &str, text: &str) -> Vec<Citation> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let Some(first) = comment(lines[at]).and_then(|it| it.strip_prefix(WORD)) else {
            at += 1;
            continue;
        };
        let mut cited = first.trim().to_owned();
        at += 1;
        // A list that ends with a comma goes on in the next line of the comment.
        while let Some(more) = lines.get(at).and_then(|line| comment(line)).filter(|_| cited.ends_with(',')) {
            cited = format!("{cited} {more}");
            at += 1;
        }
        let test = test_below(&lines[at..]);
        let ids = cited.split(',').map(str::trim).filter(|id| !id.is_empty());
        found.extend(ids.map(|id| Citation { id: id.to_owned(), file: file.to_owned(), test: test.clone() }));
    }
    found
}

fn comment(line: &str) -> Option<&str> {
    line.strip_prefix("// ").or_else(|| line.strip_prefix("# "))
}

/// The test that begins here, behind comments and attributes alone.
fn test_below(lines: &[&str]) -> Option<String> {
    let (mut is_test, mut inside_attribute) = (false, false);
    for line in lines {
        if inside_attribute || line.starts_with("#[") {
            is_test |= *line == "#[test]" || line.starts_with("#[tokio::test");
            inside_attribute = !line.ends_with(']');
        } else if !line.starts_with("//") && !line.starts_with('#') && !line.starts_with('@') {
            return function(line, is_test);
        }
    }
    None
}

/// The name of a test whose first line this is: Go and Python know theirs by name, Rust by attribute.
fn function(line: &str, has_attribute: bool) -> Option<String> {
    let named =
        |rest: &str| -> String { rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    if let Some(rest) = line.strip_prefix("func Test") {
        return Some(format!("Test{}", named(rest)));
    }
    let line = line.strip_prefix("async ").unwrap_or(line);
    if let Some(rest) = line.strip_prefix("def test_") {
        return Some(format!("test_{}", named(rest)));
    }
    line.strip_prefix("fn ").filter(|_| has_attribute).map(named)
}

#[test]
fn a_citation_belongs_to_the_test_right_below_it_and_to_nothing_else() {
    let slashes = format!("// {WORD}");
    let text = format!(
        "{slashes} A 1 x, B 2 y\n// F9.\n#[tokio::test(\n    start_paused = true\n)]\nasync fn one() {{}}\n\
         {slashes} A 1 z,\n// A 1 w\n#[test]\n#[ignore]\nfn two() {{}}\n\
         {slashes} C 3 helper\nfn no_test() {{}}\n\
         {slashes} C 3 apart\n\n#[test]\nfn far() {{}}\n\
         {slashes} D 4 go\nfunc TestThree(t *testing.T) {{\n\
         # {WORD} E 5 python\n@mark\nasync def test_four(tmp):\n"
    );
    let found = in_text("a.rs", &text);
    let found: Vec<_> = found.iter().map(|it| (it.id.as_str(), it.test.as_deref())).collect();
    assert_eq!(
        found,
        [
            ("A 1 x", Some("one")),
            ("B 2 y", Some("one")),
            ("A 1 z", Some("two")),
            ("A 1 w", Some("two")),
            ("C 3 helper", None),
            ("C 3 apart", None),
            ("D 4 go", Some("TestThree")),
            ("E 5 python", Some("test_four")),
        ]
    );
}
