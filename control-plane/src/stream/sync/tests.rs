//! The stream of a sidecar, over the wire.

use kith_mtls::WorkloadKey;
use tokio::time::timeout;
use tonic::Code;

use super::*;
use crate::index::{ServiceEndpoint, ServicePort, Services};
use crate::testing::{
    ALLOW_ORDERS, Ground, Mesh, PATIENCE, Sidecar, demo_workloads, id, workload, workload_id,
};

/// Asks for the status until a workload is as wanted.
async fn status_where(
    mesh: &Mesh,
    name: &str,
    wanted: impl Fn(&v1::WorkloadStatus) -> bool,
) -> v1::WorkloadStatus {
    let asking = async {
        loop {
            let found = mesh.status().await.workloads.into_iter().find(|workload| workload.name == name);
            if let Some(workload) = found.filter(&wanted) {
                return workload;
            }
        }
    };
    timeout(PATIENCE, asking).await.expect("the status never became so")
}

fn refusal(revision: Option<v1::Revision>, reason: &str, quarantines: bool) -> Up {
    Up::Refusal(v1::Refusal { revision, reason: reason.to_owned(), quarantines })
}

#[tokio::test]
async fn a_stream_begins_with_quarantines_and_the_whole_snapshot_and_an_edit_brings_the_next() {
    let mesh = Mesh::start().await;
    let mut payments = Sidecar::of(&mesh, "payments").await;
    let first = payments.snapshot().await;
    // Also when nobody is cut off: the sidecar may remember somebody from before.
    let nobody = v1::Quarantines { revision: first.revision, ..v1::Quarantines::default() };
    assert_eq!(payments.first, nobody);
    assert_eq!(first.identity, id("payments").to_string());
    assert_eq!((first.policies.len(), first.bundles.len()), (1, 1));

    mesh.ground.write("more.yaml", &ALLOW_ORDERS.replace("payments-callers", "more"));
    let second = payments.snapshot().await;
    assert_eq!(second.policies.len(), 2);
    assert!(Revision::from(second.revision.unwrap()) > Revision::from(first.revision.unwrap()));
    mesh.stop().await;
}

