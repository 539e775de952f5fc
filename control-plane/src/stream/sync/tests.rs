//! The stream of a sidecar, over the wire. Beside it, what sidecars answer, who is cut off, and restarts.

mod answers;
mod quarantines;
mod restarts;

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
    let mut seen = v1::TappedLines::default();
    while seen.lost == 0 {
        let batch = timeout(PATIENCE, lines.message()).await.unwrap().unwrap().unwrap();
        seen.lines.extend(batch.lines);
        seen.ends.extend(batch.ends);
        seen.lost += batch.lost;
    }
    let ends = v1::LineEnds { source: String::new(), destination: "orders".to_owned() };
    assert_eq!(seen, v1::TappedLines { lines: vec![line], lost: 3, ends: vec![ends] });

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
        would_deny: 3,
    };
    payments.say(Up::Edges(v1::Edges { edges: vec![edge.clone()] })).await;
    payments.say(Up::Edges(v1::Edges { edges: vec![edge] })).await;
    let status = status_where(&mesh, "payments", |workload| workload.allowed == 10).await;
    assert_eq!((status.denied, status.would_deny), (4, 6));
    mesh.stop().await;
}
