//! Since when somebody has to have a policy: what starts that again, and what does not.

use serde_json::json;

use super::super::testing::{Ground, callers};

fn since(ground: &Ground) -> Vec<(String, u64)> {
    let callers = callers();
    let selected = ground.since.selected(&callers);
    selected.map(|(id, since)| (id.as_str().to_owned(), since.counter)).collect()
}

#[test]
fn a_policy_has_to_be_there_since_the_world_that_brought_it_and_not_since_each_world() {
    let mut ground = Ground::new(&["a"]);
    ground.policy(1, &json!({ "rules": [{}] }));
    let first = ground.worlds.now().revision.counter;
    assert_eq!(since(&ground), [("a".to_owned(), first)]);
    // Somebody else comes: who has the policy still has it.
    ground.pod("b", "web");
    let second = ground.worlds.now().revision.counter;
    assert!(second > first);
    assert_eq!(since(&ground), [("a".to_owned(), first), ("b".to_owned(), second)]);
    // Another version of it begins anew.
    ground.policy(2, &json!({ "rules": [] }));
    let third = ground.worlds.now().revision.counter;
    assert_eq!(since(&ground), [("a".to_owned(), third), ("b".to_owned(), third)]);
}

#[test]
fn a_workload_that_a_policy_begins_to_select_has_to_have_it_since_then() {
    let mut ground = Ground::new(&["a"]);
    ground.policy(
        1,
        &json!({ "targetRefs": [{ "kind": "Pod", "selector": { "matchLabels": { "app": "b" } } }] }),
    );
    assert_eq!(since(&ground), []);
    let old = ground.confirms("a");
    ground.pod("a", "b");
    let now = ground.worlds.now().revision.counter;
    assert_eq!(since(&ground), [("a".to_owned(), now)]);
    drop(old);
}

#[test]
fn only_who_was_there_in_the_first_world_is_from_the_start() {
    let mut ground = Ground::new(&[]);
    ground.since = super::Since::default();
    ground.pod("a", "a");
    ground.pod("b", "b");
    let from_the_start = |pod| ground.since.is_from_the_start(&ground.workload(pod).id);
    assert!(from_the_start("a") && !from_the_start("b"));
}
