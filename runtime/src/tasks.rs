//! Who waits for a task. The only place that spawns: a task that is not in a [`Tasks`] has no owner, and would be
//! lost at the end of the process or outlive what it needs.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::rt::Executor;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Stop;

/// How long a task that was cut off may take to be dropped. It only has to reach its next await; a task that
/// blocks its thread for longer must not hold up the end of the process.
const DROP_TIME: Duration = Duration::from_secs(1);

/// A set of tasks that are waited for, and dropped where they stand when the waiting is over.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    cut: CancellationToken,
    cut_off: Arc<AtomicUsize>,
}

impl Tasks {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a task on the current tokio runtime. After [`Tasks::cut`] the task ends before its first step.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let cut = self.cut.clone();
        let cut_off = Arc::clone(&self.cut_off);
        // On the heap first: each layer around a task would move all of it, and some have several kilobytes.
        let task = Box::pin(task);
        self.tracker.spawn(async move {
            tokio::select! {
                biased;
                () = cut.cancelled() => { cut_off.fetch_add(1, Ordering::Relaxed); }
                () = task => {}
            }
        });
    }

    /// Starts a task that has no end of its own: it is dropped when the graceful stop begins.
    pub fn spawn_until(&self, stop: &Stop, task: impl Future<Output = ()> + Send + 'static) {
        let stop = stop.clone();
        // On the heap first, as in `spawn`.
        let task = Box::pin(task);
        self.spawn(async move {
            tokio::select! {
                () = stop.graceful() => {}
                () = task => {}
            }
        });
    }

    /// How many tasks have not ended.
    pub fn open(&self) -> usize {
        self.tracker.len()
    }

    /// Ends when no task is open; spawning meanwhile prolongs the wait.
    pub async fn ended(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// Drops every open task at its next await.
    pub fn cut(&self) {
        self.cut.cancel();
    }

    /// Waits until all tasks ended, at most until the deadline; cuts the others, and says how many were cut off.
    pub async fn finish(&self, deadline: Duration) -> usize {
        if timeout(deadline, self.ended()).await.is_err() {
            self.cut();
            if timeout(DROP_TIME, self.ended()).await.is_err() {
                // Blocked in a thread: cut off as well, only not yet gone.
                return self.cut_off() + self.open();
            }
        }
        self.cut_off()
    }

    fn cut_off(&self) -> usize {
        self.cut_off.load(Ordering::Relaxed)
    }
}

/// For what hyper runs beside a connection.
impl<F> Executor<F> for Tasks
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, task: F) {
        self.spawn(async move {
            task.await;
        });
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_has_no_end_of_its_own_ends_when_the_stop_begins_and_is_not_cut_off() {
        let (tasks, (stopper, stop)) = (Tasks::new(), Stop::new());
        tasks.spawn_until(&stop, pending());
        assert!(timeout(Duration::from_secs(60), tasks.ended()).await.is_err(), "nobody stops it");
        stopper.begin();
        assert_eq!(tasks.finish(Duration::from_secs(60)).await, 0);
    }
}
