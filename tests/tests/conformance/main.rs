//! Conformance, to the letter: every duty of the SPIFFE standards is a line of `tests/conformance/checklist.txt`, every
//! line is covered by tests that cite it, and a corpus of certificates, tokens and bundles is judged as the standards
//! judge it.
//!
//! `docs/conformance.md` is what this program knows, written down. It is compared here, not trusted.

mod checklist;
mod citations;
mod corpus;
mod page;
mod seeds;

use std::collections::BTreeSet;
use std::fs;

use checklist::{Checklist, Duty};
use citations::Citation;
use kith_tests::repository;

/// How to make the page again.
const ADVICE: &str = "cargo test -p kith-tests --test conformance write_the_page -- --ignored";

#[test]
fn every_line_is_covered_by_a_test_or_says_why_it_is_not_offered() {
    let (checklist, citations) = (Checklist::read(), citations::all());
    let cited: BTreeSet<&str> = citations.iter().map(|it| it.id.as_str()).collect();
    let covered = |duty: &&Duty| cited.contains(duty.id.as_str()) || checklist.reason(&duty.id).is_some();
    let missing: Vec<&str> =
        checklist.duties.iter().filter(|it| !covered(it)).map(|it| it.id.as_str()).collect();
    assert!(
        missing.is_empty(),
        "no test says `// Conforms: ...` of {} lines, and not-offered.txt gives no reason: {missing:#?}",
        missing.len()
    );
}

#[test]
fn every_citation_stands_above_a_test_and_names_a_line() {
    let checklist = Checklist::read();
    let mut wrong: Vec<String> = Vec::new();
    for Citation { id, file, test } in citations::all() {
        let place = test.as_ref().map_or_else(|| file.clone(), |test| format!("{file}, {test}"));
        if checklist.duty(&id).is_none() {
            wrong.push(format!("{place}: {id:?} is no line of checklist.txt"));
        }
        if test.is_none() {
            wrong.push(format!("{place}: the citation of {id:?} stands above no test"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_reason_outlives_its_truth() {
    let (checklist, citations) = (Checklist::read(), citations::all());
    let mut wrong = Vec::new();
    for excuse in &checklist.excuses {
        let lines: Vec<&Duty> = checklist.duties.iter().filter(|it| excuse.covers(&it.id)).collect();
        if lines.is_empty() {
            wrong.push(format!("{} of not-offered.txt is no line of checklist.txt", excuse.of));
        }
        for cited in citations.iter().filter(|it| excuse.covers(&it.id)) {
            wrong.push(format!("{} is not offered, and {} tests it", cited.id, cited.file));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_case_of_the_corpus_is_judged_as_the_standards_judge_it() {
    let judged = corpus::judged();
    println!("{}", page::corpus_table(judged));
    let wrong: Vec<String> = judged.iter().filter_map(corpus::Judged::complaint).collect();
    assert!(wrong.is_empty(), "{} of {} cases: {wrong:#?}", wrong.len(), judged.len());
}

#[test]
fn the_corpus_is_as_large_as_it_says_and_names_its_cases_and_rules() {
    let (checklist, judged) = (Checklist::read(), corpus::judged());
    for (kind, least, least_accepted) in
        [(corpus::Kind::Certificate, 150, 40), (corpus::Kind::Token, 90, 20), (corpus::Kind::Bundle, 60, 15)]
    {
        let of_kind: Vec<_> = judged.iter().filter(|it| it.kind == kind).collect();
        let accepted = of_kind.iter().filter(|it| it.wanted == corpus::Wanted::Accept).count();
        assert!(of_kind.len() >= least, "{kind:?}: {} cases", of_kind.len());
        assert!(accepted >= least_accepted, "{kind:?}: {accepted} accepted ones");
    }
    let mut ids = BTreeSet::new();
    for case in judged {
        assert!(ids.insert(&case.id), "two cases are named {}", case.id);
        let known =
            checklist.duty(case.rule).is_some() || case.rule.starts_with("RFC ") || case.rule == "Kith";
        assert!(known, "{}: {:?} is no line of checklist.txt and no RFC", case.id, case.rule);
    }
}

#[test]
fn the_page_says_what_the_tests_say() {
    let kept = fs::read_to_string(repository().join(page::FILE)).unwrap_or_default();
    assert!(kept == page::text(), "{} is not what the tests say; to make it again: {ADVICE}", page::FILE);
}

#[test]
#[ignore = "writes docs/conformance.md; run it when lines, tests or cases were meant to change"]
fn write_the_page() {
    fs::write(repository().join(page::FILE), page::text()).unwrap();
}

#[test]
#[ignore = "writes fuzz/corpus; run it when the cases that fuzzing starts from were meant to change"]
fn write_the_seeds() {
    for (target, name, bytes) in seeds::all() {
        let folder = repository().join("fuzz/corpus").join(target);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), bytes).unwrap();
    }
}
