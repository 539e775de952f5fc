//! Callers without an identity: what is refused to them too.

use super::*;

/// What refuses a call of nobody to `callee`, on port 80.
fn unproven(set: &PolicySet, quarantined: &[&str], request: Request<'_>) -> Option<String> {
    let quarantines: Quarantines = quarantined.iter().map(|name| identity(name)).collect();
    let call = UnprovenCall { destination: &identity("callee"), port: 80, request };
    let because = denial_of_unproven(set, &quarantines, &call, SystemTime::UNIX_EPOCH);
    because.map(|because| told(&Verdict::Deny { because }))
}

#[test]
fn a_caller_without_an_identity_meets_the_deny_rules_that_name_no_source() {
    // A1, X5
    let anybody = r#"{ action: DENY, rules: [{ operations: [{ http: { paths: ["/admin/**"] } }] }] }"#;
    let of_web =
        "{ action: DENY, rules: [{ sources: [{ type: ServiceAccount, serviceAccount: { name: web } }] }] }";
    let on_port = "{ action: DENY, rules: [{ networkAttributes: { ports: [80] } }] }";
    let elsewhere = "{ action: DENY, rules: [{ networkAttributes: { ports: [81] } }] }";
    let rows = [
        (anybody, http("GET", "/admin"), Some("policy_deny: demo/p1 rule rule-1 denies it")),
        (anybody, http("GET", "/"), None),
        (anybody, http("GET", "//admin"), Some("ambiguous_path: ")),
        // Unknown: nobody can tell what travels inside.
        (anybody, Request::Opaque, Some("policy_deny: ")),
        (of_web, http("GET", "/"), None),
        (on_port, http("GET", "/"), Some("policy_deny: ")),
        (elsewhere, http("GET", "/"), None),
        ("{ rules: [{}] }", http("GET", "/"), None),
    ];
    for (policy, request, expected) in rows {
        let denial = unproven(&set(&[policy]), &[], request);
        let agrees = match (&denial, expected) {
            (Some(denial), Some(expected)) => denial.starts_with(expected),
            (denial, expected) => denial.is_none() && expected.is_none(),
        };
        assert!(agrees, "{policy} {request:?}: {denial:?}");
    }
}

#[test]
fn a_caller_without_an_identity_meets_the_quarantine_of_its_destination_and_missing_policies() {
    let anybody = set(&["{ rules: [{}] }"]);
    let quarantined = "quarantined: spiffe://demo.local/ns/demo/sa/callee is quarantined";
    assert_eq!(unproven(&anybody, &["callee"], Request::Opaque).as_deref(), Some(quarantined));
    assert_eq!(unproven(&anybody, &["web"], Request::Opaque), None);
    let refuse = PolicySet::refuse_all("no snapshot yet");
    assert!(unproven(&refuse, &[], Request::Opaque).unwrap().starts_with("not_ready: "));
    assert!(unproven(&refuse, &["callee"], Request::Opaque).unwrap().starts_with("quarantined: "), "first");
}
