//! A renewal on request, and what is known of svids.

use kith_identity::svid::Leaf;
use kith_mtls::WorkloadKey;
use kith_proto::v1::sync_down::Kind as Down;
use tonic::Code;

use super::*;
use crate::testing::{Mesh, Sidecar, demo_workloads, id, workload_id};

async fn ask(mesh: &Mesh, workload: &str) -> Result<v1::RotateResponse, Status> {
    let request = v1::RotateRequest { workload: workload.into() };
    mesh.admin().await.rotate(request).await.map(tonic::Response::into_inner)
}

async fn identities(mesh: &Mesh, workload: &str) -> Result<Vec<v1::Identity>, Status> {
    let request = v1::IdentitiesRequest { workload: workload.into() };
    mesh.admin().await.identities(request).await.map(|answer| answer.into_inner().identities)
}

#[tokio::test]
async fn a_sidecar_is_asked_and_the_answer_has_its_old_and_its_new_serial() {
    let mesh = Mesh::start().await;
    let before = mesh.svid("orders").await;
    let mut orders = Sidecar::connect(&mesh, before.clone()).await.unwrap();
    orders.snapshot().await;
    let (answer, after) = tokio::join!(ask(&mesh, "orders"), async {
        assert_eq!(orders.next().await.unwrap(), Some(Down::Renew(v1::Renew {})));
        mesh.svid("orders").await
    });
    let answer = answer.unwrap();
    assert_eq!(answer.identity, id("orders").to_string());
    assert_eq!(answer.previous_serial, before.serial().to_string());
    assert_eq!(answer.serial, after.serial().to_string());
    assert_eq!(answer.not_after_ms, to_millis(after.not_after()));
    mesh.stop().await;
}

#[tokio::test]
async fn a_sidecar_that_does_not_renew_is_not_waited_for_long() {
    let mesh = Mesh::start().await;
    let _orders = Sidecar::of(&mesh, "orders").await;
    // Somebody else's svid is not the one that was asked for.
    let (status, _) = tokio::join!(ask(&mesh, "orders"), mesh.svid("payments"));
    let status = status.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(status.message().contains("after 5 s"), "{status}");
    mesh.stop().await;
}

#[tokio::test]
async fn who_cannot_be_asked_is_not_and_the_answer_says_why() {
    let mesh = Mesh::start().await;
    let mut intruder = Sidecar::of(&mesh, "intruder").await;
    intruder.snapshot().await;
    tokio::join!(mesh.quarantine("intruder"), intruder.take_quarantines()).0.unwrap();
    let table = [
        ("orders", Code::FailedPrecondition, "not connected"),
        ("intruder", Code::FailedPrecondition, "kith quarantine remove intruder"),
        ("order", Code::NotFound, "did you mean \"orders\"?"),
        ("spiffe://demo.local/ns/kith/sa/kith-control-plane", Code::NotFound, "there is no workload"),
    ];
    for (workload, code, text) in table {
        let status = ask(&mesh, workload).await.unwrap_err();
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().contains(text), "{status} does not say {text:?}");
    }
    mesh.stop().await;
}

#[tokio::test]
async fn identities_show_the_newest_svid_with_its_window_and_key() {
    let mesh = Mesh::start().await;
    mesh.svid("orders").await;
    let key = WorkloadKey::generate().unwrap();
    let evidence = Some(mesh.statement(&id("orders"), key.key_hash()));
    let request = v1::IssueRequest { evidence, csr: key.csr_der().unwrap() };
    let issued = mesh.issuance(None).await.issue(request).await.unwrap().into_inner();
    let leaf = Leaf::parse(&issued.chain[0]).unwrap();

    let [orders] = identities(&mesh, "orders").await.unwrap().try_into().unwrap();
    let expected = v1::Identity {
        name: "orders".into(),
        identity: id("orders").to_string(),
        serial: leaf.serial().to_string(),
        not_before_ms: to_millis(leaf.not_before()),
        not_after_ms: to_millis(leaf.not_after()),
        renew_from_ms: issued.renew_from_ms,
        renew_until_ms: issued.renew_until_ms,
        issued: 2,
        connected: false,
        quarantined: false,
        key_sha256: key.key_hash().to_string(),
    };
    assert_eq!(orders, expected);

    mesh.quarantine("orders").await.unwrap();
    let [cut] = identities(&mesh, "orders").await.unwrap().try_into().unwrap();
    let not_renewed = v1::Identity { renew_from_ms: 0, renew_until_ms: 0, quarantined: true, ..expected };
    assert_eq!(cut, not_renewed, "nothing is due that is not done");
    mesh.lift("orders").await.unwrap();

    mesh.quarantine("payments").await.unwrap();
    let all = identities(&mesh, "").await.unwrap();
    let names: Vec<_> = all.iter().map(|it| (it.name.as_str(), it.issued, it.quarantined)).collect();
    assert_eq!(names, [("intruder", 0, false), ("orders", 2, false), ("payments", 0, true)]);
    assert_eq!(identities(&mesh, "ghost").await.unwrap_err().code(), Code::NotFound);
    mesh.stop().await;
}

#[tokio::test]
async fn of_an_svid_from_before_a_restart_only_what_it_shows_is_said() {
    let mesh = Mesh::start().await;
    let svid = mesh.svid("orders").await;
    let mesh = mesh.stop().await.start().await;
    mesh.set_workloads(demo_workloads());
    let _orders = Sidecar::connect(&mesh, svid.clone()).await.unwrap();
    let [orders] = identities(&mesh, id("orders").as_str()).await.unwrap().try_into().unwrap();
    assert_eq!((orders.serial, orders.connected), (svid.serial().to_string(), true));
    assert_eq!((orders.issued, orders.renew_from_ms, orders.key_sha256.as_str()), (0, 0, ""));
    mesh.stop().await;
}

#[tokio::test]
async fn what_was_issued_to_a_workload_that_is_gone_is_forgotten() {
    let mesh = Mesh::start().await;
    mesh.svid("orders").await;
    let issued = mesh.plane.services.issued.clone();
    let orders = workload_id("orders");
    issued.forget(mesh.now(), |workload| *workload != orders);
    assert_eq!(issued.count(&orders), 1, "its svid still holds");
    issued.forget(mesh.now() + mesh.ground.svid_lifetime, |workload| *workload != orders);
    assert_eq!((issued.count(&orders), issued.newest(&orders)), (0, None));
    mesh.stop().await;
}
