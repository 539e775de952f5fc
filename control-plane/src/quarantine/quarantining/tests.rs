//! Quarantines that others write: waited for, and never made here.

use std::time::UNIX_EPOCH;

use kith_identity::BundleSet;

use super::*;
use crate::index::ClusterView;
use crate::quarantine::{CutOff, QuarantineObjects};
use crate::testing::{id, trust_domain};

fn objects(targets: &[Target]) -> QuarantineObjects {
    let cut_off = |target: &Target| CutOff { target: target.clone(), since: UNIX_EPOCH, reason: "".into() };
    targets.iter().enumerate().map(|(number, target)| (number.to_string(), cut_off(target))).collect()
}

fn view(targets: &[Target]) -> ClusterView {
    let identities = targets.iter().filter_map(Target::identity);
    ClusterView {
        quarantines: identities.map(|identity| (identity.clone(), (UNIX_EPOCH, "".into()))).collect(),
        quarantine_objects: objects(targets),
        ..ClusterView::default()
    }
}

fn ground() -> (Arc<Worlds>, Quarantining) {
    let worlds = Arc::new(Worlds::new(World::new(1, trust_domain(), BundleSet::default())));
    let quarantining = Quarantining::Objects { worlds: Arc::clone(&worlds), issued: IssuedSvids::default() };
    (worlds, quarantining)
}

fn pod() -> Target {
    Target::Pod { namespace: "shop".into(), name: "web-0".into() }
}

#[tokio::test(start_paused = true)]
async fn an_object_that_comes_in_time_is_what_was_waited_for() {
    for target in [Target::Identity(id("web")), pod(), Target::Node("worker-1".into())] {
        let (worlds, quarantining) = ground();
        let waiting = quarantining.quarantine(target.clone(), String::new(), UNIX_EPOCH);
        let (change, ()) = tokio::join!(waiting, async {
            worlds.update(|world| world.replace_cluster(view(std::slice::from_ref(&target))));
        });
        let change = change.unwrap();
        // What no workload runs as changes nothing for sidecars: they have it already.
        assert_eq!((change.revision, change.unchanged), (worlds.now().cut_since, false), "{target}");
        let again = quarantining.quarantine(target.clone(), String::new(), UNIX_EPOCH).await.unwrap();
        assert!(again.unchanged);

        // Another object may mean the same.
        worlds.update(|world| world.replace_cluster(view(&[target.clone(), target.clone()])));
        worlds.update(|world| world.replace_cluster(view(std::slice::from_ref(&target))));
        assert!(matches!(quarantining.lift(target.clone()).await, Err(ChangeError::ObjectLeft(_))));
        worlds.update(|world| world.replace_cluster(view(&[])));
        assert_eq!(quarantining.lift(target).await.unwrap().revision, worlds.now().cut_since);
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_that_does_not_come_is_not_in_force() {
    let (worlds, quarantining) = ground();
    let error = quarantining.quarantine(pod(), String::new(), UNIX_EPOCH).await.unwrap_err();
    assert!(error.to_string().contains("pod shop/web-0"), "{error}");
    assert!(worlds.now().quarantine_objects.is_empty(), "nothing is cut off here without an object");
}

#[test]
fn a_reason_is_checked_whoever_is_meant() {
    let (worlds, quarantining) = ground();
    let world = worlds.now();
    quarantining.check(&world, &pod(), "leaked key").unwrap();
    for reason in ["x".repeat(257), "two\nlines".to_owned()] {
        assert!(quarantining.check(&world, &pod(), &reason).is_err());
        assert!(quarantining.check(&world, &Target::Identity(id("web")), &reason).is_err());
    }
    let reserved = kith_identity::SpiffeId::control_plane(&trust_domain());
    let error = quarantining.check(&world, &Target::Identity(reserved), "").unwrap_err();
    assert!(matches!(error, ChangeError::Reserved(_)));
}
