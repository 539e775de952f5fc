//! What a namespace's labels and annotations mean, and which of them mean nothing.

use std::time::Duration;

use super::*;

fn object(labels: &[(&str, &str)], annotations: &[(&str, &str)]) -> NamespaceObject {
    let map = |entries: &[(&str, &str)]| {
        entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let (labels, annotations) = (Some(map(labels)), Some(map(annotations)));
    let metadata = ObjectMeta { name: Some("shop".to_owned()), labels, annotations, ..ObjectMeta::default() };
    NamespaceObject::read(metadata).unwrap().1
}

fn meaning(labels: &[(&str, &str)], annotations: &[(&str, &str)]) -> Namespace {
    object(labels, annotations).meaning("shop")
}

const END: (&str, &str) = (OBSERVE_UNTIL, "2027-01-31T00:00:00Z");

#[test]
fn a_namespace_of_which_nothing_is_said_is_enforced_and_reaches_nothing_outside() {
    assert_eq!(meaning(&[], &[]), Namespace::default());
    assert_eq!(meaning(&[("kith.dev/inject", "enabled")], &[]), Namespace::default());
}

#[test]
fn postures_and_egress_are_what_the_labels_say() {
    let until = UNIX_EPOCH + Duration::from_secs(1_801_353_600);
    let observe = Posture::Observe { until };
    let cases = [
        (&[(POSTURE, "Enforce")][..], Posture::Enforce, Egress::ByPosture),
        (&[(POSTURE, "Encrypt")], Posture::Encrypt, Egress::ByPosture),
        (&[(POSTURE, "Observe")], observe, Egress::ByPosture),
        (&[(POSTURE, "Observe"), (EGRESS, "Deny")], observe, Egress::Deny),
        (&[(EGRESS, "Observe")], Posture::Enforce, Egress::Observe),
        (&[(EGRESS, "Allow")], Posture::Enforce, Egress::Allow),
    ];
    for (labels, posture, egress) in cases {
        assert_eq!(meaning(labels, &[END]), Namespace { posture, egress, refuse_all: None }, "{labels:?}");
    }
}

#[test]
fn a_value_that_cannot_be_read_closes_the_namespace_and_is_named() {
    let cases = [
        (&[(POSTURE, "observe")][..], "kith.dev/posture"),
        (&[(POSTURE, "")], "kith.dev/posture"),
        (&[(EGRESS, "allow")], "kith.dev/egress"),
        (&[("kith.dev/inject", "true")], "kith.dev/inject"),
    ];
    for (labels, named) in cases {
        let Namespace { posture, egress, refuse_all } = meaning(labels, &[END]);
        assert_eq!((posture, egress), (Posture::Enforce, Egress::ByPosture));
        let reason = refuse_all.unwrap();
        assert!(reason.contains(named) && reason.contains("shop"), "{reason}");
    }
    let permit = meaning(&[], &[("config.kith.dev/permit-skip-inbound-ports", "all")]);
    assert!(permit.refuse_all.is_some());
}

#[test]
fn observe_without_a_readable_end_closes_the_namespace() {
    let ends = [
        None,
        Some(""),
        Some("tomorrow"),
        Some("2027-01-31"),
        Some("2027-01-31T00:00:00"),
        Some("2027-01-31 00:00:00Z"),
        Some("2027-01-31T00:00:00+00:00[UTC]"),
        Some("2027-13-31T00:00:00Z"),
        Some("1970-01-01T00:00:00Z"),
        Some("1969-12-31T23:59:59Z"),
    ];
    for end in ends {
        let annotations: Vec<_> = end.map(|end| (OBSERVE_UNTIL, end)).into_iter().collect();
        let Namespace { posture, refuse_all, .. } = meaning(&[(POSTURE, "Observe")], &annotations);
        assert_eq!(posture, Posture::Enforce, "{end:?}");
        assert!(refuse_all.is_some_and(|reason| reason.contains(OBSERVE_UNTIL)), "{end:?}");
    }
    // Without Observe it means nothing, and does no harm.
    assert_eq!(meaning(&[], &[(OBSERVE_UNTIL, "tomorrow")]), Namespace::default());
}

#[test]
fn what_others_wrote_on_a_namespace_is_not_kept() {
    let kept = object(&[("team", "shop"), (POSTURE, "Encrypt")], &[("example.com/note", "long"), END]);
    assert_eq!(kept.labels.len() + kept.annotations.len(), 2);
}

#[test]
fn a_long_value_is_not_repeated_whole() {
    let long = "x".repeat(100_000);
    let reason = meaning(&[(POSTURE, &long)], &[]).refuse_all.unwrap();
    assert!(reason.len() < 300, "{}", reason.len());
}
