//! Identity-log lines on their way from sidecars to whoever watches. Owns how many may wait, and whether anybody
//! watches at all: sidecars send lines only while somebody does.

use std::sync::Arc;

use kith_identity::SpiffeId;
use serde::Deserialize;
use tokio::sync::{broadcast, watch};

use crate::index::WorkloadId;

/// Lines that may wait for the slowest watcher; it loses the older ones and is told how many.
const WAITING: usize = 1024;
/// A line is about a kilobyte; a path in it has at most 8.
const MAX_LINE: usize = 16 * 1024;

/// One line, and what filters ask about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TapLine {
    /// Whose sidecar wrote it, by its svid.
    pub(crate) workload: SpiffeId,
    /// Which of those that have this identity.
    pub(crate) reporter: WorkloadId,
    pub(crate) denied: bool,
    pub(crate) text: String,
}

/// What a watcher receives.
#[derive(Debug, Clone)]
pub(crate) enum Tapped {
    Line(Arc<TapLine>),
    /// So many lines did not make it.
    Lost(u64),
}

/// All watchers. Cheap to clone; all clones are one hub.
#[derive(Debug, Clone)]
pub(crate) struct TapHub {
    lines: broadcast::Sender<Tapped>,
    watchers: watch::Sender<usize>,
}

/// One watcher. Dropping it counts it out.
#[derive(Debug)]
pub(crate) struct Watcher {
    lines: broadcast::Receiver<Tapped>,
    watchers: watch::Sender<usize>,
}

/// The fields of an identity-log line that the control plane reads; the others pass through it as they are.
#[derive(Deserialize)]
struct Read {
    #[serde(rename = "kith.workload")]
    workload: String,
    event: String,
    #[serde(rename = "kith.verdict", default)]
    verdict: Option<String>,
}

impl TapHub {
    pub(crate) fn new() -> Self {
        Self { lines: broadcast::Sender::new(WAITING), watchers: watch::Sender::new(0) }
    }

    pub(crate) fn subscribe(&self) -> Watcher {
        let lines = self.lines.subscribe();
        self.watchers.send_modify(|watchers| *watchers += 1);
        Watcher { lines, watchers: self.watchers.clone() }
    }

    /// How many watch.
    pub(crate) fn watchers(&self) -> watch::Receiver<usize> {
        self.watchers.subscribe()
    }

    /// Passes a sidecar's lines on. A line that it cannot have written itself counts as lost.
    pub(crate) fn publish(
        &self,
        workload: &SpiffeId,
        reporter: &WorkloadId,
        lines: Vec<String>,
        mut lost: u64,
    ) {
        for text in lines {
            match read(workload, reporter, text) {
                Some(line) => self.send(Tapped::Line(Arc::new(line))),
                None => lost = lost.saturating_add(1),
            }
        }
        if lost > 0 {
            self.send(Tapped::Lost(lost));
        }
    }

    fn send(&self, tapped: Tapped) {
        // An error means that the last watcher has just gone.
        drop(self.lines.send(tapped));
    }
}

impl Watcher {
    /// The next line, or how many were lost. Lines from before the subscription are not seen.
    pub(crate) async fn next(&mut self) -> Option<Tapped> {
        match self.lines.recv().await {
            Ok(tapped) => Some(tapped),
            Err(broadcast::error::RecvError::Lagged(lost)) => Some(Tapped::Lost(lost)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }

    /// The next one, if it is there already.
    pub(crate) fn try_next(&mut self) -> Option<Tapped> {
        match self.lines.try_recv() {
            Ok(tapped) => Some(tapped),
            Err(broadcast::error::TryRecvError::Lagged(lost)) => Some(Tapped::Lost(lost)),
            Err(broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed) => None,
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.watchers.send_modify(|watchers| *watchers -= 1);
    }
}

/// `None` for a line that is not one, or names another workload than the svid that it came with.
fn read(workload: &SpiffeId, reporter: &WorkloadId, text: String) -> Option<TapLine> {
    if text.len() > MAX_LINE || text.contains(['\n', '\r']) {
        return None;
    }
    let line: Read = serde_json::from_str(&text).ok()?;
    if line.workload != workload.as_str() {
        return None;
    }
    let denied = line.verdict.as_deref() == Some("deny") || line.event == "session_refused";
    Some(TapLine { workload: workload.clone(), reporter: reporter.clone(), denied, text })
}

#[cfg(test)]
mod tests;
