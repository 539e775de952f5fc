//! The order of the decision, and what each kind of rule matches. Beside it, what a denial says, and callers that proved
//! nothing.

mod reasons;
mod unproven;

use std::sync::Arc;
use std::time::SystemTime;

use kith_identity::SpiffeId;

use super::{denial_of_unproven, evaluate};
use crate::Request;
use crate::tests::support::{decide, grpc, http, identity, own, set, told};
use crate::verdict::Denial;
use crate::{Call, PolicySet, Quarantines, UnprovenCall, Verdict};

/// Of the P rows: DENY /admin*, ALLOW GET /app*.
fn admin_and_app() -> PolicySet {
    set(&[
        r#"{ action: DENY, rules: [{ operations: [{ http: { paths: ["/admin/**"] } }] }] }"#,
        r#"{ rules: [{ operations: [{ http: { methods: [GET], paths: ["/app/**"] } }] }] }"#,
    ])
}

fn code(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Allow { .. } => "allow",
        Verdict::Deny { because } => because.code(),
    }
}

#[test]
fn the_path_rows_are_decided_as_written_down() {
    let set = admin_and_app();
    let web = identity("web");
    let rows = [
        ("P1", "GET", "/admin", "policy_deny"),
        ("P2", "GET", "//admin", "ambiguous_path"),
        ("P3", "GET", "/./admin", "ambiguous_path"),
        ("P4", "GET", "/app/../admin", "ambiguous_path"),
        ("P5", "GET", "/app/%2e%2e/admin", "ambiguous_path"),
        ("P7", "GET", "/%61dmin", "policy_deny"),
        ("P8", "GET", "/admi%6E", "policy_deny"),
        ("P9", "GET", "/ADMIN", "default_deny"),
        ("P10", "GET", "/admin%2fx", "ambiguous_path"),
        ("P13", "GET", "/app\\..\\admin", "ambiguous_path"),
        ("P14", "GET", "/app/..;/admin", "ambiguous_path"),
        ("P15", "GET", "/admin;x=1", "ambiguous_path"),
        ("P17", "GET", "/admin%00", "ambiguous_path"),
        ("P21", "GET", "/app", "allow"),
        ("P22", "GET", "/admin/", "policy_deny"),
        ("P23", "GET", "/app/%252e%252e/admin", "allow"),
        ("P24", "GET", "/app/%c0%ae%c0%ae/admin", "ambiguous_path"),
        ("P28", "GET", "/app/%e2%80%ae", "allow"),
        ("P29", "GET", "/app/x%20y", "allow"),
        ("P32", "OPTIONS", "*", "default_deny"),
        ("P38", "GET", "/application", "default_deny"),
        ("P39", "GET", "/app/%2a", "allow"),
        ("P50", "get", "/app", "default_deny"),
        ("P50", "GETX", "/app", "default_deny"),
        ("P50", "POST", "/app", "default_deny"),
    ];
    for (id, method, path, expected) in rows {
        assert_eq!(code(&decide(&set, &web, 80, http(method, path))), expected, "{id}: {method} {path}");
    }
}

#[test]
fn a_path_is_refused_as_ambiguous_only_on_ports_with_path_rules() {
    let set = set(&[
        r#"{ rules: [{ networkAttributes: { ports: [80] } , operations: [{ http: { paths: ["/app"] } }] }] }"#,
        "{ rules: [{ networkAttributes: { ports: [81] } }] }",
    ]);
    assert!(set.has_path_rules(80) && !set.has_path_rules(81));
    let web = identity("web");
    assert_eq!(code(&decide(&set, &web, 80, http("GET", "//"))), "ambiguous_path");
    assert_eq!(code(&decide(&set, &web, 81, http("GET", "//"))), "allow");
}

#[test]
fn a_grpc_rule_matches_exactly_one_path() {
    let service = set(&["{ rules: [{ operations: [{ grpc: { service: pkg.Svc } }] }] }"]);
    let method = set(&["{ rules: [{ operations: [{ grpc: { service: pkg.Svc, methods: [Method] } }] }] }"]);
    let rows = [
        ("", "/pkg.Svc/Method", "allow", "allow"),
        ("", "/pkg.Svc/Other", "allow", "default_deny"),
        ("P46", "pkg.Svc/Method", "ambiguous_path", "ambiguous_path"),
        ("P47", "/pkg.Svc/../Admin/Del", "ambiguous_path", "ambiguous_path"),
        ("P47 encoded", "/pkg.Svc/M%65thod", "ambiguous_path", "ambiguous_path"),
        ("P48", "/pkg.svc/method", "default_deny", "default_deny"),
        ("P49", "/pkg.Svc/Method/", "default_deny", "default_deny"),
        ("P49", "/pkg.Svc/Method/x", "default_deny", "default_deny"),
        ("", "/pkg.Svc/", "default_deny", "default_deny"),
        ("", "/pkg.Svc", "default_deny", "default_deny"),
    ];
    let web = identity("web");
    for (id, path, of_service, of_method) in rows {
        assert_eq!(code(&decide(&service, &web, 80, grpc(path))), of_service, "{id} {path}");
        assert_eq!(code(&decide(&method, &web, 80, grpc(path))), of_method, "{id} {path}");
    }
    let plain = http("POST", "/pkg.Svc/Method");
    let get = Request::Http { method: "GET", path: "/pkg.Svc/Method", grpc: true };
    for request in [plain, get] {
        assert_eq!(code(&decide(&service, &web, 80, request)), "default_deny");
    }
}

