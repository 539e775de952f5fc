//! The channel, with a supervisor's end in hand.

use std::sync::Arc;

use kith_identity::BundleSet;
use kith_runtime::PacketSocket;
use std::os::fd::OwnedFd;

use super::*;
use crate::index::World;
use crate::testing::{demo_workloads, trust_domain, world_where};

fn message(kind: Down) -> Vec<u8> {
    v1::ToChild { kind: Some(kind) }.encode_to_vec()
}

/// The far end is only written to: what it sends, the near end reads.
fn pair() -> (PacketSocket, OwnedFd) {
    PacketSocket::pair().unwrap()
}

fn send(end: &OwnedFd, bytes: &[u8]) {
    nix::unistd::write(end, bytes).unwrap();
}

#[tokio::test]
async fn the_first_message_is_a_start_or_the_process_does_not_start() {
    let table = [
        (Some(message(Down::Workloads(demo_workloads()))), "not a control plane's start"),
        (Some(vec![0xff; 8]), "cannot be read"),
        (None, "before it said how to start"),
    ];
    for (first, expected) in table {
        let (ours, theirs) = pair();
        if let Some(bytes) = first {
            send(&theirs, &bytes);
        }
        drop(theirs);
        let error = Supervisor::new(ours).start().await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let (ours, theirs) = pair();
    let start = v1::ControlPlaneStart { trust_domain: "demo.local".into(), ..Default::default() };
    send(&theirs, &message(Down::ControlPlane(start.clone())));
    assert_eq!(Supervisor::new(ours).start().await.unwrap(), start);
}

#[tokio::test]
async fn lists_are_applied_until_the_supervisor_goes_and_a_wrong_one_changes_nothing() {
    let worlds = Arc::new(Worlds::new(World::new(1, trust_domain(), BundleSet::default())));
    let (ours, theirs) = pair();
    let supervisor = Supervisor::new(ours);
    let talk = async {
        send(&theirs, &message(Down::Workloads(demo_workloads())));
        let good = world_where(&worlds, |world| world.workloads().count() == 3).await;
        let mut wrong = demo_workloads();
        wrong.workloads[0].port = 70_000;
        send(&theirs, &message(Down::Workloads(wrong)));
        drop(theirs);
        good
    };
    let (ended, good) = tokio::join!(supervisor.follow(&worlds), talk);
    ended.unwrap();
    assert_eq!(worlds.now(), good);
}
