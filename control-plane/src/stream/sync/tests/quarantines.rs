//! Who is cut off: told at once, and in messages of their own.

use kith_mtls::WorkloadKey;

use super::*;

#[tokio::test]
async fn one_workload_is_cut_off_by_the_serials_of_its_svids_and_told_so_itself() {
    let mesh = Mesh::start().await;
    let svid = mesh.svid("intruder").await;
    let mut intruder = Sidecar::connect(&mesh, svid.clone()).await.unwrap();
    let mut payments = Sidecar::of(&mesh, "payments").await;
    let id = workload_id("intruder");
    mesh.worlds().update(|world| {
        let cut = Cut { workloads: [id.clone()].into(), ..Cut::default() };
        Some(World {
            cut: Arc::new(cut),
            revision: Revision { counter: world.revision.counter + 1, ..world.revision },
            ..world.clone()
        })
    });
    let serials = [svid.serial().to_string()];
    while payments.quarantines_or_snapshot().await.is_none_or(|told| told.serials != serials || told.yourself)
    {
    }
    while intruder
        .quarantines_or_snapshot()
        .await
        .is_none_or(|told| told.serials != serials || !told.yourself)
    {}
    let key = WorkloadKey::generate().unwrap();
    let evidence = Some(mesh.statement(svid.identity(), key.key_hash()));
    let request = v1::IssueRequest { evidence, csr: key.csr_der().unwrap() };
    let refused = mesh.issuance(None).await.issue(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert!(refused.message().contains("quarantined"), "{refused}");
    mesh.stop().await;
}

#[tokio::test]
async fn a_quarantine_goes_out_at_once_and_its_lifting_too() {
    let mesh = Mesh::start().await;
    let mut payments = Sidecar::of(&mesh, "payments").await;
    let first = payments.snapshot().await;

    let (answer, added) = tokio::join!(mesh.quarantine("intruder"), payments.take_quarantines());
    assert_eq!(added.identities, [id("intruder").to_string()]);
    assert_eq!(added.revision, answer.unwrap().revision);
    assert!(Revision::from(added.revision.unwrap()) > Revision::from(first.revision.unwrap()));

    let (_, lifted) = tokio::join!(mesh.lift("intruder"), payments.take_quarantines());
    assert_eq!(lifted.identities, Vec::<String>::new());

    // What does not change who is cut off sends no quarantines.
    mesh.ground.write("more.yaml", &ALLOW_ORDERS.replace("payments-callers", "more"));
    payments.snapshot().await;
    mesh.stop().await;
}

#[tokio::test]
async fn the_stream_of_a_quarantined_sidecar_lives_on_and_hears_of_the_lifting() {
    let mesh = Mesh::start().await;
    let svid = mesh.svid("intruder").await;
    let mut intruder = Sidecar::connect(&mesh, svid.clone()).await.unwrap();
    intruder.snapshot().await;
    let (_, cut) = tokio::join!(mesh.quarantine("intruder"), intruder.take_quarantines());
    assert_eq!(cut.identities, [id("intruder").to_string()]);
    // Also one that it opens now, with the svid that it still has.
    let mut again = Sidecar::connect(&mesh, svid).await.unwrap();
    assert_eq!(again.first.identities, [id("intruder").to_string()]);
    again.snapshot().await;
    let (_, lifted) = tokio::join!(mesh.lift("intruder"), again.take_quarantines());
    assert_eq!(lifted.identities, Vec::<String>::new());
    mesh.stop().await;
}
