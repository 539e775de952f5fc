//! A snapshot is taken whole or refused whole.

use kith_policy::{Call, Request, Verdict, evaluate};

use super::*;

fn own() -> SpiffeId {
    SpiffeId::parse("spiffe://demo.local/ns/demo/sa/orders").unwrap()
}

fn revision(epoch: u64, counter: u64) -> Revision {
    Revision { epoch, counter }
}

/// `web` may make any call; one destination.
fn snapshot() -> v1::Snapshot {
    let web = v1::ServiceAccountSource { namespace: "demo".to_owned(), name: "web".to_owned() };
    let source = v1::Source { kind: Some(v1::source::Kind::ServiceAccount(web)) };
    let rule = v1::Rule {
        name: "web".to_owned(),
        sources: Some(v1::Sources { any_of: vec![source] }),
        ..v1::Rule::default()
    };
    v1::Snapshot {
        revision: Some(revision(1, 2).into()),
        identity: own().to_string(),
        bundles: Vec::new(),
        policies: vec![v1::Policy {
            namespace: "demo".to_owned(),
            name: "callers".to_owned(),
            action: v1::Action::Allow.into(),
            rules: vec![rule],
            origin: None,
        }],
        destinations: vec![v1::Destination {
            name: "payments".to_owned(),
            endpoints: vec![v1::Endpoint {
                address: "127.0.0.1:4000".to_owned(),
                identity: "spiffe://demo.local/ns/demo/sa/payments".to_owned(),
            }],
        }],
        policy_language: POLICY_LANGUAGE,
    }
}

fn is_allowed(enforced: &Enforced) -> bool {
    let source = SpiffeId::parse("spiffe://demo.local/ns/demo/sa/web").unwrap();
    let request = Request::Http { method: "GET", path: "/", grpc: false };
    let call = Call { source: &source, port: 80, request };
    matches!(evaluate(&enforced.policies, &call, std::time::UNIX_EPOCH), Verdict::Allow { .. })
}

#[test]
fn a_good_snapshot_is_in_force_with_its_policies_and_destinations() {
    let (enforced, _) = read(&snapshot(), &own(), None).unwrap();
    assert!(is_allowed(&enforced));
    assert_eq!(enforced.revision(), Some(revision(1, 2)));
    let payments = enforced.destination("payments").unwrap();
    assert_eq!(payments[0].address, "127.0.0.1:4000".parse().unwrap());
    assert_eq!(payments[0].identity.path(), "/ns/demo/sa/payments");
    assert!(enforced.destination("web").is_none());
}

#[test]
fn a_sidecar_starts_with_everything_refused() {
    let nothing = Enforced::nothing();
    assert!(!is_allowed(&nothing));
    assert_eq!(nothing.revision(), None);
}

#[test]
fn one_unreadable_part_refuses_the_whole_snapshot() {
    // P41
    type Spoil = fn(&mut v1::Snapshot);
    let cases: [(&str, Spoil); 10] = [
        ("no revision", |s| s.revision = None),
        ("another workload", |s| s.identity = "spiffe://demo.local/ns/demo/sa/web".to_owned()),
        ("an identity that is none", |s| s.identity = "orders".to_owned()),
        ("an empty bundle", |s| s.bundles.push(v1::Bundle::default())),
        ("an action that is none", |s| s.policies[0].action = 0),
        ("a source that is none", |s| s.policies[0].rules[0].sources.as_mut().unwrap().any_of[0].kind = None),
        ("a policy twice", |s| s.policies.push(s.policies[0].clone())),
        ("an address that is none", |s| s.destinations[0].endpoints[0].address = "payments:80".to_owned()),
        ("a newer policy language", |s| s.policy_language = POLICY_LANGUAGE + 1),
        ("no policy language", |s| s.policy_language = 0),
    ];
    for (name, spoil) in cases {
        let mut snapshot = snapshot();
        spoil(&mut snapshot);
        assert!(read(&snapshot, &own(), None).is_err(), "{name}");
    }
}

#[test]
fn a_revision_never_goes_back() {
    // R5. A new epoch is newer whatever its counter.
    assert!(read(&snapshot(), &own(), Some(revision(1, 2))).is_ok());
    assert!(read(&snapshot(), &own(), Some(revision(0, 9))).is_ok());
    for current in [revision(1, 3), revision(2, 0)] {
        let refused = read(&snapshot(), &own(), Some(current)).unwrap_err();
        assert_eq!(refused, SnapshotError::GoesBack { new: revision(1, 2), current });
    }
}