#[test]
fn fields_and_lists_combine_as_documented() {
    let set = set(&[r#"{ rules: [
        { name: full, sources: [{ type: ServiceAccount, serviceAccount: { name: web } },
                                { type: ServiceAccount, serviceAccount: { namespace: ops, name: "*" } }],
          networkAttributes: { ports: [80, 81] },
          operations: [{ http: { methods: [GET, HEAD], paths: ["/a", "/b"] } }, { http: { methods: [PUT] } }] } ] }"#]);
    let ops = SpiffeId::for_service_account(&own(), "ops", "anything").unwrap();
    let web = identity("web");
    let rows = [
        (&web, 80, "GET", "/a", "allow"),
        (&web, 81, "HEAD", "/b", "allow"),
        (&web, 80, "PUT", "/anything", "allow"),
        (&ops, 80, "GET", "/a", "allow"),
        (&identity("orders"), 80, "GET", "/a", "default_deny"),
        (&web, 82, "GET", "/a", "default_deny"),
        (&web, 80, "POST", "/a", "default_deny"),
        (&web, 80, "GET", "/c", "default_deny"),
    ];
    for (source, port, method, path, expected) in rows {
        let verdict = decide(&set, source, port, http(method, path));
        assert_eq!(code(&verdict), expected, "{source} {port} {method} {path}");
    }
}

#[test]
fn a_foreign_identity_of_the_same_path_is_nobody_we_know() {
    // F12
    let set = set(&[r#"{ rules: [{ sources: [{ type: ServiceAccount, serviceAccount: { name: web } },
                                             { type: ServiceAccount, serviceAccount: { name: "*" } }] }] }"#]);
    let foreign = SpiffeId::parse("spiffe://partner.example/ns/demo/sa/web").unwrap();
    assert!(decide(&set, &identity("web"), 80, Request::Opaque).is_allow());
    assert!(!decide(&set, &foreign, 80, Request::Opaque).is_allow());
}

#[test]
fn a_foreign_identity_is_allowed_by_its_full_name_only() {
    let set = set(&[
        r#"{ rules: [{ sources: [{ type: SPIFFE, spiffe: "spiffe://partner.example/ns/demo/sa/web" }] }] }"#,
    ]);
    let foreign = SpiffeId::parse("spiffe://partner.example/ns/demo/sa/web").unwrap();
    let below = SpiffeId::parse("spiffe://partner.example/ns/demo/sa/web/x").unwrap();
    assert!(decide(&set, &foreign, 80, Request::Opaque).is_allow());
    assert!(!decide(&set, &below, 80, Request::Opaque).is_allow());
    assert!(!decide(&set, &identity("web"), 80, Request::Opaque).is_allow());
}

