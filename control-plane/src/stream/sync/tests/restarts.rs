//! What a control plane keeps over a restart, and what it says when it ends and before it knows enough.

use super::*;

// R5, R10
#[tokio::test]
async fn after_a_restart_the_root_is_the_same_and_revisions_go_on_growing() {
    let mesh = Mesh::start().await;
    let before = mesh.status().await;
    let svid = mesh.svid("orders").await;
    let ground: Ground = mesh.stop().await;

    let mesh = ground.start().await;
    mesh.set_workloads(demo_workloads());
    let after = mesh.status().await;
    assert_eq!(after.root_sha256, before.root_sha256);
    assert!(Revision::from(after.revision.unwrap()) > Revision::from(before.revision.unwrap()));
    // An svid from before still opens the stream.
    let mut orders = Sidecar::connect(&mesh, svid).await.unwrap();
    assert_eq!(orders.snapshot().await.revision, after.revision);
    mesh.stop().await;
}

#[tokio::test]
async fn a_restart_over_a_broken_folder_takes_no_rules_away() {
    let mesh = Mesh::start().await;
    let svid = mesh.svid("orders").await;
    let ground = mesh.stop().await;
    ground.write("payments.yaml", &ALLOW_ORDERS.replace("action:", "acton:"));

    let mesh = ground.start().await;
    mesh.set_workloads(demo_workloads());
    let mut orders = Sidecar::connect(&mesh, svid).await.unwrap();
    let tap = mesh.admin().await.tap(v1::TapRequest::default()).await.unwrap().into_inner();
    // The stream lives, and what comes after the quarantines is not a snapshot: the sidecar keeps the one it has.
    assert!(matches!(orders.next().await, Ok(Some(Down::Watch(v1::Watch { on: true })))));
    let broken = mesh.status().await;
    assert!(broken.nothing_in_force && broken.policies_error.contains("payments.yaml:6:"), "{broken:?}");

    mesh.ground.write("payments.yaml", ALLOW_ORDERS);
    assert_eq!(orders.snapshot().await.policies.len(), 0, "for orders itself there are no rules");
    assert!(!mesh.status().await.nothing_in_force);
    drop((orders, tap));
    mesh.stop().await;
}

#[tokio::test]
async fn before_the_list_of_workloads_arrives_a_sidecar_is_told_to_try_again() {
    let mesh = Mesh::start().await;
    let svid = mesh.svid("orders").await;
    let mesh = mesh.stop().await.start().await;
    let status = Sidecar::connect(&mesh, svid).await.err().unwrap();
    assert_eq!(status.code(), Code::Unavailable);
    mesh.stop().await;
}

#[tokio::test]
async fn a_stop_ends_streams_with_a_reason() {
    let mesh = Mesh::start().await;
    let mut orders = Sidecar::of(&mesh, "orders").await;
    orders.snapshot().await;
    let (_, status) = tokio::join!(mesh.plane.stop(std::future::pending::<()>()), orders.end());
    assert_eq!(status.code(), Code::Unavailable);
}

// R5
#[tokio::test]
async fn after_a_restart_quarantines_come_first_also_where_no_policies_can_be_read() {
    let mesh = Mesh::start().await;
    let svid = mesh.svid("payments").await;
    mesh.quarantine("intruder").await.unwrap();
    let ground = mesh.stop().await;
    ground.write("payments.yaml", &ALLOW_ORDERS.replace("action:", "acton:"));

    let mesh = ground.start().await;
    mesh.set_workloads(demo_workloads());
    let payments = Sidecar::connect(&mesh, svid).await.unwrap();
    assert_eq!(payments.first.identities, [id("intruder").to_string()]);
    assert_eq!(payments.first.revision.unwrap().epoch, 2);
    assert!(mesh.status().await.nothing_in_force);
    mesh.stop().await;
}
