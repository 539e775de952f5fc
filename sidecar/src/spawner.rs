//! Where hyper runs the tasks of a connection: owned, waited for, and dropped at once when the connection is cut.

use std::future::Future;

use hyper::rt::Executor;
use kith_runtime::Tasks;

/// Spawns into a set of tasks.
#[derive(Debug, Clone)]
pub(crate) struct Spawner(Tasks);

/// The tasks of one session; dropping this cuts what is left of them.
#[derive(Debug)]
pub(crate) struct SessionTasks(Tasks);

impl Spawner {
    /// Into the tasks of a whole worker.
    pub(crate) fn of(tasks: &Tasks) -> Self {
        Self(tasks.clone())
    }

    /// Into tasks of their own, for a connection that is cut on its own.
    pub(crate) fn for_session() -> (Self, SessionTasks) {
        let tasks = Tasks::new();
        (Self(tasks.clone()), SessionTasks(tasks))
    }
}

impl SessionTasks {
    /// Waits until all of them have ended. A client's connection is over only then: its own future ends as soon as no
    /// call can be added, while those that are open go on in a task.
    pub(crate) fn ended(&self) -> impl Future<Output = ()> + Send + 'static {
        let tasks = self.0.clone();
        async move { tasks.ended().await }
    }
}

impl Drop for SessionTasks {
    fn drop(&mut self) {
        self.0.cut();
    }
}

impl<F> Executor<F> for Spawner
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, task: F) {
        self.0.spawn(async move {
            task.await;
        });
    }
}
