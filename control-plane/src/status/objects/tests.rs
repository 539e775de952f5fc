//! Events: what they are called, and what fits into them.

use super::*;
use crate::kubernetes::kinds::{AUTHORIZATION_POLICY, QUARANTINE};

fn told(of: OurKind, namespace: &str, name: &str, note: &str) -> Event {
    event(of, &Key::new(namespace, name), "0123456789abcdef", 4, Timestamp::UNIX_EPOCH, note)
}

#[test]
fn a_refusal_is_one_event_for_each_generation_of_an_object() {
    let event = told(AUTHORIZATION_POLICY, "shop", "callers", "why");
    assert_eq!(event.metadata.name.as_deref(), Some("callers.01234567.4"));
    assert_eq!(event.metadata.namespace.as_deref(), Some("shop"));
    let regarding = event.regarding.unwrap();
    assert_eq!(
        (regarding.kind.as_deref(), regarding.uid.as_deref()),
        (Some("AuthorizationPolicy"), Some("0123456789abcdef"))
    );
    assert_eq!((event.note.as_deref(), event.type_.as_deref()), (Some("why"), Some("Warning")));
}

#[test]
fn what_has_no_namespace_is_told_of_in_the_default_one() {
    let event = told(QUARANTINE, "", "leaked", "why");
    assert_eq!(event.metadata.namespace.as_deref(), Some("default"));
    assert_eq!(event.regarding.unwrap().namespace, None);
}

#[test]
fn a_long_name_and_a_long_note_are_cut_to_what_kubernetes_takes() {
    let event = told(AUTHORIZATION_POLICY, "shop", &format!("{}.b", "a".repeat(241)), &"é".repeat(600));
    let name = event.metadata.name.unwrap();
    assert!(name.len() <= 253 && !name.contains("..") && name.ends_with("a.01234567.4"), "{name}");
    let note = event.note.unwrap();
    assert!(note.len() <= 1000 && note.chars().all(|c| c == 'é'), "{}", note.len());
}
