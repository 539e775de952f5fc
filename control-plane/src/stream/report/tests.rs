//! What is believed of a report.

use super::*;
use crate::testing::id;

const ID: &str = "0123456789abcdef0123456789abcdef";

fn denial(digits: &str, source: &str) -> v1::Denial {
    v1::Denial { id: digits.into(), source: source.into(), line: "{}".into() }
}

#[test]
fn a_denial_is_found_by_its_id() {
    let observed = Observed::default();
    let message = v1::Denials { denials: vec![denial(ID, id("web").as_str())], lost: 0 };
    denials(&observed, &id("payments"), message);
    let [(reporter, found)] = observed.denials(ID).try_into().unwrap();
    assert_eq!((reporter, found.source), (id("payments"), Some(id("web"))));
}

#[test]
fn a_denial_that_is_not_well_formed_or_one_too_many_counts_as_lost() {
    let too_long = v1::Denial { line: "x".repeat(MAX_LINE + 1), ..denial(ID, "") };
    for wrong in [denial("", ""), denial(&ID.to_uppercase(), ""), denial(ID, "no identity"), too_long] {
        let observed = Observed::default();
        denials(&observed, &id("payments"), v1::Denials { denials: vec![wrong.clone()], lost: 2 });
        assert_eq!(observed.lost(&id("payments")), 3, "{:.60}", wrong.id);
    }
    let observed = Observed::default();
    let many = vec![denial(ID, ""); MAX_DENIALS + 1];
    denials(&observed, &id("payments"), v1::Denials { denials: many, lost: 0 });
    assert!(observed.lost(&id("payments")) > 0);
}

#[test]
fn a_sidecar_counts_only_calls_that_it_took_part_in() {
    let edge = |source: &str, destination: &str| v1::Edge {
        source: source.into(),
        destination: destination.into(),
        allowed: 1,
        ..v1::Edge::default()
    };
    let (orders, payments, web) = (id("orders"), id("payments"), id("web"));
    let observed = Observed::default();
    let message = v1::Edges {
        edges: vec![
            edge(orders.as_str(), payments.as_str()),
            edge(orders.as_str(), web.as_str()),
            edge("nobody", payments.as_str()),
            edge("", payments.as_str()),
            edge("", web.as_str()),
        ],
    };
    edges(&observed, &payments, message);
    assert_eq!(observed.reached(&payments).allowed, 2, "of orders, and of whoever proved no identity");
    assert_eq!(observed.reached(&web).allowed, 0);
}
