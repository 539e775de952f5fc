//! Whether this sidecar can carry a call now. Owns what is looked at; it is looked at anew for each answer, because an
//! svid ends by the clock alone.

use std::sync::Arc;

use http::StatusCode;
use kith_identity::SpiffeId;
use kith_mtls::Svid;
use kith_proto::pod::{STARTED_LIMIT, STARTED_PATH};
use kith_runtime::metrics::Process;
use kith_runtime::{Clock, Health, Page, Readiness, Stop};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::enforced::Enforced;
use crate::metrics::Figures;

#[cfg(test)]
mod tests;

/// What readiness depends on.
#[derive(Debug, Clone)]
pub(crate) struct Vitals {
    pub(crate) identity: SpiffeId,
    pub(crate) svid: watch::Receiver<Option<Arc<Svid>>>,
    pub(crate) enforced: watch::Receiver<Arc<Enforced>>,
    /// Blocked by every worker that does not listen yet.
    pub(crate) listening: Readiness,
    pub(crate) clock: Clock,
    pub(crate) stop: Stop,
}

/// The pages of this process.
pub(crate) fn health(vitals: Vitals, figures: Figures) -> Health {
    let process = Process::new(env!("CARGO_PKG_VERSION"), vitals.clock.now());
    let asked = vitals.clone();
    Health::of(process, figures, move || vitals.waiting_for()).with_pages(STARTED_LIMIT, move |head| {
        (head.uri.path() == STARTED_PATH).then(|| Box::pin(asked.clone().started()) as Page)
    })
}

impl Vitals {
    /// What keeps a call from being carried, by name; empty when nothing does.
    fn waiting_for(&self) -> Vec<String> {
        let enforced = self.enforced.borrow();
        let quarantined = enforced.quarantines().contains(&self.identity) || enforced.check_self().is_err();
        let missing = [
            (self.stop.is_stopping(), "draining"),
            (quarantined, "quarantined"),
            (!self.has_svid(), "svid"),
            (enforced.revision().is_none(), "snapshot"),
        ];
        let names = missing.into_iter().filter(|(missing, _)| *missing).map(|(_, name)| name.to_owned());
        names.chain(self.listening.waiting_for()).collect()
    }

    /// Answers when a call can be carried, or says what is missing still. The kubelet asks this once a second: who was not
    /// ready yet, and did not wait, would lose the rest of that second, and the containers after it with it.
    async fn started(mut self) -> (StatusCode, String) {
        // In time or not: what is said is what is so by then.
        drop(timeout(STARTED_LIMIT, self.can_carry()).await);
        Health::readiness(&self.waiting_for())
    }

    async fn can_carry(&mut self) {
        self.listening.clone().ready().await;
        while !self.waiting_for().is_empty() {
            let changed = tokio::select! {
                changed = self.svid.changed() => changed,
                changed = self.enforced.changed() => changed,
            };
            if changed.is_err() {
                // What could become ready is gone with the process.
                std::future::pending().await
            }
        }
    }

    /// One that holds now: an svid that has ended is none.
    fn has_svid(&self) -> bool {
        let now = self.clock.now();
        self.svid.borrow().as_ref().is_some_and(|svid| svid.holds_at(now))
    }
}