#[test]
fn what_cannot_be_seen_is_no_reason_to_allow_and_enough_to_deny() {
    let web = identity("web");
    for operation in
        ["http: {}", "http: { methods: [GET] }", r#"http: { paths: ["/a"] }"#, "grpc: { service: a.B }"]
    {
        let rules = format!("rules: [{{ operations: [{{ {operation} }}] }}]");
        let allow = set(&[&format!("{{ {rules} }}")]);
        assert_eq!(code(&decide(&allow, &web, 80, Request::Opaque)), "default_deny", "{operation}");
        let deny = set(&["{ rules: [{}] }", &format!("{{ action: DENY, {rules} }}")]);
        assert_eq!(code(&decide(&deny, &web, 80, Request::Opaque)), "policy_deny", "{operation}");
    }
    // A field that is False settles it, whatever cannot be seen besides.
    let elsewhere = set(&[
        "{ rules: [{}] }",
        "{ action: DENY, rules: [{ networkAttributes: { ports: [81] }, operations: [{ http: {} }] }] }",
    ]);
    assert_eq!(code(&decide(&elsewhere, &web, 80, Request::Opaque)), "allow");
}

#[test]
fn a_call_that_may_be_served_as_grpc_is_denied_by_a_grpc_rule_and_never_allowed_by_one() {
    // Servers differ in what they take for gRPC: connect serves JSON on the same path, others ignore the type.
    let web = identity("web");
    let rule = "rules: [{ operations: [{ grpc: { service: a.Admin, methods: [Drop] } }] }]";
    let deny = set(&["{ rules: [{}] }", &format!("{{ action: DENY, {rule} }}")]);
    let allow = set(&[&format!("{{ {rule} }}")]);
    let disguises = [
        http("POST", "/a.Admin/Drop"),
        http("POST", "/a.Admin/D%72op"),
        http("GET", "/a.Admin/Drop"),
        Request::Http { method: "PUT", path: "/a.Admin/Drop", grpc: true },
    ];
    for request in disguises {
        assert_eq!(code(&decide(&deny, &web, 80, request)), "policy_deny", "{request:?}");
        assert_eq!(code(&decide(&allow, &web, 80, request)), "default_deny", "{request:?}");
    }
    for path in ["/a.Admin/List", "/a.Other/Drop", "/a.Admin/Drop/x", "/a.Admin"] {
        assert_eq!(code(&decide(&deny, &web, 80, http("POST", path))), "allow", "{path}");
    }
}

#[test]
fn a_literal_that_a_server_may_decode_further_is_denied_and_never_allowed() {
    let web = identity("web");
    let rule = r#"rules: [{ operations: [{ http: { paths: ["/users/7:delete"] } }] }]"#;
    let (plain, encoded) = (http("POST", "/users/7:delete"), http("POST", "/users/7%3adelete"));
    let allow = set(&[&format!("{{ {rule} }}")]);
    assert_eq!(code(&decide(&allow, &web, 80, plain)), "allow");
    assert_eq!(code(&decide(&allow, &web, 80, encoded)), "default_deny");
    let deny = set(&["{ rules: [{}] }", &format!("{{ action: DENY, {rule} }}")]);
    assert_eq!(code(&decide(&deny, &web, 80, plain)), "policy_deny");
    assert_eq!(code(&decide(&deny, &web, 80, encoded)), "policy_deny");
}

#[test]
fn a_deny_wins_over_an_allow_wherever_they_stand() {
    let (allow, deny) = ("{ rules: [{ name: all }] }", "{ action: DENY, rules: [{ name: none }] }");
    let web = identity("web");
    assert_eq!(
        told(&decide(&set(&[allow, deny]), &web, 80, Request::Opaque)),
        "policy_deny: demo/p2 rule none denies it"
    );
    assert_eq!(
        told(&decide(&set(&[deny, allow]), &web, 80, Request::Opaque)),
        "policy_deny: demo/p1 rule none denies it"
    );
    assert_eq!(told(&decide(&set(&[allow]), &web, 80, Request::Opaque)), "allow p1/all");
}

#[test]
fn the_first_of_several_rules_that_match_is_named() {
    let named = set(&[r#"{ rules: [
        { name: by-port, networkAttributes: { ports: [80] } },
        { name: by-source, sources: [{ type: ServiceAccount, serviceAccount: { name: web } }] },
        { name: anybody } ] }"#]);
    assert_eq!(told(&decide(&named, &identity("web"), 80, Request::Opaque)), "allow p1/by-port");
    assert_eq!(told(&decide(&named, &identity("web"), 81, Request::Opaque)), "allow p1/by-source");
    assert_eq!(told(&decide(&named, &identity("orders"), 81, Request::Opaque)), "allow p1/anybody");
}

#[test]
fn a_quarantine_is_asked_before_anything_else() {
    // Line 0: whatever else would refuse the call, and whatever would allow it.
    let (web, orders) = (identity("web"), identity("orders"));
    let sets = [
        set(&["{ rules: [{}] }"]),
        set(&["{ action: DENY, rules: [{}] }"]),
        set(&["{ rules: [{ operations: [{ http: { paths: [/a] } }] }] }"]),
        PolicySet::refuse_all("no snapshot yet"),
    ];
    let quarantines = Quarantines::from_iter([web.clone()]);
    let decided = |set, source, destination| {
        let call = Call { source, destination, port: 80, request: http("GET", "//") };
        told(&evaluate(set, &quarantines, &call, SystemTime::UNIX_EPOCH))
    };
    for set in &sets {
        for (source, destination) in [(&web, &orders), (&orders, &web), (&web, &web)] {
            assert_eq!(
                decided(set, source, destination),
                "quarantined: spiffe://demo.local/ns/demo/sa/web is quarantined"
            );
        }
    }
    assert_eq!(decided(&sets[0], &orders, &orders), "allow p1/rule-1", "nobody else is touched");
}

#[test]
fn without_policies_everything_is_refused() {
    let web = identity("web");
    // P44
    let none = set(&[]);
    assert_eq!(
        told(&decide(&none, &web, 80, Request::Opaque)),
        "default_deny: no ALLOW policy targets this workload"
    );
    let refuse = PolicySet::refuse_all("no snapshot yet");
    assert_eq!(
        told(&decide(&refuse, &web, 80, http("GET", "/"))),
        "not_ready: no policies are in force yet: no snapshot yet"
    );
    assert_eq!(refuse.revision(), None);
    assert!(!refuse.has_path_rules(80));
}

#[test]
fn an_allow_copies_no_text() {
    let set = set(&["{ rules: [{ operations: [{ http: { paths: [\"/a/{id}\"] } }] }] }"]);
    let by = || match decide(&set, &identity("web"), 80, http("GET", "/a/7")) {
        Verdict::Allow { by } => by,
        Verdict::Deny { because } => panic!("{because}"),
    };
    let (first, second) = (by(), by());
    assert!(Arc::ptr_eq(&first.shared_policy(), &second.shared_policy()));
    assert!(Arc::ptr_eq(&first.shared_rule(), &second.shared_rule()));
}
