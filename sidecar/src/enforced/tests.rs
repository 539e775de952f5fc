//! A snapshot is taken whole or refused whole.

use kith_policy::{Call, Request};

use super::*;

fn own() -> SpiffeId {
    SpiffeId::parse("spiffe://demo.local/ns/demo/sa/orders").unwrap()
}

fn revision(epoch: u64, counter: u64) -> Revision {
    Revision { epoch, counter }
}

fn quarantines(counter: u64, identities: &[&str]) -> v1::Quarantines {
    let identities = identities.iter().map(|text| (*text).to_owned()).collect();
    v1::Quarantines { revision: Some(revision(1, counter).into()), identities }
}

/// What a sidecar has that was told who is quarantined.
fn told(identities: &[&str]) -> Enforced {
    let nothing = Enforced::nothing();
    nothing.with_quarantines(read_quarantines(&quarantines(1, identities), &nothing).unwrap())
}

fn taken(snapshot: &v1::Snapshot, current: &Enforced) -> Result<Enforced, SnapshotError> {
    read(snapshot, &own(), current).map(|read| current.with_snapshot(read))
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
            protocol: v1::Protocol::Tcp.into(),
        }],
        policy_language: POLICY_LANGUAGE,
        protocol: v1::Protocol::Http.into(),
    }
}

fn refused(enforced: &Enforced, source: &str) -> Option<&'static str> {
    let (source, own) = (SpiffeId::parse(source).unwrap(), own());
    let request = Request::Http { method: "GET", path: "/", grpc: false };
    let call = Call { source: &source, destination: &own, port: 80, request };
    enforced.decide(&call, SystemTime::UNIX_EPOCH).err().map(|refusal| refusal.reason)
}

const WEB: &str = "spiffe://demo.local/ns/demo/sa/web";
const OTHER: &str = "spiffe://demo.local/ns/demo/sa/other";

#[test]
fn a_good_snapshot_is_in_force_with_its_policies_and_destinations() {
    let enforced = taken(&snapshot(), &told(&[])).unwrap();
    assert_eq!(refused(&enforced, WEB), None);
    assert_eq!(enforced.revision(), Some(revision(1, 2)));
    let payments = enforced.destination("payments").unwrap();
    assert_eq!(payments.endpoints[0].address, "127.0.0.1:4000".parse().unwrap());
    assert_eq!(payments.endpoints[0].identity.path(), "/ns/demo/sa/payments");
    assert_eq!((payments.protocol, enforced.protocol()), (Protocol::Opaque, Protocol::Http));
    assert!(enforced.destination("web").is_none());
}

#[test]
fn a_sidecar_starts_with_everything_refused() {
    let nothing = Enforced::nothing();
    assert_eq!(refused(&nothing, WEB), Some("not_ready"));
    assert_eq!(nothing.revision(), None);
}

#[test]
fn a_snapshot_is_not_taken_before_it_is_known_who_is_quarantined() {
    let refused = read(&snapshot(), &own(), &Enforced::nothing()).unwrap_err();
    assert_eq!(refused, SnapshotError::BeforeQuarantines);
}

#[test]
fn one_unreadable_part_refuses_the_whole_snapshot() {
    // P41
    type Spoil = fn(&mut v1::Snapshot);
    let cases: [(&str, Spoil); 12] = [
        ("no revision", |s| s.revision = None),
        ("another workload", |s| s.identity = WEB.to_owned()),
        ("an identity that is none", |s| s.identity = "orders".to_owned()),
        ("an empty bundle", |s| s.bundles.push(v1::Bundle::default())),
        ("an action that is none", |s| s.policies[0].action = 0),
        ("a source that is none", |s| s.policies[0].rules[0].sources.as_mut().unwrap().any_of[0].kind = None),
        ("a policy twice", |s| s.policies.push(s.policies[0].clone())),
        ("an address that is none", |s| s.destinations[0].endpoints[0].address = "payments:80".to_owned()),
        ("a protocol that is none", |s| s.destinations[0].protocol = 77),
        ("an own protocol that is none", |s| s.protocol = 77),
        ("a newer policy language", |s| s.policy_language = POLICY_LANGUAGE + 1),
        ("no policy language", |s| s.policy_language = 0),
    ];
    for (name, spoil) in cases {
        let mut snapshot = snapshot();
        spoil(&mut snapshot);
        assert!(taken(&snapshot, &told(&[])).is_err(), "{name}");
    }
}

#[test]
fn a_revision_never_goes_back() {
    // R5. A new epoch is newer whatever its counter.
    let at = |epoch, counter| {
        let snapshot = v1::Snapshot { revision: Some(revision(epoch, counter).into()), ..snapshot() };
        taken(&snapshot, &told(&[])).unwrap()
    };
    assert!(taken(&snapshot(), &at(1, 2)).is_ok());
    assert!(taken(&snapshot(), &at(0, 9)).is_ok());
    for (epoch, counter) in [(1, 3), (2, 0)] {
        let error = taken(&snapshot(), &at(epoch, counter)).unwrap_err();
        let current = revision(epoch, counter);
        assert_eq!(error, SnapshotError::GoesBack { new: revision(1, 2), current });
    }
    let current = told(&[OTHER]);
    assert!(read_quarantines(&quarantines(0, &[]), &current).is_err(), "nobody is let go by an old list");
}

#[test]
fn a_quarantine_holds_before_the_first_snapshot_and_under_every_later_one() {
    let quarantined = told(&[WEB]);
    assert_eq!(refused(&quarantined, WEB), Some("quarantined"));
    let enforced = taken(&snapshot(), &quarantined).unwrap();
    assert_eq!(refused(&enforced, WEB), Some("quarantined"));
    assert!(enforced.check_pair(&own(), &SpiffeId::parse(WEB).unwrap()).is_err());
    let lifted = enforced.with_quarantines(read_quarantines(&quarantines(5, &[]), &enforced).unwrap());
    assert_eq!(refused(&lifted, WEB), None);
    assert_eq!(lifted.revision(), Some(revision(1, 2)), "the snapshot stays");
}

#[test]
fn a_list_that_cannot_be_read_whole_lets_nobody_go() {
    let current = told(&[WEB]);
    let mut read = read_quarantines(&quarantines(2, &["???", OTHER]), &current).unwrap();
    assert!(read.unreadable.take().is_some());
    let enforced = current.with_quarantines(read);
    for identity in [WEB, OTHER] {
        assert_eq!(refused(&enforced, identity), Some("quarantined"), "{identity}");
    }
}
