//! Where hyper runs the tasks of one session: owned by the worker, and dropped at once when the session is cut.

use std::future::Future;

use hyper::rt::Executor;
use kith_runtime::Tasks;
use tokio_util::sync::CancellationToken;

/// Spawns into `tasks`; [`Spawner::cut`] drops everything that it spawned.
#[derive(Debug, Clone)]
pub(crate) struct Spawner {
    tasks: Tasks,
    cut: CancellationToken,
}

impl Spawner {
    pub(crate) fn new(tasks: Tasks) -> Self {
        Self { tasks, cut: CancellationToken::new() }
    }

    pub(crate) fn cut(&self) {
        self.cut.cancel();
    }
}

impl<F> Executor<F> for Spawner
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, task: F) {
        let cut = self.cut.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = cut.cancelled() => {}
                _ = task => {}
            }
        });
    }
}
