//! A snapshot is taken whole or refused whole; what a posture does to a verdict is in `posture`.

mod posture;

use std::time::{Duration, UNIX_EPOCH};

use kith_policy::{Call, Request};
use kith_proto::{POLICY_LANGUAGE, v1};

use super::read::SnapshotError;
use super::*;

fn own() -> SpiffeId {
    SpiffeId::parse("spiffe://demo.local/ns/demo/sa/orders").unwrap()
}

fn revision(epoch: u64, counter: u64) -> Revision {
    Revision { epoch, counter }
}

fn quarantines(counter: u64, identities: &[&str]) -> v1::Quarantines {
    let identities = identities.iter().map(|text| (*text).to_owned()).collect();
    v1::Quarantines { revision: Some(revision(1, counter).into()), identities, ..v1::Quarantines::default() }
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
            ..v1::Destination::default()
        }],
        policy_language: POLICY_LANGUAGE,
        protocol: v1::Protocol::Http.into(),
        ..v1::Snapshot::default()
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
    let [Endpoint::Meshed(target)] = payments.endpoints.as_slice() else { panic!("one, with a sidecar") };
    assert_eq!(target.address, "127.0.0.1:4000".parse().unwrap());
    assert_eq!(target.identity.path(), "/ns/demo/sa/payments");
    assert_eq!((payments.protocol, enforced.protocol_of(80)), (Protocol::Opaque, Protocol::Http));
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
    let cases: [(&str, Spoil); 25] = [
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
        ("a posture that is none", |s| s.posture = 77),
        ("Observe without an end", |s| s.posture = v1::Posture::Observe.into()),
        ("Observe that ended before 1970", |s| {
            (s.posture, s.observe_until_ms) = (v1::Posture::Observe.into(), -1);
        }),
        ("an end of Encrypt", |s| (s.posture, s.observe_until_ms) = (v1::Posture::Encrypt.into(), 1)),
        ("an end of Enforce", |s| (s.posture, s.observe_until_ms) = (v1::Posture::Enforce.into(), 1)),
        ("an end of nothing", |s| s.observe_until_ms = 1),
        ("an egress that is none", |s| s.egress = 77),
        ("port 0", |s| s.ports = [(0, 1)].into()),
        ("a port that is none", |s| s.ports = [(65_536, 1)].into()),
        ("a port's protocol that is none", |s| s.ports = [(80, 77)].into()),
        ("outside, with an endpoint", |s| s.destinations[0].outside = true),
        ("an endpoint's identity that is none", |s| s.destinations[0].endpoints[0].identity = "x".to_owned()),
        ("nothing to decide, by a policy that cannot be read", |s| {
            (s.refuse_all, s.policies[0].action) = ("the store is gone".to_owned(), 0);
        }),
    ];
    for (name, spoil) in cases {
        let mut snapshot = snapshot();
        spoil(&mut snapshot);
        assert!(taken(&snapshot, &told(&[])).is_err(), "{name}");
    }
}

#[test]
fn what_is_not_said_is_the_strictest() {
    let enforced = taken(&snapshot(), &told(&[])).unwrap();
    assert_eq!(enforced.posture(UNIX_EPOCH), Posture::Enforce);
    assert_eq!(enforced.next_change(UNIX_EPOCH), None);
    assert_eq!(enforced.egress(UNIX_EPOCH), Egress::Deny);
    let payments = enforced.destination("payments").unwrap();
    assert_eq!((payments.service.as_deref(), payments.outside), (None, false));
}

#[test]
fn what_is_said_is_in_force() {
    let plain = v1::Endpoint { address: "[fd00::7]:4000".to_owned(), identity: String::new() };
    let address = v1::Destination {
        name: "[fd00::1]:80".to_owned(),
        endpoints: vec![plain],
        service: "legacy/db".to_owned(),
        ..v1::Destination::default()
    };
    let outside =
        v1::Destination { name: "203.0.113.9:443".to_owned(), outside: true, ..v1::Destination::default() };
    let snapshot = v1::Snapshot {
        posture: v1::Posture::Observe.into(),
        observe_until_ms: 90_000,
        egress: v1::Egress::Observe.into(),
        ports: [(80, v1::Protocol::Tcp.into()), (81, v1::Protocol::Unspecified.into())].into(),
        destinations: vec![address, outside],
        ..snapshot()
    };
    let enforced = taken(&snapshot, &told(&[])).unwrap();
    let until = UNIX_EPOCH + Duration::from_secs(90);
    assert_eq!(enforced.posture(UNIX_EPOCH), Posture::Observe { until });
    assert_eq!(enforced.next_change(UNIX_EPOCH), Some(until));
    assert_eq!([UNIX_EPOCH, until].map(|at| enforced.egress(at)), [Egress::Observe, Egress::Observe]);
    let spoken = [80, 81, 82].map(|port| enforced.protocol_of(port));
    assert_eq!(spoken, [Protocol::Opaque, Protocol::Detected, Protocol::Http]);
    let db = enforced.destination("[fd00::1]:80").unwrap();
    assert_eq!(db.endpoints, [Endpoint::Plain("[fd00::7]:4000".parse().unwrap())]);
    assert_eq!((db.service.as_deref(), db.outside), (Some("legacy/db"), false));
    assert!(enforced.destination("203.0.113.9:443").unwrap().outside);
}

