//! What is on disk, and what is in the world.

use std::fs;
use std::time::UNIX_EPOCH;

use kith_identity::BundleSet;
use kith_runtime::Tasks;
use tempfile::TempDir;

use super::*;
use crate::index::World;
use crate::quarantine::QuarantineList;
use crate::testing::{id, trust_domain, world_where};

struct Kept {
    dir: TempDir,
    worlds: Arc<Worlds>,
    ledger: Ledger,
}

impl Kept {
    fn new() -> Self {
        Self::with(|store| store)
    }

    fn with(disk: impl FnOnce(Store) -> Store) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = disk(Store::beside(&dir.path().join("state"), &trust_domain()).unwrap());
        let worlds = Arc::new(Worlds::new(World::new(1, trust_domain(), BundleSet::default())));
        let ledger = Ledger::new(store, Arc::clone(&worlds));
        Self { dir, worlds, ledger }
    }

    async fn quarantine(&self, name: &str) -> Result<Change, ChangeError> {
        self.ledger.quarantine(id(name), String::new(), UNIX_EPOCH).await
    }

    fn on_disk(&self) -> QuarantineList {
        let store = Store::beside(&self.dir.path().join("state"), &trust_domain()).unwrap();
        store.read(World::first_revision(2)).unwrap()
    }
}

#[tokio::test]
async fn a_change_is_on_disk_and_in_the_world_and_says_since_when() {
    let kept = Kept::new();
    let added = kept.quarantine("intruder").await.unwrap();
    assert_eq!(added, Change { revision: kept.worlds.now().revision, unchanged: false });
    assert!(kept.worlds.now().is_quarantined(&id("intruder")));
    assert_eq!(kept.on_disk().len(), 1);

    kept.worlds.update(|world| world.replace_policies(Vec::new()));
    let repeated = kept.quarantine("intruder").await.unwrap();
    assert_eq!(repeated, Change { unchanged: true, ..added }, "it is in force since then");

    let lifted = kept.ledger.lift(id("intruder")).await.unwrap();
    assert_eq!(lifted.revision, kept.worlds.now().revision);
    assert!(kept.on_disk().is_empty() && kept.worlds.now().quarantines.is_empty());
    let error = kept.ledger.lift(id("intruder")).await.unwrap_err();
    assert!(matches!(error, ChangeError::NotQuarantined(_)), "{error}");
}

#[tokio::test]
async fn what_cannot_be_written_down_is_not_in_force() {
    let kept = Kept::new();
    kept.quarantine("intruder").await.unwrap();
    let before = kept.worlds.now();
    fs::remove_dir_all(kept.dir.path()).unwrap();
    let error = kept.quarantine("web").await.unwrap_err();
    assert!(matches!(error, ChangeError::Store(_)), "{error}");
    let error = kept.ledger.lift(id("intruder")).await.unwrap_err();
    assert!(matches!(error, ChangeError::Store(_)), "{error}");
    assert_eq!(kept.worlds.now(), before);
}

// D5
#[tokio::test]
async fn what_is_said_not_to_have_changed_has_not_after_a_restart_either() {
    let kept = Kept::with(|store| store.on_a_failing_disk(true));
    let error = kept.quarantine("intruder").await.unwrap_err();
    assert!(error.to_string().starts_with("nothing changed, because"), "{error}");
    assert!(kept.on_disk().is_empty() && kept.worlds.now().quarantines.is_empty());

    kept.quarantine("intruder").await.unwrap();
    fs::remove_file(kept.dir.path().join("healed")).unwrap();
    let error = kept.ledger.lift(id("intruder")).await.unwrap_err();
    assert!(matches!(error, ChangeError::Store(_)), "{error}");
    assert_eq!(kept.on_disk().len(), 1);
    assert!(kept.worlds.now().is_quarantined(&id("intruder")));
}

// D5
#[tokio::test]
async fn what_may_have_changed_after_a_restart_is_said_to() {
    let kept = Kept::with(|store| store.on_a_failing_disk(false));
    let error = kept.quarantine("intruder").await.unwrap_err();
    assert!(matches!(error, ChangeError::Unsettled(_)), "{error}");
    assert!(error.to_string().contains("may have after a restart"), "{error}");
    assert!(kept.worlds.now().quarantines.is_empty());
}

#[tokio::test]
async fn changes_at_the_same_time_leave_one_truth() {
    let kept = Kept::new();
    let tasks = Tasks::new();
    for number in 0..20 {
        let ledger = kept.ledger.clone();
        tasks.spawn(async move {
            let identity = id(&format!("s{number}"));
            ledger.quarantine(identity.clone(), String::new(), UNIX_EPOCH).await.unwrap();
            if number % 2 == 0 {
                ledger.lift(identity).await.unwrap();
            }
        });
    }
    let world = world_where(&kept.worlds, |world| world.revision.counter == 31).await;
    assert_eq!(world.quarantines.len(), 10);
    assert!(kept.on_disk().keys().eq(world.quarantines.keys()));
}

#[tokio::test]
async fn a_change_whose_asker_has_gone_is_finished_all_the_same() {
    let kept = Kept::new();
    {
        let mut asking = std::pin::pin!(kept.quarantine("intruder"));
        tokio::select! {
            biased;
            _ = asking.as_mut() => {}
            () = std::future::ready(()) => {}
        }
    }
    world_where(&kept.worlds, |world| world.is_quarantined(&id("intruder"))).await;
    assert_eq!(kept.on_disk().len(), 1);
}

#[test]
fn only_workloads_of_ours_are_cut_off_and_for_a_reason_of_one_line() {
    let ours = TrustDomain::parse("demo.local").unwrap();
    let refused = |identity: &str, reason: &str| {
        let identity = SpiffeId::parse(identity).unwrap();
        check(&ours, &identity, reason).map_err(|error| error.to_string())
    };
    let intruder = id("intruder");
    assert_eq!(refused(intruder.as_str(), "it scans ports; see TICKET-1"), Ok(()));
    assert_eq!(refused("spiffe://demo.local/any/path", &"x".repeat(MAX_REASON_BYTES)), Ok(()));
    let table = [
        ("spiffe://demo.local/ns/kith/sa/kith-control-plane", String::new(), "control plane's own identity"),
        ("spiffe://far.example/ns/kith/sa/kith-control-plane", String::new(), "trust domain demo.local"),
        ("spiffe://far.example/ns/a/sa/b", String::new(), "trust domain demo.local"),
        ("spiffe://demo.local", String::new(), "no workload"),
        (intruder.as_str(), "x".repeat(MAX_REASON_BYTES + 1), "257 bytes"),
        (intruder.as_str(), "two\nlines".into(), "control character"),
        (intruder.as_str(), "\u{1b}[2J".into(), "control character"),
        (intruder.as_str(), "\u{9b}2J".into(), "control character"),
    ];
    for (identity, reason, expected) in table {
        let error = refused(identity, &reason).unwrap_err();
        assert!(error.contains(expected), "{error:?} does not say {expected:?}");
    }
}
