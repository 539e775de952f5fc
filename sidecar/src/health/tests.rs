//! What `/ready` names, as svid, snapshot, quarantine, workers and drain come and go.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kith_mtls::WorkloadKey;
use kith_proto::{POLICY_LANGUAGE, v1};
use kith_runtime::ManualClock;
use rcgen::{
    CertificateParams, CertificateSigningRequestParams, DistinguishedName, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};

use super::*;
use crate::enforced::{read, read_quarantines};

const OWN: &str = "spiffe://demo.local/ns/demo/sa/web";
const LIFETIME: Duration = Duration::from_secs(20);

fn start() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// Holds from `start` for its lifetime.
fn svid() -> Arc<Svid> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = vec![SanType::URI(OWN.try_into().unwrap())];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.is_ca = IsCa::ExplicitNoCa;
    (params.not_before, params.not_after) = (start().into(), (start() + LIFETIME).into());
    let key = WorkloadKey::generate().unwrap();
    let public =
        CertificateSigningRequestParams::from_der(&key.csr_der().unwrap().into()).unwrap().public_key;
    let authority = KeyPair::generate().unwrap();
    let issuer = Issuer::from_params(&params, &authority);
    let der = params.signed_by(&public, &issuer).unwrap().der().to_vec();
    Arc::new(Svid::new(key, vec![der]).unwrap())
}

fn with_quarantines(enforced: &Enforced, identities: &[&str], counter: u64) -> Arc<Enforced> {
    let message = v1::Quarantines {
        revision: Some(v1::Revision { epoch: 1, counter }),
        identities: identities.iter().map(|text| (*text).to_owned()).collect(),
        ..v1::Quarantines::default()
    };
    Arc::new(enforced.with_quarantines(read_quarantines(&message, enforced).unwrap()))
}

fn with_snapshot(enforced: &Enforced) -> Arc<Enforced> {
    let snapshot = v1::Snapshot {
        revision: Some(v1::Revision { epoch: 1, counter: 1 }),
        identity: OWN.to_owned(),
        policy_language: POLICY_LANGUAGE,
        ..v1::Snapshot::default()
    };
    let read = read(&snapshot, &SpiffeId::parse(OWN).unwrap(), enforced).unwrap();
    Arc::new(enforced.with_snapshot(read))
}

struct Sidecar {
    vitals: Vitals,
    svid: watch::Sender<Option<Arc<Svid>>>,
    enforced: watch::Sender<Arc<Enforced>>,
    hand: ManualClock,
    stopper: kith_runtime::Stopper,
}

fn sidecar() -> Sidecar {
    let (clock, hand) = Clock::manual(start());
    let (stopper, stop) = Stop::new();
    let (svid, svid_seen) = watch::channel(None);
    let (enforced, enforced_seen) = watch::channel(Arc::new(Enforced::nothing()));
    let vitals = Vitals {
        identity: SpiffeId::parse(OWN).unwrap(),
        svid: svid_seen,
        enforced: enforced_seen,
        listening: Readiness::new(),
        clock,
        stop,
    };
    Sidecar { vitals, svid, enforced, hand, stopper }
}

/// With everything that a call needs.
fn ready() -> Sidecar {
    let sidecar = sidecar();
    sidecar.svid.send_replace(Some(svid()));
    sidecar.enforced.send_replace(with_snapshot(&with_quarantines(&Enforced::nothing(), &[], 1)));
    assert_eq!(sidecar.vitals.waiting_for(), [""; 0]);
    sidecar
}

