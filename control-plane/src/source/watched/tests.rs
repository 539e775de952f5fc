//! Edits on disk and what becomes of them.

use std::fs;

use kith_identity::BundleSet;
use kith_runtime::Tasks;
use tempfile::TempDir;
use tokio::time::Instant;

use super::*;
use crate::index::World;
use crate::testing::{ALLOW_ORDERS, PATIENCE, trust_domain, world_where};

struct Edited {
    dir: TempDir,
    worlds: Arc<Worlds>,
    error: Arc<PoliciesError>,
    tasks: Tasks,
}

impl Edited {
    /// A folder with one good policy, followed.
    async fn follow() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.yaml"), ALLOW_ORDERS).unwrap();
        let worlds = Arc::new(Worlds::new(World::new(1, trust_domain(), BundleSet::default())));
        let error = Arc::new(watch::Sender::new(None));
        let mut folder =
            WatchedFolder::new(dir.path().into(), trust_domain(), Arc::clone(&worlds), Arc::clone(&error));
        folder.refresh().await;
        assert_eq!(count(&worlds.now()), 1);
        let tasks = Tasks::new();
        tasks.spawn(folder.follow());
        Self { dir, worlds, error, tasks }
    }

    fn write(&self, text: &str) {
        fs::write(self.dir.path().join("a.yaml"), text).unwrap();
    }

    async fn error_where(&self, wanted: impl Fn(Option<&str>) -> bool) -> Option<Arc<str>> {
        let mut watch = self.error.subscribe();
        timeout(PATIENCE, watch.wait_for(|error| wanted(error.as_deref()))).await.unwrap().unwrap().clone()
    }
}

impl Drop for Edited {
    fn drop(&mut self) {
        self.tasks.cut();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_takes_effect_without_a_restart_and_well_within_a_second() {
    let edited = Edited::follow().await;
    let first = edited.worlds.now().revision;
    // The watch may need a moment to be set up: the first edit may be found by the poll.
    edited.write(&ALLOW_ORDERS.replace("POST", "PUT"));
    let world = world_where(&edited.worlds, |world| world.revision > first).await;

    let begin = Instant::now();
    edited.write(&ALLOW_ORDERS.replace("POST", "PATCH"));
    world_where(&edited.worlds, |now| now.revision > world.revision).await;
    assert!(begin.elapsed() < POLL, "the watch was not what noticed: {:?}", begin.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_edit_keeps_the_last_good_policies_and_says_why() {
    let edited = Edited::follow().await;
    let before = edited.worlds.now();
    edited.write(&ALLOW_ORDERS.replace("rules:", "rulez:"));
    let error = edited.error_where(|error| error.is_some()).await.unwrap();
    assert!(error.contains("a.yaml:7:"), "{error}");
    assert_eq!(edited.worlds.now(), before);

    edited.write(ALLOW_ORDERS);
    edited.error_where(|error| error.is_none()).await;
    assert_eq!(edited.worlds.now(), before, "the same content is the same revision");
}

// P45
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_disappears_takes_no_policy_away_and_is_found_again() {
    let edited = Edited::follow().await;
    let aside = edited.dir.path().with_extension("aside");
    fs::rename(edited.dir.path(), &aside).unwrap();
    edited.error_where(|error| error.is_some()).await;
    assert_eq!(count(&edited.worlds.now()), 1);

    fs::write(aside.join("b.yaml"), ALLOW_ORDERS.replace("payments-callers", "more")).unwrap();
    fs::rename(&aside, edited.dir.path()).unwrap();
    world_where(&edited.worlds, |world| count(world) == 2).await;
    edited.error_where(|error| error.is_none()).await;
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_is_unreadable_at_the_start_leaves_no_policy_at_all() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.yaml"), "kind: [").unwrap();
    let worlds = Arc::new(Worlds::new(World::new(1, trust_domain(), BundleSet::default())));
    let error = Arc::new(watch::Sender::new(None));
    let mut folder =
        WatchedFolder::new(dir.path().into(), trust_domain(), Arc::clone(&worlds), Arc::clone(&error));
    folder.refresh().await;
    assert!(error.borrow().is_some());
    assert_eq!(worlds.now().policies, None);
}

fn count(world: &World) -> usize {
    world.policies.as_deref().unwrap_or_default().len()
}
