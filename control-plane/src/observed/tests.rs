//! Who loses what when somebody floods.

use super::*;
use crate::testing::id;

fn denial(number: usize, source: Option<&str>) -> Denial {
    Denial { id: format!("{number:032x}"), source: source.map(id), line: String::new() }
}

fn some(name: &str) -> Option<SpiffeId> {
    Some(id(name))
}

fn has(observed: &Observed, number: usize) -> bool {
    !observed.denials(&format!("{number:032x}")).is_empty()
}

#[test]
fn a_source_that_floods_evicts_only_its_own_denials() {
    let observed = Observed::default();
    observed.denied(&id("payments"), vec![denial(1, Some("web")), denial(2, None)], 0);
    let flood = (10..10_010).map(|number| denial(number, Some("intruder"))).collect();
    observed.denied(&id("payments"), flood, 0);

    assert!(has(&observed, 1) && has(&observed, 2), "others keep theirs");
    assert!(has(&observed, 10_009) && !has(&observed, 10), "the newest of the flood are kept");
    assert_eq!(observed.lost(&id("payments")), 10_000 - DENIALS_PER_SOURCE as u64);
}

#[test]
fn a_reporter_that_floods_evicts_only_its_own_reports() {
    let observed = Observed::default();
    observed.denied(&id("payments"), vec![denial(1, Some("web"))], 0);
    let flood = (10..1_010).map(|number| denial(number, Some(&format!("source-{number}")))).collect();
    observed.denied(&id("intruder"), flood, 5);

    let found = observed.denials(&format!("{:032x}", 1));
    assert_eq!(found, [(id("payments"), denial(1, Some("web")))]);
    assert_eq!(observed.lost(&id("intruder")), 1_000 - SOURCES_PER_REPORTER as u64 + 5);
    assert!(has(&observed, 1_009) && !has(&observed, 10), "the source of longest ago made room");
}

#[test]
fn counters_add_up_without_overflow_and_only_for_calls_that_reached_the_reporter() {
    let observed = Observed::default();
    let more = Counts { allowed: u64::MAX, denied: 1, failed: 2, would_deny: 4 };
    assert!(observed.counted(&id("payments"), some("orders"), id("payments"), more));
    // Whoever proved nothing called it as well.
    assert!(observed.counted(&id("payments"), None, id("payments"), more));
    assert!(observed.counted(&id("payments"), some("payments"), id("bank"), more));
    let reached = observed.reached(&id("payments"));
    assert_eq!(reached, Counts { allowed: u64::MAX, denied: 2, failed: 4, would_deny: 8 });
    assert_eq!(observed.reached(&id("bank")), Counts::default(), "bank's own sidecar said nothing");
}

#[test]
fn a_reporter_counts_a_bounded_number_of_edges() {
    let observed = Observed::default();
    let count = |number: usize| {
        observed.counted(&id("payments"), some(&format!("s{number}")), id("payments"), Counts::default())
    };
    assert_eq!((0..EDGES_PER_REPORTER + 10).filter(|number| count(*number)).count(), EDGES_PER_REPORTER);
    assert!(count(0), "an edge that is known goes on counting");
}

#[test]
fn what_reporters_that_are_gone_said_is_forgotten() {
    let observed = Observed::default();
    observed.denied(&id("payments"), vec![denial(1, None)], 0);
    observed.retain(|reporter| *reporter != id("payments"));
    assert!(!has(&observed, 1));
}

#[test]
fn a_source_that_floods_every_reporter_evicts_only_its_own_at_each() {
    let observed = Observed::default();
    let reporters = ["payments", "orders", "bank"];
    for (at, reporter) in reporters.iter().enumerate() {
        observed.denied(&id(reporter), vec![denial(at, Some("web"))], 0);
    }
    for (at, reporter) in (1..).zip(reporters) {
        let flood = (at * 100_000..at * 100_000 + 1_000).map(|number| denial(number, Some("intruder")));
        observed.denied(&id(reporter), flood.collect(), 0);
    }
    assert!((0..reporters.len()).all(|number| has(&observed, number)));
}

#[test]
fn edges_are_the_destinations_own_counts_and_what_the_source_itself_refused_in_order() {
    let observed = Observed::default();
    let one = Counts { allowed: 1, denied: 2, failed: 0, would_deny: 5 };
    let hearsay = |denied| Counts { allowed: 9, denied, failed: 9, would_deny: 9 };
    for source in ["web", "orders", "payments"] {
        observed.counted(&id("payments"), some(source), id("payments"), one);
    }
    observed.counted(&id("bank"), some("payments"), id("bank"), one);
    // It says of payments only what never got there; of what did, payments' own word counts.
    for (destination, denied) in [("payments", 3), ("ghost", 0), ("bank", 4)] {
        observed.counted(&id("orders"), some("orders"), id(destination), hearsay(denied));
    }
    let edges = |wanted: fn(Option<&SpiffeId>, &SpiffeId) -> bool| observed.edges(wanted);
    let refused = |denied| Counts { denied, ..Counts::default() };
    let expected = [
        ((some("orders"), id("bank")), refused(4)),
        ((some("orders"), id("payments")), Counts { denied: 5, ..one }),
        ((some("payments"), id("bank")), one),
        ((some("payments"), id("payments")), one),
        ((some("web"), id("payments")), one),
    ];
    assert_eq!(edges(|_, _| true), expected);
    assert_eq!(edges(|source, _| source == Some(&id("web"))), expected[4..]);
    assert_eq!(
        observed.reached(&id("payments")),
        Counts { allowed: 3, denied: 6, failed: 0, would_deny: 15 }
    );
}