#[test]
fn a_sidecar_is_ready_when_it_has_an_svid_a_snapshot_and_every_worker_listens() {
    let sidecar = sidecar();
    let worker = sidecar.vitals.listening.block("worker 0");
    assert_eq!(sidecar.vitals.waiting_for(), ["svid", "snapshot", "worker 0"]);
    sidecar.svid.send_replace(Some(svid()));
    assert_eq!(sidecar.vitals.waiting_for(), ["snapshot", "worker 0"]);
    sidecar.enforced.send_replace(with_quarantines(&Enforced::nothing(), &[], 1));
    assert_eq!(sidecar.vitals.waiting_for(), ["snapshot", "worker 0"], "who is cut off is not all of it");
    let enforced = with_snapshot(&sidecar.enforced.borrow());
    sidecar.enforced.send_replace(enforced);
    assert_eq!(sidecar.vitals.waiting_for(), ["worker 0"]);
    drop(worker);
    assert_eq!(sidecar.vitals.waiting_for(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn the_question_at_the_start_is_answered_in_the_moment_that_the_last_thing_is_there() {
    let sidecar = sidecar();
    let worker = sidecar.vitals.listening.block("worker 0");
    let mut asked = std::pin::pin!(sidecar.vitals.clone().started());
    let steps: [Box<dyn FnOnce()>; 2] =
        [Box::new(|| drop(worker)), Box::new(|| drop(sidecar.svid.send_replace(Some(svid()))))];
    for step in steps {
        tokio::select! {
            biased;
            answer = asked.as_mut() => panic!("answered too early: {answer:?}"),
            () = std::future::ready(()) => step(),
        }
    }
    sidecar.enforced.send_replace(with_snapshot(&with_quarantines(&Enforced::nothing(), &[], 1)));
    let before = tokio::time::Instant::now();
    assert_eq!(asked.await, (StatusCode::OK, "ok".to_owned()));
    assert_eq!(before.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_question_at_the_start_does_not_wait_for_ever_and_says_what_is_missing() {
    let sidecar = sidecar();
    let (status, line) = sidecar.vitals.clone().started().await;
    assert_eq!((status, line.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "not ready: svid, snapshot"));
}

#[test]
fn an_svid_that_has_ended_is_none_and_neither_is_one_that_does_not_hold_yet() {
    let sidecar = ready();
    sidecar.hand.advance(LIFETIME);
    assert_eq!(sidecar.vitals.waiting_for(), [""; 0], "its last second");
    sidecar.hand.advance(Duration::from_secs(1));
    assert_eq!(sidecar.vitals.waiting_for(), ["svid"]);
    sidecar.hand.set(start() - Duration::from_secs(1));
    assert_eq!(sidecar.vitals.waiting_for(), ["svid"], "a clock that is behind");
}

#[test]
fn a_sidecar_that_is_quarantined_is_not_ready_and_one_beside_it_is() {
    let sidecar = ready();
    let other = with_quarantines(&sidecar.enforced.borrow(), &["spiffe://demo.local/ns/demo/sa/other"], 2);
    sidecar.enforced.send_replace(other);
    assert_eq!(sidecar.vitals.waiting_for(), [""; 0]);
    let own = with_quarantines(&sidecar.enforced.borrow(), &[OWN], 3);
    sidecar.enforced.send_replace(own);
    assert_eq!(sidecar.vitals.waiting_for(), ["quarantined"]);
}

#[test]
fn a_workload_that_is_quarantined_without_its_identity_is_not_ready_either() {
    let sidecar = ready();
    let message = v1::Quarantines {
        revision: Some(v1::Revision { epoch: 1, counter: 2 }),
        yourself: true,
        ..v1::Quarantines::default()
    };
    let read = read_quarantines(&message, &sidecar.enforced.borrow()).unwrap();
    let cut_off = sidecar.enforced.borrow().with_quarantines(read);
    sidecar.enforced.send_replace(Arc::new(cut_off));
    assert_eq!(sidecar.vitals.waiting_for(), ["quarantined"]);
}

#[test]
fn a_sidecar_that_drains_is_not_ready_from_the_first_moment_on() {
    let sidecar = ready();
    sidecar.stopper.begin();
    assert_eq!(sidecar.vitals.waiting_for(), ["draining"]);
}
