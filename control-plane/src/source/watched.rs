//! Keeps the world's policies equal to a folder's: watches it, and polls it because watches miss things (renamed
//! folders, network file systems, projected volumes that swap a link).
//!
//! Owns the rule that an edit is taken whole or not at all: any error keeps the last good policies in force and
//! is published with its reason.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kith_identity::TrustDomain;
use kith_policy::document::AuthorizationPolicy;
use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::folder::{self, Files, FolderError};
use crate::index::Worlds;

/// The slowest that an edit is noticed.
const POLL: Duration = Duration::from_secs(1);
/// Two equal readings this far apart: nobody is in the middle of writing. A file that was just emptied to be
/// written anew would otherwise count as policies that were taken away.
const SETTLE: Duration = Duration::from_millis(50);
/// A folder that is written to without a pause is reported rather than waited for.
const MAX_READINGS: u32 = 20;

/// Why the newest edit is not in force; `None` when it is.
pub(crate) type PoliciesError = watch::Sender<Option<Arc<str>>>;

/// One folder and what was last seen in it.
pub(crate) struct WatchedFolder {
    path: PathBuf,
    trust_domain: TrustDomain,
    worlds: Arc<Worlds>,
    error: Arc<PoliciesError>,
    seen: Option<Vec<u8>>,
    changed: Arc<Notify>,
    watcher: Option<RecommendedWatcher>,
}

impl WatchedFolder {
    pub(crate) fn new(
        path: PathBuf,
        trust_domain: TrustDomain,
        worlds: Arc<Worlds>,
        error: Arc<PoliciesError>,
    ) -> Self {
        Self { path, trust_domain, worlds, error, seen: None, changed: Arc::default(), watcher: None }
    }

    /// Brings the world up to the folder's content, whatever it is now.
    pub(crate) async fn refresh(&mut self) {
        match self.settled().await {
            Ok(files) if self.seen.as_deref() == Some(files.digest()) => {}
            Ok(files) => {
                self.seen = Some(files.digest().to_vec());
                let parsed = files.parse(&self.trust_domain);
                self.apply(parsed);
            }
            Err(error) => {
                // What is readable again must be looked at again, even if it is what was there before.
                self.seen = None;
                self.watcher = None;
                self.apply(Err(error));
            }
        }
    }

    /// Keeps the world equal to the folder; ends only by being dropped.
    pub(crate) async fn follow(mut self) {
        loop {
            if self.watcher.is_none() {
                self.attach();
            }
            // Elapsed is the poll, and no error.
            let _ = timeout(POLL, self.changed.notified()).await;
            self.refresh().await;
        }
    }
}

impl WatchedFolder {
    /// The files, read twice without a difference; one reading is enough when nothing changed.
    async fn settled(&self) -> Result<Files, FolderError> {
        let mut files = self.read().await?;
        for _ in 0..MAX_READINGS {
            if self.seen.as_deref() == Some(files.digest()) {
                return Ok(files);
            }
            sleep(SETTLE).await;
            let again = self.read().await?;
            if again == files {
                return Ok(files);
            }
            files = again;
        }
        Err(FolderError::Restless { path: self.path.clone() })
    }

    /// Off the runtime's threads: a disk may take its time.
    async fn read(&self) -> Result<Files, FolderError> {
        let path = self.path.clone();
        match tokio::task::spawn_blocking(move || folder::read(&path)).await {
            Ok(read) => read,
            Err(error) => Err(FolderError::Read { path: self.path.clone(), error: error.into() }),
        }
    }

    fn apply(&self, parsed: Result<Vec<AuthorizationPolicy>, FolderError>) {
        match parsed {
            Ok(policies) => {
                let count = policies.len();
                if self.worlds.update(|world| world.replace_policies(policies)) {
                    let revision = self.worlds.now().revision;
                    info!(folder = %self.path.display(), policies = count, %revision, "Policies replaced");
                }
                self.error.send_if_modified(|error| error.take().is_some());
            }
            Err(error) => {
                let text = Arc::from(error.to_string());
                let new = self.error.send_if_modified(|shown| {
                    let new = shown.as_ref() != Some(&text);
                    *shown = Some(Arc::clone(&text));
                    new
                });
                if new {
                    warn!(folder = %self.path.display(), error = %text, "Policies kept: the edit is invalid");
                }
            }
        }
    }

    /// Tries to watch the folder; until that works, polling does alone.
    fn attach(&mut self) {
        let changed = Arc::clone(&self.changed);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if is_change(&event) {
                changed.notify_one();
            }
        });
        self.watcher = watcher
            .and_then(|mut watcher| {
                watcher.watch(&self.path, RecursiveMode::NonRecursive)?;
                Ok(watcher)
            })
            .inspect_err(
                |error| tracing::debug!(folder = %self.path.display(), %error, "Polling the folder only"),
            )
            .ok();
    }
}

/// Our own reading opens and closes files: that must not wake us again. An error of the watch wakes us, for what it
/// missed.
fn is_change(event: &notify::Result<notify::Event>) -> bool {
    match event {
        Ok(event) => match event.kind {
            EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
            EventKind::Any
            | EventKind::Create(_)
            | EventKind::Modify(_)
            | EventKind::Remove(_)
            | EventKind::Other => true,
        },
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests;
