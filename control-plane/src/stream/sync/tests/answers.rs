//! What sidecars answer: acknowledgements and refusals, and what is shown of them.

use super::*;

fn refusal(revision: Option<v1::Revision>, reason: &str, quarantines: bool) -> Up {
    Up::Refusal(v1::Refusal { revision, reason: reason.to_owned(), quarantines })
}

#[tokio::test]
async fn a_sidecar_that_owes_an_answer_has_nothing_newer_that_says_the_same() {
    let mesh = Mesh::start().await;
    let mut orders = Sidecar::of(&mesh, "orders").await;
    let first = orders.snapshot().await;
    let mut list = demo_workloads();
    list.workloads.push(workload("web", &["orders"]));
    mesh.set_workloads(list);
    mesh.quarantine("web").await.unwrap();
    orders.take_quarantines().await;
    assert_eq!(status_where(&mesh, "orders", |_| true).await.acknowledged, None);
    orders.say(Up::Ack(v1::Ack { revision: first.revision })).await;
    let now = mesh.worlds().now().revision;
    status_where(&mesh, "orders", |status| status.acknowledged == Some(now.into())).await;
    mesh.stop().await;
}

#[tokio::test]
async fn acknowledgements_and_refusals_are_shown_and_a_lost_stream_too() {
    let mesh = Mesh::start().await;
    let mut payments = Sidecar::of(&mesh, "payments").await;
    let revision = payments.snapshot().await.revision;
    let before = status_where(&mesh, "payments", |workload| workload.connected).await;
    assert_eq!((before.acknowledged, before.serial.is_empty()), (None, false));

    payments.say(refusal(revision, "no such field", false)).await;
    status_where(&mesh, "payments", |workload| workload.refusal == "no such field").await;
    payments.say(Up::Ack(v1::Ack { revision })).await;
    let after = status_where(&mesh, "payments", |workload| workload.acknowledged == revision).await;
    assert_eq!(after.refusal, "", "what it has now it does not refuse");

    drop(payments);
    status_where(&mesh, "payments", |workload| !workload.connected).await;
    mesh.stop().await;
}

#[tokio::test]
async fn a_sidecar_that_was_started_anew_counts_as_up_to_date_only_when_it_says_so() {
    let mesh = Mesh::start().await;
    let svid = mesh.svid("payments").await;
    let mut payments = Sidecar::connect(&mesh, svid.clone()).await.unwrap();
    let revision = payments.snapshot().await.revision;
    payments.say(Up::Ack(v1::Ack { revision })).await;
    status_where(&mesh, "payments", |workload| workload.acknowledged == revision).await;
    payments.say(refusal(revision, "later", false)).await;
    status_where(&mesh, "payments", |workload| !workload.refusal.is_empty()).await;
    drop(payments);

    let mut again = Sidecar::connect(&mesh, svid).await.unwrap();
    let status = status_where(&mesh, "payments", |workload| workload.connected).await;
    assert_eq!((status.acknowledged, status.refusal.as_str()), (None, ""));
    again.snapshot().await;
    again.say(Up::Ack(v1::Ack { revision })).await;
    status_where(&mesh, "payments", |workload| workload.acknowledged == revision).await;
    mesh.stop().await;
}

#[tokio::test]
async fn refused_quarantines_are_shown_until_quarantines_are_acknowledged_and_no_snapshot_hides_them() {
    let mesh = Mesh::start().await;
    let mut payments = Sidecar::of(&mesh, "payments").await;
    let revision = payments.snapshot().await.revision;
    payments.say(refusal(payments.first.revision, "no such identity", true)).await;
    status_where(&mesh, "payments", |workload| workload.refusal == "quarantines: no such identity").await;
    payments.say(Up::Ack(v1::Ack { revision })).await;
    let after = status_where(&mesh, "payments", |workload| workload.acknowledged == revision).await;
    assert_eq!(after.refusal, "quarantines: no such identity");
    payments.acknowledge(&payments.first).await;
    status_where(&mesh, "payments", |workload| workload.refusal.is_empty()).await;
    mesh.stop().await;
}

#[tokio::test]
async fn quarantines_are_refused_also_where_no_policies_are_in_force() {
    let ground = Ground::new();
    ground.write("broken.yaml", "kind: AuthorizationPolicy\n");
    let mesh = ground.start().await;
    mesh.set_workloads(demo_workloads());
    let payments = Sidecar::of(&mesh, "payments").await;
    payments.say(refusal(payments.first.revision, "no such identity", true)).await;
    status_where(&mesh, "payments", |workload| workload.refusal == "quarantines: no such identity").await;
    mesh.stop().await;
}

#[tokio::test]
async fn a_message_that_the_sidecar_does_not_know_is_shown_for_as_long_as_its_stream_lasts() {
    let mesh = Mesh::start().await;
    let mut payments = Sidecar::of(&mesh, "payments").await;
    let revision = payments.snapshot().await.revision;
    payments.say(refusal(None, "a message of an unknown kind", false)).await;
    payments.say(Up::Ack(v1::Ack { revision })).await;
    let status = status_where(&mesh, "payments", |workload| workload.acknowledged == revision).await;
    assert_eq!(status.refusal, "a message of an unknown kind");
    mesh.stop().await;
}

#[tokio::test]
async fn an_acknowledgement_of_a_revision_that_was_never_sent_is_not_believed() {
    let mesh = Mesh::start().await;
    let mut payments = Sidecar::of(&mesh, "payments").await;
    let revision = payments.snapshot().await.revision;
    let future = revision.map(|revision| v1::Revision { counter: revision.counter + 1, ..revision });
    payments.say(Up::Ack(v1::Ack { revision: future })).await;
    payments.say(Up::Ack(v1::Ack { revision: None })).await;
    payments.say(refusal(revision, "seen after the others", false)).await;
    let status = status_where(&mesh, "payments", |workload| !workload.refusal.is_empty()).await;
    assert_eq!(status.acknowledged, None);
    mesh.stop().await;
}

#[tokio::test]
async fn quarantines_are_acknowledged_apart_from_snapshots_and_only_those_that_were_sent() {
    let mesh = Mesh::start().await;
    let mut payments = Sidecar::of(&mesh, "payments").await;
    let revision = payments.snapshot().await.revision;
    let acks = mesh.plane.services.acks.clone();
    let mut changed = acks.watch();
    let future = revision.map(|revision| v1::Revision { counter: revision.counter + 1, ..revision });
    for revision in [future, None] {
        payments.say(Up::Quarantined(v1::QuarantinesAck { revision })).await;
    }
    payments.say(Up::Ack(v1::Ack { revision })).await;
    let seen = changed.wait_for(|()| acks.standing(&workload_id("payments")).acknowledged.is_some());
    timeout(PATIENCE, seen).await.unwrap().unwrap();
    assert_eq!(acks.standing(&workload_id("payments")).quarantines, None);

    let first = payments.first.clone();
    payments.acknowledge(&first).await;
    let seen = changed.wait_for(|()| acks.standing(&workload_id("payments")).quarantines.is_some());
    timeout(PATIENCE, seen).await.unwrap().unwrap();
    assert_eq!(acks.standing(&workload_id("payments")).quarantines, first.revision.map(Revision::from));
    mesh.stop().await;
}
