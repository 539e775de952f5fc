//! What becomes of each kind of denial in each posture, for a caller that proved who it is and for one that proved nothing.
//! Every cell of the table is here.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kith_policy::{AuthorizationPolicy, PolicySet, Quarantines, Request, document};

use super::super::{Allowed, Enforced, Posture};
use super::{OTHER, WEB, own, revision};
use kith_identity::SpiffeId;
use kith_policy::{Call, UnprovenCall};

const NOW: SystemTime = UNIX_EPOCH;
const UNTIL: Duration = Duration::from_secs(60);

fn policies(specs: &[&str]) -> PolicySet {
    let text: String = specs
        .iter()
        .enumerate()
        .map(|(number, spec)| {
            format!(
                "---\napiVersion: kith.dev/v1alpha1\nkind: AuthorizationPolicy\n\
                 metadata: {{ name: p{number}, namespace: demo }}\nspec: {spec}\n"
            )
        })
        .collect();
    let policies: Vec<AuthorizationPolicy> = document::parse("p.yaml", &text).unwrap();
    PolicySet::compile(own().trust_domain(), &policies, revision(1, 1)).unwrap()
}

/// What decides, by what comes of it in Enforce.
fn enforced(kind: &str) -> Enforced {
    let paths = r#"{ rules: [{ operations: [{ http: { paths: ["/a"] } }] }] }"#;
    let (policies, quarantined) = match kind {
        "allowed" => (policies(&["{ rules: [{}] }"]), None),
        "default_deny" => (policies(&["{ rules: [{ networkAttributes: { ports: [81] } }] }"]), None),
        "policy_deny" => (policies(&["{ action: DENY, rules: [{}] }", "{ rules: [{}] }"]), None),
        "ambiguous_path" => (policies(&[paths]), None),
        "not_ready" => (PolicySet::refuse_all("nothing yet"), None),
        "quarantined" => (policies(&["{ rules: [{}] }"]), Some(own())),
        _ => unreachable!("{kind}"),
    };
    Enforced::of(policies, Quarantines::from_iter(quarantined))
}

/// `allow`, `deny REASON`, or `observe REASON`.
fn outcome(enforced: &Enforced, source: Option<&str>, now: SystemTime) -> String {
    let request = Request::Http { method: "GET", path: "//", grpc: false };
    let (destination, port) = (&own(), 80);
    let decided = match source {
        Some(source) => {
            let source = &SpiffeId::parse(source).unwrap();
            enforced.decide(&Call { source, destination, port, request }, now)
        }
        None => enforced.decide_unproven(&UnprovenCall { destination, port, request }, now),
    };
    match decided {
        Ok(Allowed::By(_)) => "allow".to_owned(),
        Ok(Allowed::Observed(refusal)) => format!("observe {}", refusal.reason),
        Err(refusal) => format!("deny {}", refusal.reason),
    }
}

#[test]
fn a_posture_forgives_a_denial_by_default_and_a_missing_identity_and_nothing_else() {
    const OBSERVE: Posture = Posture::Observe { until: UNIX_EPOCH };
    // Kind of denial; then proven in Observe, Encrypt, Enforce; then unproven in the same.
    let unproven = ["observe no_identity", "deny plaintext", "deny plaintext"];
    let all = |outcome: &'static str| [outcome; 3];
    let table = [
        ("allowed", all("allow"), unproven),
        ("default_deny", ["observe default_deny", "observe default_deny", "deny default_deny"], unproven),
        ("policy_deny", all("deny policy_deny"), all("deny policy_deny")),
        ("ambiguous_path", all("deny ambiguous_path"), all("deny ambiguous_path")),
        ("not_ready", all("deny not_ready"), all("deny not_ready")),
        ("quarantined", all("deny quarantined"), all("deny quarantined")),
    ];
    let postures = [Posture::Observe { until: NOW + UNTIL }, Posture::Encrypt, Posture::Enforce];
    for (kind, proven, unproven) in table {
        for (posture, (proven, unproven)) in postures.into_iter().zip(proven.into_iter().zip(unproven)) {
            let enforced = enforced(kind).under(posture);
            assert_eq!(outcome(&enforced, Some(WEB), NOW), proven, "{kind} in {posture:?}");
            assert_eq!(outcome(&enforced, None, NOW), unproven, "{kind} in {posture:?}, unproven");
        }
        // An Observe that has ended is Enforce, cell by cell.
        let ended = enforced(kind).under(OBSERVE);
        assert_eq!(outcome(&ended, Some(WEB), NOW), proven[2], "{kind} after Observe");
        assert_eq!(outcome(&ended, None, NOW), unproven[2], "{kind} after Observe, unproven");
    }
}

#[test]
fn what_is_observed_says_what_enforce_would_have_said() {
    let enforced = enforced("default_deny");
    let call = |enforced: &Enforced| {
        let (source, destination) = (&SpiffeId::parse(OTHER).unwrap(), &own());
        let request = Request::Http { method: "GET", path: "/", grpc: false };
        enforced.decide(&Call { source, destination, port: 80, request }, NOW)
    };
    let said = call(&enforced).unwrap_err();
    assert!(said.detail.contains("failed on port"), "{}", said.detail);
    assert_eq!(call(&enforced.under(Posture::Encrypt)), Ok(Allowed::Observed(said)));
}

#[test]
fn a_deny_rule_that_names_others_is_not_about_a_caller_without_an_identity() {
    let rule =
        |source: &str| format!("{{ action: DENY, rules: [{{ {source} operations: [{{ http: {{}} }}] }}] }}");
    let observe = Posture::Observe { until: NOW + UNTIL };
    let of = |source: &str| Enforced::of(policies(&[&rule(source)]), Quarantines::default()).under(observe);
    let web = "sources: [{ type: ServiceAccount, serviceAccount: { name: web } }],";
    assert_eq!(outcome(&of(web), Some(WEB), NOW), "deny policy_deny");
    assert_eq!(outcome(&of(web), None, NOW), "observe no_identity");
    assert_eq!(outcome(&of(""), None, NOW), "deny policy_deny");
}
