//! A page of the documentation that a test follows: what it consists of, and when something is as it shows. Owns how a
//! fence says what it is. Not owned: who follows it (`reader`), and with what (`terminal`).
//!
//! `sh first` and `sh second` are commands for one of two terminals, `text` what must be seen there, `keys` what is
//! pressed, and any other language with a name a file. A fence that is none of these is an error.

mod reader;
mod terminal;

pub use reader::{Page, Reader};
pub use terminal::{Said, Terminal};

use anyhow::{Context, bail, ensure};

/// In what the page shows, anything.
const ANYTHING: &str = "...";

/// One of the two terminals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The one that is opened first.
    First,
    /// The other.
    Second,
}

/// What a fence is there for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Commands, one a line.
    Commands(Which),
    /// What must be seen.
    Shown(Which),
    /// What is pressed.
    Keys(Which),
    /// A file of this name.
    File(String),
}

/// A fenced block.
#[derive(Debug)]
pub struct Fence {
    /// Of the page, where it begins.
    pub line: usize,
    /// What it is there for.
    pub kind: Kind,
    /// What stands in it.
    pub text: String,
}

/// All of a page; one that cannot be understood is an error.
pub fn fences(page: &str) -> anyhow::Result<Vec<Fence>> {
    let mut fences = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let line_number = number + 1;
        let Some(info) = line.strip_prefix("```") else {
            ensure!(!line.contains("```"), "line {line_number}: a fence begins at the left");
            continue;
        };
        let kind = kind(info).with_context(|| format!("line {line_number}: ```{info}"))?;
        let mut text = String::new();
        loop {
            let (_, line) = lines.next().with_context(|| format!("line {line_number}: it never ends"))?;
            if line == "```" {
                break;
            }
            text.push_str(line);
            text.push('\n');
        }
        ensure!(!text.trim().is_empty(), "line {line_number}: it is empty");
        fences.push(Fence { line: line_number, kind, text });
    }
    Ok(fences)
}

fn kind(info: &str) -> anyhow::Result<Kind> {
    let (language, what) = info.split_once(' ').context("it does not say what it is")?;
    let terminal = match what {
        "first" => Some(Which::First),
        "second" => Some(Which::Second),
        _ => None,
    };
    match (language, terminal) {
        ("sh", Some(which)) => Ok(Kind::Commands(which)),
        ("text", Some(which)) => Ok(Kind::Shown(which)),
        ("keys", Some(which)) => Ok(Kind::Keys(which)),
        ("rust" | "yaml", None) => Ok(Kind::File(what.to_owned())),
        _ => bail!("nobody knows what it is"),
    }
}

/// Whether keys are what this terminal is given next: then its last command runs until they are pressed.
pub fn is_ended_by_keys(which: Which, rest: &[Fence]) -> bool {
    let given = rest.iter().find_map(|fence| match fence.kind {
        Kind::Commands(of) if of == which => Some(false),
        Kind::Keys(of) if of == which => Some(true),
        _ => None,
    });
    given.unwrap_or_default()
}

/// Whether every line of `expected` is like one that was printed, in their order.
pub fn is_shown(expected: &str, printed: &str) -> anyhow::Result<()> {
    let mut lines = printed.lines();
    for wanted in expected.lines() {
        ensure!(lines.any(|line| is_like(wanted, line)), "not shown: {wanted}\n{printed}");
    }
    Ok(())
}

/// Whether a line is what the page shows, but for how wide its columns are. `...` is anything.
pub fn is_like(wanted: &str, line: &str) -> bool {
    let [wanted, line] = [wanted, line].map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
    let Some((first, others)) = wanted.split_once(ANYTHING) else { return wanted == line };
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let (middle, last) = others.rsplit_once(ANYTHING).unwrap_or(("", others));
    for part in middle.split(ANYTHING) {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

#[test]
fn a_fence_that_nobody_knows_is_refused() {
    for page in [
        "```sh\nls\n```",
        "```\nx\n```",
        "```sh third\nls\n```",
        "```c a.c\nx\n```",
        "```sh first\nls",
        "  ```sh first",
    ] {
        assert!(fences(page).is_err(), "{page}");
    }
    assert_eq!(
        fences("a\n```rust a.rs\nfn main() {}\n```\n").unwrap()[0].kind,
        Kind::File("a.rs".to_owned())
    );
}

#[test]
fn what_is_shown_may_leave_out_words_and_lines_and_nothing_else() {
    assert!(is_like("... a  GET /x allow ... 1.3 ...", "12:00:01 a GET  /x allow 200 1.3 z"));
    assert!(is_like("a", "  a "));
    assert!(!is_like("a", "a b") && !is_like("... b", "b c") && !is_like("a ... c", "a b"));
    assert!(!is_like("a ... 200 ...", "a 403 x"));
    assert!(is_shown("a\nc", "a\nb\nc").is_ok());
    assert!(is_shown("c\na", "a\nb\nc").is_err(), "another order");
}
