//! `docs/conformance.md`: every line of the checklist with the tests that cover it, and the corpus with what was judged
//! wrongly. Owns the page's words and shape.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::checklist::{Checklist, Duty};
use crate::citations::{self, Citation};
use crate::corpus::{self, Judged, Kind, Wanted};

/// Where it stands, from the root of the repository.
pub(crate) const FILE: &str = "docs/conformance.md";

/// The standards in the order of the checklist, with the names that people know.
const STANDARDS: &[(&str, &str)] = &[
    ("SPIFFE-ID", "SPIFFE-ID"),
    ("X509-SVID", "X509-SVID"),
    ("JWT-SVID", "JWT-SVID"),
    ("Bundle", "SPIFFE Trust Domain and Bundle"),
    ("BundleMap", "SPIFFE Trust Domain and Bundle: the map of bundles"),
    ("Endpoint", "SPIFFE Workload Endpoint"),
    ("Workload-API", "SPIFFE Workload API"),
    ("Federation", "SPIFFE Federation"),
    ("WIT", "WIT-SVID"),
    ("Broker", "SPIFFE Broker Endpoint and Broker API"),
];

const OPENING: &str = "\
# Conformance

The duties that the SPIFFE standards (github.com/spiffe/spiffe, `standards/`, as of November 2026) lay on who validates, issues, serves or asks, and
the tests that cover them. A sentence of a standard that has no line here is an oversight: please say so. The page is made from `tests/conformance/checklist.txt` and
from the tests themselves: a test that covers a line says so right above it, `// Conforms: X509-SVID 4.3 critical`. `make test` fails when a
line is covered by no test and has no reason in `tests/conformance/not-offered.txt`, when a citation names no line, and when this page is not what
the tests say. To make it again: `cargo test -p kith-tests --test conformance write_the_page -- --ignored`.

*Whose*: **v** the duty of who validates, **i** of who issues or serves, **c** of a client. The last column names each test by its sentence, behind the file that it stands in;
*corpus* counts the cases of the corpus below that are about this very line.
";

const CORPUS: &str = "\
## The corpus

Certificates, tokens and bundles made anew in every run with fresh keys, each spoiled in one way or in none, each with the verdict that the
standards ask for and the reason that ours must give: a refusal for another reason counts as wrong, and so does a bundle that is read with other keys than it should be.

Beside ours stands bare [rustls-webpki](https://crates.io/crates/rustls-webpki), as a program meets it that only calls `verify_for_usage`: with every signature algorithm
it has, with the anchors of every trust domain in one list, and without the rules of the X509-SVID profile, which it does not claim to know. It judges paths of certificates, so it has no
say on tokens and bundles; cases of rules that are Kith's own (key strength, limits, distrust, whom was expected) are not held against it.
";

/// The whole page.
pub(crate) fn text() -> String {
    let (checklist, citations, judged) = (Checklist::read(), citations::all(), corpus::judged());
    let mut page = format!("{OPENING}\n## In short\n\n{}", summary(&checklist, &citations));
    let _ = write!(page, "\n{CORPUS}\n{}", corpus_table(judged));
    for (standard, title) in STANDARDS {
        let duties = checklist.duties.iter().filter(|it| it.standard() == *standard);
        let _ = write!(
            page,
            "\n## {title}\n\n| line | | whose | duty | covered by |\n| --- | --- | --- | --- | --- |\n"
        );
        for duty in duties {
            let covered = covered_by(duty, &checklist, &citations, judged);
            let Duty { id, force, whose, sentence } = duty;
            let _ = writeln!(page, "| {id} | {force} | {whose} | {sentence} | {covered} |");
        }
    }
    page
}

/// A row for each standard.
fn summary(checklist: &Checklist, citations: &[Citation]) -> String {
    let mut table =
        "| standard | duties | covered | not offered | tests |\n| --- | ---: | ---: | ---: | ---: |\n"
            .to_owned();
    for (standard, title) in STANDARDS {
        let duties: Vec<&Duty> = checklist.duties.iter().filter(|it| it.standard() == *standard).collect();
        let not_offered = duties.iter().filter(|it| checklist.reason(&it.id).is_some()).count();
        let covered = duties.iter().filter(|it| citations.iter().any(|cited| cited.id == it.id)).count();
        let of_standard = citations.iter().filter(|it| it.id.split(' ').next() == Some(standard));
        let tests: BTreeSet<_> = of_standard.map(|it| (&it.file, &it.test)).collect();
        let _ =
            writeln!(table, "| {title} | {} | {covered} | {not_offered} | {} |", duties.len(), tests.len());
    }
    table
}

/// The last cell of a line: tests by file, cases of the corpus, or the reason.
fn covered_by(duty: &Duty, checklist: &Checklist, citations: &[Citation], judged: &[Judged]) -> String {
    let mut by_file: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for cited in citations.iter().filter(|it| it.id == duty.id) {
        let test = cited.test.as_deref().unwrap_or_default().replace('_', " ");
        by_file.entry(&cited.file).or_default().push(test);
    }
    let mut cells: Vec<String> =
        by_file.iter().map(|(file, tests)| format!("[{file}](../{file}): {}", tests.join("; "))).collect();
    let cases = judged.iter().filter(|it| it.rule == duty.id).count();
    if cases > 0 {
        cells.push(format!("corpus: {cases}"));
    }
    if let Some(reason) = checklist.reason(&duty.id) {
        cells.push(format!("*Not offered.* {reason}"));
    }
    cells.join("<br>")
}

/// How many cases each group has, and how many were judged wrongly. The same in every run: keys are fresh, cases are not.
pub(crate) fn corpus_table(judged: &[Judged]) -> String {
    let mut table =
        "| | group | cases | to accept | ours wrong | webpki accepts wrongly | webpki refuses wrongly |\n\
                     | --- | --- | ---: | ---: | ---: | ---: | ---: |\n"
            .to_owned();
    for kind in [Kind::Certificate, Kind::Token, Kind::Bundle] {
        let of_kind: Vec<&Judged> = judged.iter().filter(|it| it.kind == kind).collect();
        let mut groups: Vec<&str> = of_kind.iter().map(|it| it.group).collect();
        groups.dedup();
        for group in groups {
            let of_group: Vec<&Judged> = of_kind.iter().copied().filter(|it| it.group == group).collect();
            table.push_str(&row(kind.name(), group, &of_group));
        }
        table.push_str(&row(&format!("**{}**", kind.name()), "**all**", &of_kind));
    }
    table
}

fn row(kind: &str, group: &str, cases: &[&Judged]) -> String {
    let accepted = cases.iter().filter(|it| it.wanted == Wanted::Accept).count();
    let wrong = cases.iter().filter(|it| it.complaint().is_some()).count();
    let webpki = |accepts: bool| {
        let judged: Vec<bool> =
            cases.iter().filter_map(|it| Some(it.webpki? == accepts && it.is_wrong_of_webpki())).collect();
        if judged.is_empty() {
            "-".to_owned()
        } else {
            judged.iter().filter(|wrong| **wrong).count().to_string()
        }
    };
    format!(
        "| {kind} | {group} | {} | {accepted} | {wrong} | {} | {} |\n",
        cases.len(),
        webpki(true),
        webpki(false)
    )
}