#[tokio::test]
async fn what_changes_nothing_for_a_sidecar_is_not_sent_and_counts_as_had() {
    let mesh = Mesh::start().await;
    let mut orders = Sidecar::of(&mesh, "orders").await;
    let first = orders.snapshot().await;
    orders.say(Up::Ack(v1::Ack { revision: first.revision })).await;
    mesh.set_workloads(demo_workloads());
    let mut list = demo_workloads();
    list.workloads.push(workload("web", &["orders"]));
    mesh.set_workloads(list);
    let now = mesh.worlds().now().revision;
    let orders_status = status_where(&mesh, "orders", |status| status.acknowledged == Some(now.into())).await;
    assert!(orders_status.connected);

    // What comes next is what changes something for it.
    let mut list = demo_workloads();
    list.workloads[1].inbound_address = "127.0.0.1:15002".into();
    mesh.set_workloads(list);
    let second = orders.snapshot().await;
    assert_eq!(second.destinations[0].endpoints[0].address, "127.0.0.1:15002");
    assert_eq!(second.revision.unwrap().counter, first.revision.unwrap().counter + 2);
    mesh.stop().await;
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
async fn an_address_that_is_asked_about_is_answered_with_what_is_there() {
    let mesh = Mesh::start().await;
    let mut orders = Sidecar::of(&mesh, "orders").await;
    let first = orders.snapshot().await;
    let payments = mesh.worlds().now().any_of(&id("payments")).unwrap().id.clone();
    let endpoint = |port: u16, workload| ServiceEndpoint { address: ([10, 1, 0, 7], port).into(), workload };
    let service = ServicePort {
        service: "demo/payments".into(),
        protocol: v1::Protocol::Http,
        endpoints: vec![endpoint(8080, Some(payments)), endpoint(8081, None)],
    };
    let by_address = [("10.96.0.9:80".parse().unwrap(), service)].into();
    mesh.worlds().update(|world| {
        let services = Arc::new(Services { by_address, ..Services::default() });
        Some(World { services, ..world.clone() })
    });
    let addresses = ["10.96.0.9:80", "[2001:db8::1]:443"].map(str::to_owned).to_vec();
    orders.say(Up::Subscribe(v1::Subscribe { addresses })).await;
    let answer = orders.snapshot().await;
    assert_eq!(answer.revision, first.revision);
    let [declared, service, outside] = answer.destinations.try_into().unwrap();
    assert_eq!(declared.name, "payments");
    let identities: Vec<_> = service.endpoints.iter().map(|it| (&*it.address, &*it.identity)).collect();
    assert_eq!(identities, [("10.1.0.7:8080", id("payments").as_str()), ("10.1.0.7:8081", "")]);
    assert_eq!(
        (&*service.name, &*service.service, service.outside),
        ("10.96.0.9:80", "demo/payments", false)
    );
    assert_eq!((&*outside.name, outside.outside), ("[2001:db8::1]:443", true));
    mesh.stop().await;
}

#[tokio::test]
async fn what_is_no_address_ends_the_stream() {
    let mesh = Mesh::start().await;
    let mut orders = Sidecar::of(&mesh, "orders").await;
    orders.say(Up::Subscribe(v1::Subscribe { addresses: vec!["payments:80".into()] })).await;
    assert_eq!(orders.end().await.code(), Code::InvalidArgument);
    mesh.stop().await;
}

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
async fn a_newer_stream_of_the_same_identity_replaces_the_older_one() {
    let mesh = Mesh::start().await;
    let svid = mesh.svid("orders").await;
    let mut older = Sidecar::connect(&mesh, svid.clone()).await.unwrap();
    older.snapshot().await;
    let mut newer = Sidecar::connect(&mesh, svid).await.unwrap();
    newer.snapshot().await;
    assert_eq!(older.end().await.code(), Code::Aborted);
    drop(older);
    // The older one's end does not count as the sidecar's.
    assert!(status_where(&mesh, "orders", |_| true).await.connected);
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

// R4
#[tokio::test]
async fn a_workload_that_is_gone_is_sent_nothing_more() {
    let mesh = Mesh::start().await;
    let svid = mesh.svid("orders").await;
    let mut orders = Sidecar::connect(&mesh, svid.clone()).await.unwrap();
    orders.snapshot().await;
    let mut list = demo_workloads();
    list.workloads.retain(|workload| workload.name != "orders");
    mesh.set_workloads(list);
    assert_eq!(orders.end().await.code(), Code::PermissionDenied);
    let refused = Sidecar::connect(&mesh, svid).await.err().unwrap();
    assert_eq!(refused.code(), Code::PermissionDenied);
    mesh.stop().await;
}

#[tokio::test]
async fn a_stream_ends_with_its_svid_and_says_so() {
    let mesh = Mesh::start().await;
    let svid = mesh.svid("orders").await;
    let mut orders = Sidecar::connect(&mesh, svid.clone()).await.unwrap();
    orders.snapshot().await;
    mesh.ground.hand.set(svid.not_after());
    let status = orders.end().await;
    assert_eq!(status.code(), Code::Unauthenticated);
    assert!(status.message().starts_with("svid_expired"), "{status}");
}

#[tokio::test]
async fn lines_travel_upward_only_while_somebody_watches() {
    let mesh = Mesh::start().await;
    let mut orders = Sidecar::of(&mesh, "orders").await;
    orders.snapshot().await;
    let mut admin = mesh.admin().await;
    let mut lines = admin.tap(v1::TapRequest::default()).await.unwrap().into_inner();
    assert_eq!(orders.next().await.unwrap(), Some(Down::Watch(v1::Watch { on: true })));

    let line = format!(r#"{{"kith.workload":"{}","event":"call","kith.verdict":"allow"}}"#, id("orders"));
    orders.say(Up::Tap(v1::TapLines { lines: vec![line.clone()], lost: 3 })).await;
    let mut seen = v1::TapLines::default();
    while seen.lost == 0 {
        let batch = timeout(PATIENCE, lines.message()).await.unwrap().unwrap().unwrap();
        seen.lines.extend(batch.lines);
        seen.lost += batch.lost;
    }
    assert_eq!(seen, v1::TapLines { lines: vec![line], lost: 3 });

    drop((lines, admin));
    assert_eq!(orders.next().await.unwrap(), Some(Down::Watch(v1::Watch { on: false })));
    mesh.stop().await;
}

#[tokio::test]
async fn counters_show_in_the_status_of_the_workload_that_was_called() {
    let mesh = Mesh::start().await;
    let payments = Sidecar::of(&mesh, "payments").await;
    let edge = v1::Edge {
        source: id("orders").to_string(),
        destination: id("payments").to_string(),
        allowed: 5,
        denied: 2,
        failed: 1,
    };
    payments.say(Up::Edges(v1::Edges { edges: vec![edge.clone()] })).await;
    payments.say(Up::Edges(v1::Edges { edges: vec![edge] })).await;
    let status = status_where(&mesh, "payments", |workload| workload.allowed == 10).await;
    assert_eq!(status.denied, 4);
    mesh.stop().await;
}

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
