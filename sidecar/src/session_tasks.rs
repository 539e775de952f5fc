//! The tasks of a connection that is cut on its own: owned, waited for, and dropped at once with it.

use std::future::Future;

use kith_runtime::Tasks;

/// The tasks of one session; dropping this cuts what is left of them.
#[derive(Debug, Default)]
pub(crate) struct SessionTasks(Tasks);

impl SessionTasks {
    /// Where hyper runs the tasks of the connection.
    pub(crate) fn executor(&self) -> Tasks {
        self.0.clone()
    }

    /// Starts one of ours.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(task);
    }

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
