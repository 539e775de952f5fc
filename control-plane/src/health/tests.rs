//! What `/ready` names, as policies, workloads, the own svid and drain come and go.

use std::time::Duration;

use super::*;
use crate::own_svid::OwnSvid;
use crate::testing::{Ground, Mesh, ask_health, demo_workloads};

/// A control plane as it starts over an empty folder, whose own svid is renewed only by hand.
async fn vitals(mesh: &Mesh) -> Vitals {
    let services = &mesh.plane.services;
    let own_svid = OwnSvid::mint(Arc::clone(&services.ca), services.clock.clone()).unwrap();
    Vitals {
        cluster: None,
        worlds: Arc::clone(&services.worlds),
        own_svid: own_svid.newest(),
        doors: Readiness::new(),
        clock: services.clock.clone(),
        stop: services.stop.clone(),
    }
}

#[tokio::test]
async fn a_control_plane_is_ready_once_it_knows_the_workloads_also_when_there_are_no_policies() {
    let mesh = Ground::new().start().await;
    assert!(ask_health(&mesh, "/ready").await.ends_with("not ready: workloads\n"));
    assert!(ask_health(&mesh, "/live").await.starts_with("HTTP/1.1 200 "));
    mesh.set_workloads(demo_workloads());
    assert!(ask_health(&mesh, "/ready").await.starts_with("HTTP/1.1 200 "));
    mesh.stop().await;
}

#[tokio::test]
async fn policies_that_cannot_be_read_and_a_closed_door_keep_it_unready() {
    let ground = Ground::new();
    ground.write("broken.yaml", "kind: AuthorizationPolicy\n");
    let mesh = ground.start().await;
    mesh.set_workloads(demo_workloads());
    let vitals = vitals(&mesh).await;
    let door = vitals.doors.block("doors");
    assert_eq!(vitals.waiting_for(), ["policies", "doors"]);
    drop(door);
    assert_eq!(vitals.waiting_for(), ["policies"]);
}

#[tokio::test]
async fn an_own_svid_that_has_ended_is_none() {
    let mesh = Mesh::start().await;
    let vitals = vitals(&mesh).await;
    assert_eq!(vitals.waiting_for(), [""; 0]);
    mesh.ground.hand.advance(Duration::from_secs(61));
    assert_eq!(vitals.waiting_for(), ["svid"]);
}

#[tokio::test]
async fn a_control_plane_that_drains_says_so() {
    let mesh = Mesh::start().await;
    let vitals = vitals(&mesh).await;
    mesh.stop().await;
    assert_eq!(vitals.waiting_for(), ["draining"]);
}
