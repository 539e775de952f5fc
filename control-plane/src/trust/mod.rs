//! First trust (design §4): in every labelled namespace a ConfigMap `kith-trust` with the trust domain's roots, which the
//! kubelet projects into each sidecar. Owns that it is there, says what it should, and says it again after somebody
//! changed it: a pod cannot even start without it.
//!
//! It stays when a namespace loses its label: pods that run may still read it. It goes away with the installation, whose
//! configuration of the injector owns it; while there is no such configuration none is written, because no pod is
//! injected then, and what is written during an uninstallation would stay for ever.
//!
//! Needs `create` on `configmaps` in all namespaces, and `get`, `list`, `watch`, `patch` and `delete` on those that are
//! called `kith-trust`.

mod retries;
mod wanted;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::ConfigMap;
use kith_proto::pod::TRUST_CONFIG_MAP;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, watcher as watch_objects};
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{info, warn};

use self::retries::Retries;
use self::wanted::{Found, Wanted};
use self::write::write;
use crate::index::cluster::Facts;
use crate::webhook::Owner;

/// Writes at once, where many namespaces need one.
const WRITES_AT_ONCE: usize = 8;

/// Keeps the ConfigMaps.
pub(crate) struct TrustMaps {
    client: Client,
    pem: Arc<str>,
    facts: watch::Receiver<Arc<Facts>>,
    owner: watch::Receiver<Option<Owner>>,
    /// By namespace; `None` until all were listed.
    found: Option<BTreeMap<String, Found>>,
    listed: BTreeMap<String, Found>,
    retries: Retries,
}

impl TrustMaps {
    /// `pem`: the roots, which stay the same for the life of the process. `facts` is from the source, `owner` from the
    /// webhook's registration.
    pub(crate) fn new(
        client: Client,
        pem: &str,
        facts: watch::Receiver<Arc<Facts>>,
        owner: watch::Receiver<Option<Owner>>,
    ) -> Self {
        let (found, listed, retries) = (None, BTreeMap::new(), Retries::default());
        Self { client, pem: pem.into(), facts, owner, found, listed, retries }
    }

    /// Ends only by being dropped, or when nobody tells of namespaces any more.
    pub(crate) async fn keep(mut self) {
        let config = watcher::Config::default().fields(&format!("metadata.name={TRUST_CONFIG_MAP}"));
        let events = watch_objects(Api::<ConfigMap>::all(self.client.clone()), config).default_backoff();
        let mut events = std::pin::pin!(events);
        loop {
            tokio::select! {
                Some(event) = events.next() => self.heard(event),
                changed = self.facts.changed() => if changed.is_err() { return },
                changed = self.owner.changed() => if changed.is_err() { return },
                () = self.retries.next() => {}
            }
            self.write_due().await;
        }
    }

    fn heard(&mut self, event: Result<Event<ConfigMap>, watcher::Error>) {
        let read =
            |map: &ConfigMap| map.metadata.namespace.clone().map(|namespace| (namespace, Found::read(map)));
        match event {
            Ok(Event::Init) => self.listed.clear(),
            Ok(Event::InitApply(map)) => self.listed.extend(read(&map)),
            Ok(Event::InitDone) => self.found = Some(std::mem::take(&mut self.listed)),
            Ok(Event::Apply(map)) => self.found.iter_mut().for_each(|found| found.extend(read(&map))),
            Ok(Event::Delete(map)) => {
                if let (Some(found), Some(namespace)) = (&mut self.found, &map.metadata.namespace) {
                    found.remove(namespace);
                }
            }
            // What was found holds: the watch goes on by itself.
            Err(error) => warn!(%error, "ConfigMaps kith-trust cannot be watched"),
        }
    }

    /// Writes what is missing or wrong. Nothing before everything was listed: it may all be right already.
    async fn write_due(&mut self) {
        let (facts, owner) = (self.facts.borrow_and_update().clone(), self.owner.borrow_and_update().clone());
        let (Some(found), Some(owner)) = (&self.found, owner) else { return };
        let wanted = Wanted { pem: &self.pem, owner: &owner };
        let due = wanted.due(wanted::labelled(&facts), found);
        self.retries.keep_only(&due);
        let now = Instant::now();
        let due: Vec<_> = due.into_iter().filter(|namespace| self.retries.may(namespace, now)).collect();
        let writes = due.into_iter().map(|namespace| {
            let (client, map) = (self.client.clone(), wanted.map());
            async move { (namespace.clone(), write(client, &namespace, &map).await) }
        });
        let written: Vec<_> = stream::iter(writes).buffer_unordered(WRITES_AT_ONCE).collect().await;
        for (namespace, result) in written {
            match result {
                Ok(map) => {
                    info!(namespace, "ConfigMap kith-trust written");
                    self.retries.succeeded(&namespace);
                    let written = Found::read(&map);
                    self.found
                        .iter_mut()
                        .for_each(|found| drop(found.insert(namespace.clone(), written.clone())));
                }
                Err(error) => {
                    warn!(namespace, %error, "ConfigMap kith-trust not written; trying again");
                    self.retries.failed(namespace, Instant::now());
                }
            }
        }
    }
}