#[test]
fn observe_ends_by_itself_at_its_end() {
    let (posture, observe_until_ms) = (v1::Posture::Observe.into(), 90_000);
    let enforced = taken(&v1::Snapshot { posture, observe_until_ms, ..snapshot() }, &told(&[])).unwrap();
    let until = UNIX_EPOCH + Duration::from_secs(90);
    let before = until - Duration::from_millis(1);
    assert_eq!(enforced.posture(before), Posture::Observe { until });
    assert_eq!(enforced.check_plaintext(before), Ok(()));
    // Where nothing else was said, what leaves the mesh is observed as long as calls are.
    assert_eq!([before, until].map(|at| enforced.egress(at)), [Egress::Observe, Egress::Deny]);
    for at in [until, until + Duration::from_secs(1)] {
        assert_eq!((enforced.posture(at), enforced.next_change(at)), (Posture::Enforce, None));
        assert_eq!(enforced.check_plaintext(at).unwrap_err().reason, "plaintext");
    }
}

#[test]
fn a_snapshot_that_nothing_may_be_decided_by_refuses_every_call_and_keeps_its_revision() {
    let snapshot = v1::Snapshot { refuse_all: "demo/callers cannot be read".to_owned(), ..snapshot() };
    let enforced = taken(&snapshot, &told(&[])).unwrap();
    assert_eq!(refused(&enforced, WEB), Some("not_ready"));
    assert_eq!(enforced.revision(), Some(revision(1, 2)));
    let older = v1::Snapshot { revision: Some(revision(1, 1).into()), ..snapshot };
    assert!(taken(&older, &enforced).is_err(), "R5 holds for it, too");
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

fn serial(text: &str) -> Serial {
    Serial::parse(text).unwrap()
}

#[test]
fn a_serial_cuts_off_its_holder_and_nobody_else_of_its_identity() {
    let message = v1::Quarantines { serials: vec!["0a01".to_owned()], ..quarantines(2, &[]) };
    let current = told(&[]);
    let enforced = current.with_quarantines(read_quarantines(&message, &current).unwrap());
    assert_eq!(enforced.check_serial(&serial("0a01")).unwrap_err().reason, "quarantined");
    assert_eq!(enforced.check_serial(&serial("0a02")), Ok(()));
    let lifted = enforced.with_quarantines(read_quarantines(&quarantines(3, &[]), &enforced).unwrap());
    assert_eq!(lifted.check_serial(&serial("0a01")), Ok(()));
}

#[test]
fn a_list_with_a_serial_that_is_none_lets_nobody_go() {
    let current = told(&[WEB]);
    let message =
        v1::Quarantines { serials: vec!["0a01".to_owned()], yourself: true, ..quarantines(2, &[WEB]) };
    let current = current.with_quarantines(read_quarantines(&message, &current).unwrap());
    for text in ["", "A1", "0x01", "abc", &"f".repeat(42)] {
        let message =
            v1::Quarantines { serials: vec![text.to_owned(), "0b".to_owned()], ..quarantines(3, &[]) };
        let mut read = read_quarantines(&message, &current).unwrap();
        assert!(read.unreadable.take().is_some(), "{text:?}");
        let enforced = current.with_quarantines(read);
        for held in ["0a01", "0b"] {
            assert!(enforced.check_serial(&serial(held)).is_err(), "{text:?}: {held}");
        }
        assert!(enforced.check_self().is_err(), "{text:?}");
        assert!(enforced.quarantines().contains(&SpiffeId::parse(WEB).unwrap()), "{text:?}");
    }
}

#[test]
fn a_workload_that_is_cut_off_itself_refuses_everything_in_and_out() {
    let current = taken(&snapshot(), &told(&[])).unwrap();
    let message = v1::Quarantines { yourself: true, ..quarantines(2, &[]) };
    let enforced = current.with_quarantines(read_quarantines(&message, &current).unwrap());
    assert_eq!(refused(&enforced, WEB), Some("quarantined"));
    let (own, other) = (own(), SpiffeId::parse(OTHER).unwrap());
    assert_eq!(enforced.check_pair(&own, &other).unwrap_err().reason, "quarantined");
    let under = enforced.under(Posture::Observe { until: UNIX_EPOCH + Duration::from_secs(9) });
    let call = UnprovenCall { destination: &own, port: 80, request: Request::Opaque };
    assert_eq!(under.decide_unproven(&call, UNIX_EPOCH).unwrap_err().reason, "quarantined");
}
