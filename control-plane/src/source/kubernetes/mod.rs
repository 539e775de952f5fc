//! Keeps the world equal to what a Kubernetes cluster says. Every kind that is watched has a file that says how it is
//! asked for and read; `follow` owns how a list is believed, `write` how changes become a world, `health` what is told of
//! it all.
//!
//! ```text
//! pods ───────────┐
//! services ───────┤
//! ...             ├─► follow (one task each) ─► write (one task: Cluster) ─► World, Facts
//! quarantines ────┘
//! ```
//!
//! Nothing is said of the cluster before every kind was listed whole. After that, what was known stays until something
//! better is known: an API server that is away, or that has lost its memory, changes nothing by it (K32, K33).
//!
//! What the control plane's service account needs for this, and no more:
//!
//! | API group | resources | verbs |
//! | --- | --- | --- |
//! | (core) | `namespaces`, `pods`, `services`, `serviceaccounts` | `list`, `watch` |
//! | `discovery.k8s.io` | `endpointslices` | `list`, `watch` |
//! | `kith.dev` | `authorizationpolicies`, `quarantines` | `list`, `watch` |

mod endpoint_slices;
mod follow;
mod health;
mod namespaces;
mod pods;
mod policies;
mod quarantines;
mod service_accounts;
mod services;
mod slim_pod;
mod watched;
mod write;

use std::sync::Arc;

use kith_identity::TrustDomain;
use kith_runtime::{Clock, Stop, Tasks};
use kube::Client;
use tokio::sync::{mpsc, watch};

pub(crate) use self::health::Failing;
use self::health::Hearing;
use self::watched::Watched;
use crate::index::Worlds;
use crate::index::cluster::{Change, Cluster, Facts};

/// Changes that wait for the one who writes: who is faster waits.
const WAITING_CHANGES: usize = 1024;

/// The tasks that follow one cluster, as others see them. Clones are of one source.
#[derive(Debug, Clone)]
pub(crate) struct KubernetesSource {
    hearing: Hearing,
    facts: watch::Receiver<Arc<Facts>>,
}

impl KubernetesSource {
    /// Begins to follow; ends when the stop begins.
    pub(crate) fn start(
        client: &Client,
        worlds: Arc<Worlds>,
        trust_domain: &TrustDomain,
        tasks: &Tasks,
        stop: &Stop,
        clock: Clock,
    ) -> Self {
        let hearing = Hearing::new(clock);
        let (changes, waiting) = mpsc::channel(WAITING_CHANGES);
        let (facts_out, facts) = watch::channel(Arc::default());
        let followers = Followers { client, changes, hearing: &hearing, tasks, stop };
        followers.follow(namespaces::Namespaces);
        followers.follow(pods::Pods);
        followers.follow(services::Services);
        followers.follow(endpoint_slices::EndpointSlices);
        followers.follow(service_accounts::ServiceAccounts);
        followers.follow(policies::Policies::new(trust_domain.clone()));
        followers.follow(quarantines::Quarantines::new(trust_domain.clone()));
        let writer =
            write::Writer::new(Cluster::new(trust_domain.clone()), worlds, facts_out, hearing.clone());
        tasks.spawn_until(stop, writer.run(waiting));
        Self { hearing, facts }
    }

    /// Ends when every kind was listed, and the world says so.
    pub(crate) async fn first_list(&self) {
        self.hearing.first_world().await;
    }

    /// Which kinds were never listed, such as `kubernetes/pods`: until they are, nothing is known.
    pub(crate) fn waiting_for(&self) -> Vec<String> {
        self.hearing.waiting_for()
    }

    /// Of which kinds nothing new is heard, since when, and why.
    pub(crate) fn failing(&self) -> Vec<Failing> {
        self.hearing.failing()
    }

    /// What admission, attestation and status ask of the cluster. Empty until every kind was listed.
    pub(crate) fn facts(&self) -> watch::Receiver<Arc<Facts>> {
        self.facts.clone()
    }
}

/// What every follower needs.
struct Followers<'a> {
    client: &'a Client,
    changes: mpsc::Sender<Change>,
    hearing: &'a Hearing,
    tasks: &'a Tasks,
    stop: &'a Stop,
}

impl Followers<'_> {
    fn follow<W: Watched>(&self, watched: W) {
        let (client, changes) = (self.client.clone(), self.changes.clone());
        let (hearing, watched) = (self.hearing.clone(), Arc::new(watched));
        self.tasks.spawn_until(self.stop, async move {
            let open = || watched::events(&watched, client.clone());
            follow::follow(W::KIND, open, W::change, &changes, &hearing).await;
        });
    }
}

#[cfg(test)]
pub(crate) mod tests;
