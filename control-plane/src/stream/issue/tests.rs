//! Who gets an svid, over the wire.

use kith_identity::svid::Leaf;
use kith_mtls::WorkloadKey;
use kith_proto::convert::bundle_from_wire;
use tonic::Code;

use super::*;
use crate::attest::StatementClaims;
use crate::testing::{Mesh, demo_workloads, id, trust_domain};

/// Asks over a connection without svid.
async fn ask(mesh: &Mesh, evidence: Option<Evidence>, csr: Vec<u8>) -> Result<v1::IssueResponse, Status> {
    let request = v1::IssueRequest { evidence, csr };
    mesh.issuance(None).await.issue(request).await.map(Response::into_inner)
}

fn key() -> (WorkloadKey, Vec<u8>) {
    let key = WorkloadKey::generate().unwrap();
    let csr = key.csr_der().unwrap();
    (key, csr)
}

#[tokio::test]
async fn an_attested_workload_gets_an_svid_over_its_key_with_bundle_and_window() {
    let mesh = Mesh::start().await;
    let (key, csr) = key();
    let evidence = mesh.statement(&id("orders"), key.key_hash());
    let issued = ask(&mesh, Some(evidence), csr).await.unwrap();

    let leaf = Leaf::parse(&issued.chain[0]).unwrap();
    assert_eq!((leaf.identity(), leaf.key_hash()), (&id("orders"), key.key_hash()));
    let bundle = bundle_from_wire("bundle", issued.bundle.as_ref()).unwrap();
    assert_eq!(bundle, *mesh.plane.services.ca.bundle());
    assert!(to_millis(mesh.now()) < issued.renew_from_ms && issued.renew_from_ms < issued.renew_until_ms);
    assert!(issued.renew_until_ms < to_millis(leaf.not_after()));
    mesh.stop().await;
}

#[tokio::test]
async fn a_statement_over_another_key_than_the_csrs_is_refused_and_used_up() {
    let mesh = Mesh::start().await;
    let ((vouched, vouched_csr), (_, other_csr)) = (key(), key());
    let evidence = mesh.statement(&id("orders"), vouched.key_hash());
    let status = ask(&mesh, Some(evidence.clone()), other_csr).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    assert!(status.message().contains("another key"), "{status}");

    let status = ask(&mesh, Some(evidence), vouched_csr).await.unwrap_err();
    assert!(status.message().contains("used before"), "{status}");
    mesh.stop().await;
}

#[tokio::test]
async fn a_statement_is_answered_once() {
    let mesh = Mesh::start().await;
    let (key, csr) = key();
    let evidence = mesh.statement(&id("orders"), key.key_hash());
    ask(&mesh, Some(evidence.clone()), csr.clone()).await.unwrap();
    assert_eq!(ask(&mesh, Some(evidence), csr).await.unwrap_err().code(), Code::PermissionDenied);
    mesh.stop().await;
}

#[tokio::test]
async fn evidence_that_attests_nobody_gets_nothing() {
    let mesh = Mesh::start().await;
    let (key, csr) = key();
    let signed = |change: fn(&mut StatementClaims)| {
        let mut claims = mesh.claims(&id("orders"), key.key_hash());
        change(&mut claims);
        Some(Evidence::Supervised(mesh.ground.signer.sign(&claims).unwrap()))
    };
    let table = [
        (None, Code::InvalidArgument, "no evidence"),
        (Some(Evidence::Supervised(vec![1, 2, 3])), Code::PermissionDenied, "not a statement"),
        (signed(|claims| claims.instance = [0; 16]), Code::PermissionDenied, "another start"),
        (
            signed(|claims| claims.expires -= std::time::Duration::from_secs(10)),
            Code::PermissionDenied,
            "expired",
        ),
        (signed(|claims| claims.identity = id("nobody")), Code::PermissionDenied, "not one of the workloads"),
        (
            signed(|claims| claims.identity = SpiffeId::control_plane(&trust_domain())),
            Code::PermissionDenied,
            "reserved",
        ),
    ];
    for (evidence, code, text) in table {
        let status = ask(&mesh, evidence, csr.clone()).await.unwrap_err();
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().contains(text), "{status} does not say {text:?}");
    }
    mesh.stop().await;
}

