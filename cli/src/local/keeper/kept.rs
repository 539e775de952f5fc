//! A child as others see it over all its restarts: whether it runs and is ready, and what it complained about. Keeping
//! it running is the keeper's.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::local::child::Life;
use crate::local::events::ChildId;

/// How many lines of its stderr are remembered, for the error that says why it did not start.
const REMEMBERED: usize = 8;

/// A child that is kept running, over all its restarts.
#[derive(Debug, Clone)]
pub struct Kept(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: ChildId,
    life: watch::Sender<Option<Arc<Life>>>,
    ready: watch::Sender<bool>,
    held: watch::Sender<bool>,
    /// How it failed twice before it was ever ready.
    hopeless: watch::Sender<Option<Arc<str>>>,
    last_words: Mutex<LastWords>,
}

/// What a child wrote last on its stderr.
#[derive(Debug, Default)]
struct LastWords {
    lines: VecDeque<Arc<str>>,
    /// They are of a start before: the first line of this one replaces them.
    of_before: bool,
}

impl Kept {
    pub(crate) fn new(id: ChildId) -> Self {
        Self(Arc::new(Inner {
            id,
            life: watch::Sender::new(None),
            ready: watch::Sender::new(false),
            held: watch::Sender::new(false),
            hopeless: watch::Sender::new(None),
            last_words: Mutex::default(),
        }))
    }

    /// Which child.
    pub fn id(&self) -> &ChildId {
        &self.0.id
    }

    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<i32> {
        self.0.life.borrow().as_ref().map(|life| life.pid())
    }

    /// Ends it and what it started at once (`SIGKILL`); it is then started again, unless it is held.
    pub fn kill(&self) -> io::Result<()> {
        match self.0.life.borrow().as_ref() {
            Some(life) => life.kill(),
            None => Err(io::Error::new(io::ErrorKind::NotFound, format!("the {} does not run", self.0.id))),
        }
    }

    /// While held, it is not started again.
    pub fn hold(&self, held: bool) {
        self.0.held.send_replace(held);
    }

    /// Whether it runs and has said that it listens.
    pub fn is_ready(&self) -> bool {
        *self.0.ready.borrow()
    }

    /// Waits until it runs and has said that it listens; the error repeats what it complained about. One that fails
    /// again and again in the same way is not waited for.
    pub async fn until_ready(&self, deadline: Duration) -> anyhow::Result<()> {
        let mut ready = self.0.ready.subscribe();
        let waited = timeout(deadline, async {
            tokio::select! {
                biased;
                ready = ready.wait_for(|&ready| ready) => ready.map(|_| ()).context("the supervisor is gone"),
                error = self.until_hopeless() => Err(error),
            }
        });
        match waited.await {
            Ok(ready) => ready,
            Err(_) => bail!("the {} was not ready within {deadline:?}{}", self.0.id, self.complaints()),
        }
    }

    /// Ends when it failed twice in the same way before it was ever ready, with what it complained about.
    pub(crate) async fn until_hopeless(&self) -> anyhow::Error {
        let mut hopeless = self.0.hopeless.subscribe();
        let way = hopeless.wait_for(Option::is_some).await.ok().and_then(|way| way.clone());
        let way = way.unwrap_or_else(|| "its supervisor is gone".into());
        anyhow!("the {} does not start ({way}){}", self.0.id, self.complaints())
    }

    /// Waits until it does not run.
    pub async fn until_ended(&self, deadline: Duration) -> anyhow::Result<()> {
        let mut life = self.0.life.subscribe();
        let ended = timeout(deadline, life.wait_for(Option::is_none)).await;
        ended.with_context(|| format!("the {} still runs after {deadline:?}", self.0.id))?.map(|_| ())?;
        Ok(())
    }

    pub(crate) fn set_ready(&self) {
        self.0.hopeless.send_replace(None);
        self.0.ready.send_replace(true);
    }

    pub(super) fn begins(&self, life: Arc<Life>) {
        self.last_words().of_before = true;
        self.0.life.send_replace(Some(life));
    }

    /// It fails again and again in this way.
    pub(super) fn gives_up(&self, way: Arc<str>) {
        self.0.hopeless.send_replace(Some(way));
    }

    /// The process, as it changes; none while it does not run.
    pub(crate) fn lives(&self) -> watch::Receiver<Option<Arc<Life>>> {
        self.0.life.subscribe()
    }

    /// Whether it is held, as that changes.
    pub(super) fn holds(&self) -> watch::Receiver<bool> {
        self.0.held.subscribe()
    }

    pub(super) fn ends(&self) {
        self.0.ready.send_replace(false);
        self.0.life.send_replace(None);
    }

    pub(super) fn remember(&self, line: Arc<str>) {
        let mut words = self.last_words();
        if std::mem::take(&mut words.of_before) {
            words.lines.clear();
        }
        if words.lines.len() == REMEMBERED {
            words.lines.pop_front();
        }
        words.lines.push_back(line);
    }

    fn last_words(&self) -> MutexGuard<'_, LastWords> {
        self.0.last_words.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it wrote last on its stderr, to end an error with.
    pub(crate) fn complaints(&self) -> String {
        self.last_words().lines.iter().fold(String::new(), |mut text, line| {
            // Writing to a String cannot fail.
            let _ = write!(text, "\n  {line}");
            text
        })
    }
}
