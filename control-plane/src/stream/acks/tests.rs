//! Which of two streams of one identity is believed.

use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::testing::workload_id as id;

const OLD: Revision = Revision { epoch: 1, counter: 4 };
const NEW: Revision = Revision { epoch: 1, counter: 5 };

#[tokio::test]
async fn a_replaced_stream_is_told_and_has_nothing_to_say_any_more() {
    let acks = Acks::default();
    let older = acks.connect(&id("orders"));
    let newer = acks.connect(&id("orders"));
    older.replaced().await;
    older.acknowledged(NEW);
    assert_eq!(acks.standing(&id("orders")).acknowledged, None);

    drop(older);
    assert!(acks.standing(&id("orders")).connected, "its end is not the sidecar's");
    drop(newer);
    assert!(!acks.standing(&id("orders")).connected);
}

#[test]
fn a_revision_that_was_acknowledged_stays_so_and_heals_older_refusals_only() {
    let acks = Acks::default();
    let stream = acks.connect(&id("orders"));
    stream.acknowledged(NEW);
    stream.acknowledged(OLD);
    assert_eq!(acks.standing(&id("orders")).acknowledged, Some(NEW));

    stream.refused(Refused::Snapshot(NEW), "why".into());
    stream.acknowledged(OLD);
    assert_eq!(acks.standing(&id("orders")).refusals.snapshot, Some((NEW, "why".into())));
    stream.acknowledged(NEW);
    assert_eq!(acks.standing(&id("orders")).refusals, Refusals::default());
}

#[test]
fn a_refusal_heals_by_an_answer_of_its_own_kind_and_by_no_other() {
    let acks = Acks::default();
    let stream = acks.connect(&id("orders"));
    let told = || acks.standing(&id("orders")).refusals.told().unwrap_or_default();
    stream.refused(Refused::Message, "unknown".into());
    stream.refused(Refused::Snapshot(NEW), "no such field".into());
    stream.refused(Refused::Quarantines(NEW), "no such identity".into());
    assert_eq!(told(), "quarantines: no such identity; no such field; unknown");
    stream.acknowledged(NEW);
    stream.quarantines_acknowledged(OLD);
    assert_eq!(told(), "quarantines: no such identity; unknown");
    stream.refused(Refused::Snapshot(NEW), "no such field".into());
    stream.quarantines_acknowledged(NEW);
    assert_eq!(told(), "no such field; unknown");
    stream.acknowledged(NEW);
    assert_eq!(told(), "unknown", "nothing that is acknowledged is that message");
}

#[tokio::test]
async fn a_new_stream_has_and_refuses_nothing_until_it_says_so_and_its_svid_is_still_known() {
    let mesh = crate::testing::Mesh::start().await;
    let svid = mesh.svid("orders").await;
    let acks = Acks::default();
    let older = acks.connect(&id("orders"));
    acks.has_svid(&id("orders"), svid.serial(), svid.not_after());
    older.acknowledged(OLD);
    older.quarantines_acknowledged(OLD);
    for what in [Refused::Message, Refused::Snapshot(NEW), Refused::Quarantines(NEW)] {
        older.refused(what, "why".into());
    }
    // A sidecar that was started anew: it has no snapshot yet.
    let _newer = acks.connect(&id("orders"));
    let svid = Some((svid.serial().clone(), svid.not_after()));
    assert_eq!(acks.standing(&id("orders")), Standing { connected: true, svid, ..Standing::default() });
    mesh.stop().await;
}

#[test]
fn what_is_gone_is_forgotten_and_what_is_connected_is_not() {
    let acks = Acks::default();
    let stream = acks.connect(&id("orders"));
    drop(acks.connect(&id("payments")));
    acks.retain(|_| false);
    assert!(acks.standing(&id("orders")).connected);
    assert_eq!(acks.lock().sidecars.len(), 1);
    drop(stream);
    acks.retain(|_| false);
    assert_eq!(acks.lock().sidecars.len(), 0);
}

#[tokio::test]
async fn the_newest_svid_is_the_one_that_ends_last() {
    let mesh = crate::testing::Mesh::start().await;
    let (first, second) = (mesh.svid("orders").await, mesh.svid("orders").await);
    let acks = Acks::default();
    acks.has_svid(&id("orders"), second.serial(), UNIX_EPOCH + Duration::from_secs(2));
    // A stream that was opened with the older one is reported late.
    acks.has_svid(&id("orders"), first.serial(), UNIX_EPOCH + Duration::from_secs(1));
    let newest = acks.standing(&id("orders")).svid.unwrap();
    assert_eq!(newest, (second.serial().clone(), UNIX_EPOCH + Duration::from_secs(2)));
    mesh.stop().await;
}

#[test]
fn who_has_quarantines_in_force_is_told_from_who_refuses_them_and_who_said_nothing_yet() {
    let acks = Acks::default();
    let older = acks.connect(&id("orders"));
    older.quarantines_acknowledged(NEW);
    older.quarantines_acknowledged(OLD);
    assert_eq!(acks.quarantines_at(NEW).in_force_at, [id("orders")]);
    // The process may have been started anew, with nothing in force.
    let newer = acks.connect(&id("orders"));
    older.quarantines_acknowledged(NEW);
    let silent = Laggard { workload: id("orders"), refusal: None };
    assert_eq!(acks.quarantines_at(OLD), Roll { waiting_for: vec![silent.clone()], ..Roll::default() });
    newer.refused(Refused::Quarantines(OLD), "no such identity".into());
    let refusing = Laggard { refusal: Some("no such identity".into()), ..silent.clone() };
    assert_eq!(acks.quarantines_at(OLD).waiting_for, [refusing]);
    assert_eq!(acks.quarantines_at(NEW).waiting_for, [silent], "it said nothing of the newer ones");
    drop(newer);
    assert_eq!(acks.quarantines_at(OLD), Roll::default(), "who is not connected is not waited for");
}

#[tokio::test]
async fn a_renewal_is_asked_of_the_stream_that_counts_and_of_no_other() {
    let acks = Acks::default();
    assert!(!acks.ask_renewal(&id("orders")));
    let older = acks.connect(&id("orders"));
    let newer = acks.connect(&id("orders"));
    assert!(acks.ask_renewal(&id("orders")));
    newer.renewal_asked().await;
    tokio::select! {
        biased;
        () = older.renewal_asked() => panic!("it was replaced"),
        () = newer.renewal_asked() => panic!("it was asked once"),
        () = std::future::ready(()) => {}
    }
    drop(newer);
    assert!(!acks.ask_renewal(&id("orders")));
}