#[tokio::test]
async fn the_reserved_identity_is_not_granted_even_if_it_were_a_workload() {
    let mesh = Mesh::start().await;
    // Past every check of evidence: the authority itself refuses.
    let (_, csr) = key();
    let reserved = SpiffeId::control_plane(&trust_domain());
    let error = mesh.plane.services.ca.issue(&reserved, &SubjectKey::from_csr(&csr).unwrap(), mesh.now());
    assert!(matches!(error, Err(IssueError::Reserved { .. })));
    mesh.stop().await;
}

// C1
#[tokio::test]
async fn a_csr_that_is_none_is_refused_with_a_reason() {
    let mesh = Mesh::start().await;
    let (key, mut csr) = key();
    *csr.last_mut().unwrap() ^= 1;
    let evidence = mesh.statement(&id("orders"), key.key_hash());
    let status = ask(&mesh, Some(evidence), csr).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    mesh.stop().await;
}

#[tokio::test]
async fn with_an_svid_only_the_same_identity_is_issued() {
    let mesh = Mesh::start().await;
    let orders = mesh.svid("orders").await;
    let mut issuance = mesh.issuance(Some(orders)).await;
    let mut ask = async |name: &str| {
        let (key, csr) = key();
        let evidence = Some(mesh.statement(&id(name), key.key_hash()));
        issuance.issue(v1::IssueRequest { evidence, csr }).await
    };
    ask("orders").await.unwrap();
    let status = ask("payments").await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    assert!(status.message().contains("/sa/orders's, the evidence is for"), "{status}");
    mesh.stop().await;
}

// C14
#[tokio::test]
async fn an_identity_that_asks_too_often_waits_and_the_others_do_not() {
    let mesh = Mesh::start().await;
    let mut refused = None;
    for _ in 0..50 {
        let (key, csr) = key();
        let evidence = mesh.statement(&id("intruder"), key.key_hash());
        if let Err(status) = ask(&mesh, Some(evidence), csr).await {
            refused = Some(status);
            break;
        }
    }
    assert_eq!(refused.unwrap().code(), Code::ResourceExhausted);
    mesh.svid("orders").await;
    mesh.stop().await;
}

#[tokio::test]
async fn before_the_list_of_workloads_arrives_the_answer_is_to_try_again() {
    let mesh = crate::testing::Ground::new().start().await;
    let (key, csr) = key();
    let evidence = mesh.statement(&id("orders"), key.key_hash());
    assert_eq!(ask(&mesh, Some(evidence), csr).await.unwrap_err().code(), Code::Unavailable);

    mesh.set_workloads(demo_workloads());
    mesh.svid("orders").await;
    mesh.stop().await;
}

#[tokio::test]
async fn a_quarantined_identity_is_issued_nothing_until_that_is_lifted_whatever_its_evidence() {
    let mesh = Mesh::start().await;
    let svid = mesh.svid("intruder").await;
    mesh.quarantine("intruder").await.unwrap();
    let try_as = async |svid, name: &str| {
        let (key, csr) = key();
        let evidence = Some(mesh.statement(&id(name), key.key_hash()));
        mesh.issuance(svid).await.issue(v1::IssueRequest { evidence, csr }).await
    };
    // With fresh evidence, with its svid as well, and over its connection with somebody else's evidence.
    for (svid, name) in [(None, "intruder"), (Some(svid.clone()), "intruder"), (Some(svid), "orders")] {
        let status = try_as(svid, name).await.unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied);
        assert!(status.message().contains("/sa/intruder is quarantined"), "{status}");
    }
    try_as(None, "orders").await.unwrap();

    let mesh = mesh.stop().await.start().await;
    mesh.set_workloads(demo_workloads());
    let (key, csr) = key();
    let evidence = mesh.statement(&id("intruder"), key.key_hash());
    let status = ask(&mesh, Some(evidence), csr).await.unwrap_err();
    assert!(status.message().contains("is quarantined"), "also after a restart: {status}");

    mesh.lift("intruder").await.unwrap();
    mesh.svid("intruder").await;
    mesh.stop().await;
}
