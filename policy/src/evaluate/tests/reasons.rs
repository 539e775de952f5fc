//! What a denial says: the rule that came closest, and never more than is good to read.

use super::*;

#[test]
fn a_default_denial_names_the_rule_that_came_closest_and_what_failed() {
    let set = set(&[
        r#"{ rules: [{ name: create-charge, sources: [{ type: ServiceAccount, serviceAccount: { name: orders } }],
             operations: [{ http: { methods: [POST], paths: ["/charges"] } }] }] }"#,
        "{ rules: [{ name: health, operations: [{ http: { methods: [GET, HEAD], paths: [/health] } }] }] }",
    ]);
    let orders = identity("orders");
    let rows = [
        (
            &orders,
            "DELETE",
            "/charges",
            "demo/p1 rule create-charge failed on method: got DELETE, wants POST",
        ),
        (&orders, "POST", "/x", "demo/p1 rule create-charge failed on path: got /x, wants /charges"),
        (&orders, "GET", "/x", "demo/p1 rule create-charge failed on method: got GET, wants POST"),
        (&orders, "DELETE", "/health", "demo/p1 rule create-charge failed on method: got DELETE, wants POST"),
        (
            &identity("intruder"),
            "POST",
            "/charges",
            "demo/p1 rule create-charge failed on source: got spiffe://demo.local/ns/demo/sa/intruder, wants \
             spiffe://demo.local/ns/demo/sa/orders",
        ),
        (
            &identity("web"),
            "PUT",
            "/health",
            "demo/p2 rule health failed on method: got PUT, wants GET or HEAD",
        ),
    ];
    for (source, method, path, expected) in rows {
        let verdict = decide(&set, source, 80, http(method, path));
        assert_eq!(told(&verdict), format!("default_deny: {expected}"), "{source} {method} {path}");
    }
}

#[test]
fn a_rule_for_others_that_misses_only_the_source_is_closer_than_one_for_the_caller_that_misses_more() {
    let rule = |source, method, path| {
        format!(
            "{{ rules: [{{ sources: [{{ type: ServiceAccount, serviceAccount: {{ name: {source} }} }}], \
             operations: [{{ http: {{ methods: [{method}], paths: [{path}] }} }}] }}] }}"
        )
    };
    let set = set(&[&rule("web", "PUT", "/x"), &rule("orders", "GET", "/a")]);
    assert_eq!(
        told(&decide(&set, &identity("web"), 80, http("GET", "/a"))),
        "default_deny: demo/p2 rule rule-1 failed on source: got spiffe://demo.local/ns/demo/sa/web, wants \
         spiffe://demo.local/ns/demo/sa/orders"
    );
}

#[test]
fn a_default_denial_says_when_no_rule_has_the_source() {
    let allow = "{ rules: [{ sources: [{ type: ServiceAccount, serviceAccount: { name: web } }] }] }";
    let text = |specs: &[&str]| told(&decide(&set(specs), &identity("intruder"), 80, http("GET", "/")));
    assert_eq!(
        text(&[allow]),
        "default_deny: no rule for source spiffe://demo.local/ns/demo/sa/intruder (1 ALLOW policy applies)"
    );
    assert!(text(&[allow, allow, "{}"]).contains("(3 ALLOW policies apply)"));
}

#[test]
fn a_denial_looks_at_no_more_than_a_fixed_number_of_rules() {
    // The last rule is closer than the others (its port holds), and lies beyond the bound.
    let far = "{ operations: [{ http: { methods: [PUT] } }] },".repeat(64);
    let near =
        "{ name: near, networkAttributes: { ports: [80] }, operations: [{ http: { methods: [PUT] } }] }";
    let first = |rules: String| told(&decide(&set(&[&rules]), &identity("web"), 80, http("GET", "/")));
    assert!(first(format!("{{ rules: [{far} {near}] }}")).contains("rule rule-1 failed on method"));
    assert!(first(format!("{{ rules: [{near}, {far}] }}")).contains("rule near failed on method"));
}

#[test]
fn the_reason_of_a_denial_is_of_bounded_length() {
    let sources: String =
        (0..128).map(|i| format!("{{ type: ServiceAccount, serviceAccount: {{ name: s{i} }} }},")).collect();
    let set = set(&[&format!(
        "{{ rules: [{{ sources: [{sources}], operations: [{{ http: {{ methods: [PUT] }} }}] }}] }}"
    )]);
    let method = "X".repeat(5000);
    let verdict = decide(&set, &identity("s7"), 80, http(&method, "/"));
    let Verdict::Deny { because: Denial::Default { nearest: Some(nearest), .. } } = verdict else {
        panic!("{verdict:?}")
    };
    assert!(nearest.got.len() < 250);
    let verdict = decide(&set, &identity("s7"), 81, Request::Opaque);
    assert!(told(&verdict).ends_with("failed on method: got an opaque connection, wants PUT"), "{verdict:?}");
}
