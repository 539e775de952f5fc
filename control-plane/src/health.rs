//! Whether this control plane can attest, issue and distribute now. Owns what is looked at; it is looked at anew for
//! each answer, because an svid ends by the clock alone. The authority is open before there is anybody to ask.

use std::sync::Arc;

use kith_mtls::Svid;
use kith_runtime::metrics::Process;
use kith_runtime::{Clock, Health, Readiness, Stop};
use tokio::sync::watch;

use crate::index::Worlds;
use crate::metrics::Figures;
use crate::source::kubernetes::KubernetesSource;

#[cfg(test)]
mod tests;

/// What readiness depends on.
#[derive(Debug, Clone)]
pub(crate) struct Vitals {
    /// `None` in local mode. A kind that was never listed keeps it from its work; one that is silent now does not: what
    /// is known holds, and sidecars have to renew.
    pub(crate) cluster: Option<KubernetesSource>,
    pub(crate) worlds: Arc<Worlds>,
    pub(crate) own_svid: watch::Receiver<Option<Arc<Svid>>>,
    /// Blocked by every door that is not open yet.
    pub(crate) doors: Readiness,
    pub(crate) clock: Clock,
    pub(crate) stop: Stop,
}

/// The pages of this process.
pub(crate) fn health(vitals: Vitals, figures: Figures) -> Health {
    let process = Process::new(env!("CARGO_PKG_VERSION"), vitals.clock.now());
    Health::of(process, figures, move || vitals.waiting_for())
}

impl Vitals {
    /// What keeps it from its work, by name; empty when nothing does.
    fn waiting_for(&self) -> Vec<String> {
        let world = self.worlds.now();
        let missing = [
            (self.stop.is_stopping(), "draining"),
            // A folder without policies is known to be empty; one that cannot be read is not.
            (world.policies.is_none(), "policies"),
            // Until the supervisor named them, every workload is refused.
            (world.workloads.is_none(), "workloads"),
            (!self.has_svid(), "svid"),
        ];
        let names = missing.into_iter().filter(|(missing, _)| *missing).map(|(_, name)| name.to_owned());
        let unlisted = self.cluster.iter().flat_map(KubernetesSource::waiting_for);
        names.chain(self.doors.waiting_for()).chain(unlisted).collect()
    }

    /// One that holds now: an svid that has ended is none.
    fn has_svid(&self) -> bool {
        let now = self.clock.now();
        self.own_svid.borrow().as_ref().is_some_and(|svid| svid.holds_at(now))
    }
}
