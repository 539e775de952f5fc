//! The bound, the text, and counting from many threads at once.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use super::*;

const FLOOD: usize = 100_000;

#[derive(Debug)]
struct Calls(Arc<Counters<2>>);

impl Collector for Calls {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0.encode(&mut encoder, "calls", "Calls")
    }
}

fn calls() -> Arc<Counters<2>> {
    Arc::new(Counters::new([Label::Open("source"), Label::Closed("verdict")]))
}

fn text(calls: &Arc<Counters<2>>) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Calls(Arc::clone(calls))));
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    text
}

/// The samples, without comments.
fn samples(calls: &Arc<Counters<2>>) -> Vec<String> {
    text(calls).lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

#[test]
fn each_label_set_has_a_count_of_its_own() {
    let calls = calls();
    calls.count(["web", "allow"]);
    calls.count(["web", "allow"]);
    calls.count(["web", "deny"]);
    calls.count(["", "deny"]);
    assert_eq!(
        samples(&calls),
        [
            r#"calls_total{source="",verdict="deny"} 1"#,
            r#"calls_total{source="web",verdict="allow"} 2"#,
            r#"calls_total{source="web",verdict="deny"} 1"#,
        ]
    );
    assert_eq!(calls.dropped(), 0);
}

// D8
#[test]
fn a_flood_of_identities_stays_within_the_bound_and_every_one_is_counted() {
    let calls = calls();
    calls.count(["early", "allow"]);
    for number in 0..FLOOD {
        calls.count([&format!("spiffe://t/{number}"), "deny"]);
    }
    calls.count(["late", "allow"]);
    calls.count(["early", "allow"]);
    let samples = samples(&calls);
    // With `other` there is one more for each set of closed values: two verdicts.
    assert_eq!(samples.len(), MOST_SETS + 2);
    let sum: u64 = samples.iter().map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum();
    assert_eq!(sum, FLOOD as u64 + 3, "none is lost");
    assert!(samples.contains(&r#"calls_total{source="early",verdict="allow"} 2"#.to_owned()));
    assert!(samples.contains(&r#"calls_total{source="other",verdict="allow"} 1"#.to_owned()));
    assert_eq!(calls.dropped(), (FLOOD + 3 - 1 - MOST_SETS) as u64);
}

#[test]
fn the_bound_holds_when_many_threads_count_what_is_new_at_once() {
    let calls = calls();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let calls = &calls;
            scope.spawn(move || {
                for number in 0..MOST_SETS {
                    calls.count([&format!("{thread}/{number}"), "allow"]);
                    calls.count([&format!("shared/{number}"), "allow"]);
                }
            });
        }
    });
    let samples = samples(&calls);
    assert_eq!(samples.len(), MOST_SETS + 1);
    let sum: u64 = samples.iter().map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum();
    assert_eq!(sum, 8 * MOST_SETS as u64);
}

#[test]
fn values_are_escaped_so_that_none_can_forge_a_line() {
    // G8 for metrics: quotes, backslashes and line breaks.
    let calls = calls();
    calls.count(["a\"} 1\ncalls_total{source=\"b\\", "deny"]);
    assert_eq!(
        samples(&calls),
        [r#"calls_total{source="a\"} 1\ncalls_total{source=\"b\\",verdict="deny"} 1"#]
    );
    assert!(text(&calls).ends_with("# EOF\n"));
}
