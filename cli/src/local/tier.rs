//! Children that are ended together: applications before the sidecars that they call through, sidecars before the
//! control plane that renews them.

use std::time::Duration;

use kith_runtime::{Stop, Stopper, Tasks};

use super::keeper::{Keeper, Kept, Role};

/// Longer than a keeper takes to end a child that does not want to.
const DEADLINE: Duration = Duration::from_secs(8);

/// Some children and the tasks that keep them.
pub(crate) struct Tier {
    stopper: Stopper,
    stop: Stop,
    tasks: Tasks,
    kept: Vec<Kept>,
}

impl Tier {
    pub(crate) fn new() -> Self {
        let (stopper, stop) = Stop::new();
        Self { stopper, stop, tasks: Tasks::new(), kept: Vec::new() }
    }

    /// The stop that a keeper of this tier follows.
    pub(crate) fn stop_signal(&self) -> Stop {
        self.stop.clone()
    }

    /// Keeps one more child.
    pub(crate) fn keep<R: Role>(&mut self, keeper: Keeper<R>) {
        self.kept.push(keeper.kept.clone());
        self.tasks.spawn(keeper.keep());
    }

    /// Runs a task that has no end of its own until the children are ended.
    pub(crate) fn accompany(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn_until(&self.stop, task);
    }

    /// Drains and ends every child, and waits for them; how many tasks had to be cut off.
    pub(crate) async fn end(&self) -> usize {
        self.stopper.begin();
        self.tasks.finish(DEADLINE).await
    }

    /// Ends every child now, without waiting.
    pub(crate) fn kill(&self) {
        self.stopper.force();
        for kept in &self.kept {
            // An error means that it does not run.
            let _ = kept.kill();
        }
        self.tasks.cut();
    }
}
