//! The decision, row by row, and the statement as the control plane verifies it.

use kith_control_plane::attest::StatementVerifier;
use kith_identity::TrustDomain;
use kith_proto::v1::Bundle;
use tokio::time::advance;

use super::*;

const CHILD: i32 = 4711;
const OWN: Evidence = Evidence { sender: Some(CHILD), child: CHILD, alive: true };

fn request() -> StatementRequest {
    StatementRequest { number: 3, key_hash: vec![7; 32] }
}

fn facts() -> ControlPlaneFacts {
    ControlPlaneFacts {
        instance: [9; 16],
        address: ([127, 0, 0, 1], 7450).into(),
        bundle: Bundle { trust_domain: "demo.local".into(), authorities: vec![vec![1]] },
        root_sha256: String::new(),
        issuing_not_after_ms: 0,
        policies: 0,
        policies_error: String::new(),
        health: ([127, 0, 0, 1], 7454).into(),
    }
}

fn decided(evidence: Evidence) -> Result<KeyHash, Refusal> {
    decide(&request(), evidence, &mut Allowance::new(), Some(&facts())).map(|(key_hash, _)| key_hash)
}

#[tokio::test]
async fn the_living_child_that_was_started_gets_a_statement_for_its_key() {
    assert_eq!(decided(OWN), Ok(KeyHash::from_bytes([7; 32])));
}

#[tokio::test]
async fn another_process_on_the_childs_channel_gets_nothing() {
    let other = Evidence { sender: Some(CHILD + 1), ..OWN };
    assert_eq!(decided(other), Err(Refusal::OtherProcess { sender: CHILD + 1, child: CHILD }));
}

#[tokio::test]
async fn a_sender_that_the_kernel_does_not_name_gets_nothing() {
    assert_eq!(decided(Evidence { sender: None, ..OWN }), Err(Refusal::NoSender));
}

#[tokio::test]
async fn a_number_whose_process_has_ended_gets_nothing() {
    // The number may be another process' by now, which then sends with the very same pid.
    assert_eq!(decided(Evidence { alive: false, ..OWN }), Err(Refusal::Ended { child: CHILD }));
}

#[tokio::test]
async fn a_key_hash_of_another_length_is_refused() {
    for length in [0, 20, 31, 33, 64] {
        let request = StatementRequest { number: 1, key_hash: vec![0; length] };
        let decided = decide(&request, OWN, &mut Allowance::new(), Some(&facts())).map(|(hash, _)| hash);
        assert_eq!(decided, Err(Refusal::KeyHash { length }));
    }
}

#[tokio::test(start_paused = true)]
async fn a_child_that_asks_too_often_must_wait() {
    // C14
    let mut allowance = Allowance::new();
    let facts = facts();
    let mut ask = || decide(&request(), OWN, &mut allowance, Some(&facts)).map(|_| ());
    for _ in 0..BURST {
        assert_eq!(ask(), Ok(()));
    }
    assert_eq!(ask(), Err(Refusal::TooOften));
    advance(REFILL).await;
    assert_eq!(ask(), Ok(()));
    assert_eq!(ask(), Err(Refusal::TooOften));
}

#[tokio::test(start_paused = true)]
async fn waiting_for_the_control_plane_costs_a_child_nothing() {
    let mut allowance = Allowance::new();
    for _ in 0..BURST * 2 {
        let decided = decide(&request(), OWN, &mut allowance, None).map(|_| ());
        assert_eq!(decided, Err(Refusal::NoControlPlane));
    }
    assert!(allowance.take(Instant::now()));
}

fn attestor(running: Option<ControlPlaneFacts>) -> (Attestor, watch::Sender<Option<Arc<ControlPlaneFacts>>>) {
    let (sender, control_plane) = watch::channel(running.map(Arc::new));
    (Attestor { signer: StatementSigner::generate().unwrap(), clock: Clock::system(), control_plane }, sender)
}

#[tokio::test]
async fn the_statement_names_the_childs_own_identity_and_this_start_of_the_control_plane() {
    let trust_domain = TrustDomain::parse("demo.local").unwrap();
    let identity = SpiffeId::for_service_account(&trust_domain, "demo", "orders").unwrap();
    let (attestor, _running) = attestor(Some(facts()));
    let (reply, refusal) = attestor.reply(&identity, &request(), OWN, &mut Allowance::new());
    assert_eq!(refusal, None);
    assert_eq!((reply.number, reply.control_plane.as_str()), (3, "127.0.0.1:7450"));
    assert_eq!(reply.bundle, Some(facts().bundle));
    let public_key = attestor.signer.public_key();
    let now = attestor.clock.now();
    let verifier = StatementVerifier::new(public_key.clone(), [9; 16], trust_domain.clone());
    let attested = verifier.verify(&reply.statement, now).unwrap();
    assert_eq!(attested, (identity, KeyHash::from_bytes([7; 32])));
    let next_start = StatementVerifier::new(public_key, [8; 16], trust_domain);
    assert!(next_start.verify(&reply.statement, now).is_err());
}

#[tokio::test]
async fn a_refusal_carries_its_reason_and_no_statement() {
    let trust_domain = TrustDomain::parse("demo.local").unwrap();
    let identity = SpiffeId::for_service_account(&trust_domain, "demo", "orders").unwrap();
    let (attestor, _running) = attestor(None);
    let (reply, refusal) = attestor.reply(&identity, &request(), OWN, &mut Allowance::new());
    assert_eq!(refusal, Some(Refusal::NoControlPlane));
    assert_eq!(reply.refusal, "the control plane does not run; ask again");
    assert!(reply.statement.is_empty() && reply.bundle.is_none() && reply.control_plane.is_empty());
}
