//! Nothing of an explanation is lost on the way to people.

use kith_policy::document::Action;
use kith_policy::explain::{Check, Considered};
use kith_policy::{At, Field, Origin, Truth};

use super::considered_to_wire;
use crate::v1;

#[test]
fn a_rule_that_was_considered_is_told_in_full() {
    let considered = Considered {
        policy: "demo/callers".into(),
        action: Action::Deny,
        rule: "rule-1".into(),
        origin: Some(Origin {
            file: "p.yaml".into(),
            at: At::Line { line: 3, column: 5, text: "  - {}".into() },
        }),
        matched: true,
        checks: vec![Check {
            field: Field::GrpcMethod,
            outcome: Truth::Unknown,
            got: "an opaque connection".to_owned(),
            wanted: "Create".to_owned(),
        }],
    };
    let expected = v1::Considered {
        policy: "demo/callers".to_owned(),
        action: "DENY".to_owned(),
        rule: "rule-1".to_owned(),
        origin: Some(v1::Origin { file: "p.yaml".to_owned(), line: 3, column: 5, text: "  - {}".to_owned() }),
        matched: true,
        checks: vec![v1::Check {
            field: "grpc.method".to_owned(),
            outcome: "unknown".to_owned(),
            got: "an opaque connection".to_owned(),
            wanted: "Create".to_owned(),
        }],
    };
    assert_eq!(considered_to_wire(&considered), expected);
}
