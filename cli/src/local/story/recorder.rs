//! The identity logs of the whole mesh, from its first line to the last.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kith_runtime::Tasks;
use tokio::sync::watch;
use tokio::time::timeout;

use super::journal::Journal;
use crate::local::check::{self, Evidence, Logged, read_moment};
use crate::local::{ChildId, Event, Events, Stream};

/// How long the last lines may take to arrive. A line that has not come by then is lost.
const LAST_LINES: Duration = Duration::from_secs(5);

/// Reads for as long as it lives.
pub(super) struct Recorder {
    read: Arc<Mutex<Read>>,
    grown: watch::Receiver<()>,
    tasks: Tasks,
}

#[derive(Default)]
struct Read {
    lines: Vec<Logged>,
    lost: u64,
    unreadable: u64,
}

impl Recorder {
    pub(super) fn of(mut events: Events) -> Self {
        let (read, tasks) = (Arc::new(Mutex::new(Read::default())), Tasks::new());
        let (grow, grown) = watch::channel(());
        let into = read.clone();
        tasks.spawn(async move {
            while let Some(event) = events.next().await {
                lock(&into).take(event);
                grow.send_replace(());
            }
        });
        Self { read, grown, tasks }
    }

    /// Waits until the last call has all its lines, or until it is plain that they do not come, which the check tells.
    pub(super) async fn until_whole(&self, journal: &Journal) {
        let mut grown = self.grown.clone();
        let whole = async {
            // The sender lives as long as the reading task.
            while !self.with(journal, check::is_whole) && grown.changed().await.is_ok() {}
        };
        // Too late is what `check` finds out.
        let _ = timeout(LAST_LINES, whole).await;
    }

    /// Both sides so far.
    pub(super) fn with<T>(&self, journal: &Journal, look: impl FnOnce(&Evidence<'_>) -> T) -> T {
        let read = lock(&self.read);
        journal.with(|marks, attempts| {
            let Read { lines, lost, unreadable } = &*read;
            look(&Evidence { lines, marks, attempts, lost: *lost, unreadable: *unreadable })
        })
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.tasks.cut();
    }
}

impl Read {
    fn take(&mut self, event: Event) {
        match event {
            Event::Line { service, line } => match read_moment(&line.time) {
                Some(at) => self.lines.push(Logged { service, at, line }),
                None => self.unreadable += 1,
            },
            // A sidecar writes nothing else on its standard output.
            Event::Raw { child: ChildId::Sidecar(_), stream: Stream::Stdout, .. } => self.unreadable += 1,
            Event::Lost { count } => self.lost += count,
            Event::Raw { .. }
            | Event::ChildStarted { .. }
            | Event::ChildExited { .. }
            | Event::Restarted { .. }
            | Event::Policies(_)
            | Event::Warning { .. } => {}
        }
    }
}

fn lock(read: &Mutex<Read>) -> MutexGuard<'_, Read> {
    // Lines are only added, each at once.
    read.lock().unwrap_or_else(PoisonError::into_inner)
}
