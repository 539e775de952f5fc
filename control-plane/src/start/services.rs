//! What every control plane runs, wherever its policies and workloads come from: the authority, the world, the doors and
//! the tasks that keep them. Owns no source and no attestor; those are handed in.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use kith_ca::{Ca, Lifetimes, OpenOptions, SealKey};
use kith_identity::{BundleSet, TrustDomain};
use kith_mtls::{Accept, ClientSvid, Credentials, KeyExchange, Now, Server};
use kith_runtime::{Clock, Health, Limits, Readiness, Stop, Tasks, serve, serve_unix};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tonic_health::server::HealthReporter;
use tracing::{error, info};

use crate::admin_socket::SocketFile;
use crate::api::{AdminService, PoliciesFrom};
use crate::attest::Attestor;
use crate::health::{self, Vitals};
use crate::index::{World, Worlds};
use crate::metrics::{Figures, Metrics};
use crate::observed::Observed;
use crate::own_svid::OwnSvid;
use crate::quarantine::{Ledger, Quarantining, Store};
use crate::server::{ALPN, Connections, MAX_CONNECTIONS, MAX_HANDSHAKES, MAX_STRANGERS, Routes, places};
use crate::source::kubernetes::KubernetesSource;
use crate::stream::acks::Acks;
use crate::stream::issue::IssueService;
use crate::stream::issued::IssuedSvids;
use crate::stream::limit::IssueLimit;
use crate::stream::sync::SyncService;
use crate::tapped::TapHub;

const LIMITS: Limits = Limits { connections: MAX_CONNECTIONS };
/// An issuing authority lives for days and is replaced at half its life.
const ISSUING_CHECK: Duration = Duration::from_secs(3600);

/// What it takes to open the authority.
pub(super) struct Authority {
    pub(super) trust_domain: TrustDomain,
    pub(super) state_file: PathBuf,
    pub(super) seal_key: SealKey,
    pub(super) svid_lifetime: Duration,
}

/// Where quarantines are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum QuarantinesIn {
    /// A file beside the authority's.
    File,
    /// Objects of the cluster.
    Objects,
}

/// What the rooms of the house share.
#[derive(Clone)]
pub(crate) struct Services {
    pub(crate) ca: Arc<Ca>,
    pub(crate) worlds: Arc<Worlds>,
    pub(crate) policies_error: Arc<watch::Sender<Option<Arc<str>>>>,
    pub(crate) quarantining: Quarantining,
    pub(crate) acks: Acks,
    pub(crate) issued: IssuedSvids,
    /// Until when an svid may hold that was issued before this start.
    earlier_svids_until: Option<SystemTime>,
    pub(crate) observed: Observed,
    pub(crate) tap: TapHub,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Clock,
    pub(crate) stop: Stop,
}

impl Services {
    pub(super) fn open(
        authority: Authority,
        quarantines_in: QuarantinesIn,
        clock: Clock,
        stop: Stop,
    ) -> anyhow::Result<Self> {
        let Authority { trust_domain, state_file, seal_key, svid_lifetime } = authority;
        // Before the authority is made: from then on it is an error that the record is missing.
        let store = match quarantines_in {
            QuarantinesIn::File => Some(Store::beside(&state_file, &trust_domain)?),
            QuarantinesIn::Objects => None,
        };
        let ca = Ca::open(OpenOptions {
            path: state_file,
            key: seal_key,
            trust_domain: trust_domain.clone(),
            lifetimes: Lifetimes { svid: svid_lifetime, ..Lifetimes::default() },
            now: clock.now(),
        })?;
        let mut world = World::new(ca.epoch(), trust_domain, BundleSet::from_iter([ca.bundle().clone()]));
        if let Some(store) = &store {
            world.quarantines = Arc::new(store.read(World::first_revision(ca.epoch()))?);
        }
        let worlds = Arc::new(Worlds::new(world));
        let issued = IssuedSvids::default();
        let quarantining = match store {
            Some(store) => Quarantining::Ledger(Ledger::new(store, Arc::clone(&worlds))),
            None => Quarantining::Objects { worlds: Arc::clone(&worlds), issued: issued.clone() },
        };
        Ok(Self {
            earlier_svids_until: ca.earlier_svids_until(),
            ca: Arc::new(ca),
            quarantining,
            worlds,
            policies_error: Arc::new(watch::Sender::new(None)),
            acks: Acks::default(),
            issued,
            observed: Observed::default(),
            tap: TapHub::new(),
            metrics: Arc::new(Metrics::new()),
            clock,
            stop,
        })
    }

    /// Any workload of our own trust domain may connect; a caller without an svid gets as far as the gate lets it.
    pub(super) fn tls(&self, own_svid: &OwnSvid, key_exchange: KeyExchange) -> Server {
        let world = self.worlds.now();
        // The root stays the same for the whole life of the process.
        let (_, bundles) = watch::channel(Arc::new(world.bundles.clone()));
        let clock = self.clock.clone();
        let credentials = Credentials::new(own_svid.newest(), bundles, Now::new(move || clock.now()))
            .with_key_exchange(key_exchange);
        Server::new(
            credentials,
            Accept::TrustDomain(world.trust_domain.clone()),
            ClientSvid::Optional,
            &[ALPN],
        )
    }

    /// What is told of this process, and when it counts as ready.
    pub(super) fn health(
        &self,
        own_svid: &OwnSvid,
        doors: Readiness,
        cluster: Option<KubernetesSource>,
    ) -> Health {
        let vitals = Vitals {
            cluster: cluster.clone(),
            worlds: Arc::clone(&self.worlds),
            own_svid: own_svid.newest(),
            doors,
            clock: self.clock.clone(),
            stop: self.stop.clone(),
        };
        let figures = Figures {
            metrics: Arc::clone(&self.metrics),
            ca: Arc::clone(&self.ca),
            worlds: Arc::clone(&self.worlds),
            acks: self.acks.clone(),
            observed: self.observed.clone(),
            cluster,
        };
        health::health(vitals, figures)
    }

    /// Behind the door of the sidecars, and behind that of the people.
    pub(super) fn routes(&self, attestor: Attestor, policies_from: PoliciesFrom) -> (Routes, Routes) {
        let (health, attestor) = (HealthReporter::new(), Arc::new(attestor));
        let issuance = IssueService {
            ca: Arc::clone(&self.ca),
            attestor: Arc::clone(&attestor),
            limit: Arc::new(IssueLimit::default()),
            worlds: Arc::clone(&self.worlds),
            acks: self.acks.clone(),
            issued: self.issued.clone(),
            metrics: Arc::clone(&self.metrics),
            clock: self.clock.clone(),
        };
        let sync = SyncService {
            attestor,
            worlds: Arc::clone(&self.worlds),
            acks: self.acks.clone(),
            issued: self.issued.clone(),
            observed: self.observed.clone(),
            tap: self.tap.clone(),
            clock: self.clock.clone(),
            stop: self.stop.clone(),
        };
        let admin = AdminService {
            ca: Arc::clone(&self.ca),
            worlds: Arc::clone(&self.worlds),
            policies_from,
            policies_error: self.policies_error.subscribe(),
            quarantining: self.quarantining.clone(),
            acks: self.acks.clone(),
            issued: self.issued.clone(),
            earlier_svids_until: self.earlier_svids_until,
            observed: self.observed.clone(),
            tap: self.tap.clone(),
            clock: self.clock.clone(),
            stop: self.stop.clone(),
        };
        (Routes::mesh(issuance, sync, health.clone()), Routes::admin(admin, health))
    }

    pub(super) fn open_mesh_door(&self, tasks: &Tasks, listener: TcpListener, tls: Server, routes: Routes) {
        let (connections, stop, own_tasks) =
            (self.connections(tasks, routes), self.stop.clone(), tasks.clone());
        tasks.spawn(async move {
            let handle =
                move |stream, address| connections.clone().serve_sidecar(tls.clone(), stream, address);
            serve(listener, LIMITS, stop, &own_tasks, handle).await;
        });
    }

    pub(super) fn open_admin_door(
        &self,
        tasks: &Tasks,
        (listener, file): (UnixListener, SocketFile),
        routes: Routes,
    ) {
        let (connections, stop, own_tasks) =
            (self.connections(tasks, routes), self.stop.clone(), tasks.clone());
        tasks.spawn(async move {
            let handle = move |stream| connections.clone().serve_person(stream);
            serve_unix(listener, LIMITS, stop, &own_tasks, handle).await;
            drop(file);
        });
    }

    /// The same for people of a cluster, on a loopback port: who can reach it was let in by the cluster.
    pub(super) fn open_admin_port(&self, tasks: &Tasks, listener: TcpListener, routes: Routes) {
        let (connections, stop, own_tasks) =
            (self.connections(tasks, routes), self.stop.clone(), tasks.clone());
        tasks.spawn(async move {
            let handle = move |stream, _| connections.clone().serve_person(stream);
            serve(listener, LIMITS, stop, &own_tasks, handle).await;
        });
    }

    fn connections(&self, tasks: &Tasks, routes: Routes) -> Connections {
        Connections {
            routes,
            unproven: places(MAX_HANDSHAKES),
            strangers: places(MAX_STRANGERS),
            clock: self.clock.clone(),
            stop: self.stop.clone(),
            tasks: tasks.clone(),
        }
    }

    /// Runs a task that has no end of its own until the stop begins.
    pub(super) fn keep(&self, tasks: &Tasks, task: impl Future<Output = ()> + Send + 'static) {
        tasks.spawn_until(&self.stop, task);
    }

    /// The tasks that every control plane has, whatever it decides by.
    pub(super) fn keep_all(&self, tasks: &Tasks, own_svid: OwnSvid) {
        self.keep(tasks, own_svid.renew());
        self.keep(tasks, self.clone().keep_issuing());
        self.keep(tasks, self.clone().forget_the_gone());
        self.keep(tasks, self.clone().keep_cut_serials());
    }

    /// Replaces the issuing authority in time; ends only by being dropped.
    async fn keep_issuing(self) {
        loop {
            // First, because opening the authority has replaced what was due.
            tokio::time::sleep(ISSUING_CHECK).await;
            let (ca, now) = (Arc::clone(&self.ca), self.clock.now());
            // It writes to disk.
            match tokio::task::spawn_blocking(move || ca.renew_issuing_if_due(now)).await {
                Ok(Ok(true)) => info!("Issuing authority replaced"),
                Ok(Ok(false)) => {}
                Ok(Err(error)) => error!(%error, "Issuing authority not replaced"),
                Err(error) => error!(%error, "Issuing authority not replaced"),
            }
        }
    }

    /// Drops what is remembered of workloads that are no more; ends only by being dropped.
    async fn forget_the_gone(self) {
        let mut worlds = self.worlds.watch();
        while worlds.changed().await.is_ok() {
            let world = worlds.borrow_and_update().clone();
            self.acks.retain(|id| world.workload(id).is_ok());
            self.issued.forget(self.clock.now(), |id| world.workload(id).is_ok());
            self.observed.retain(|identity| world.any_of(identity).is_ok());
        }
    }

    /// Keeps the list of svids that single quarantined workloads hold: one that was issued before this start is known
    /// when it is presented. Ends only by being dropped.
    async fn keep_cut_serials(self) {
        let (mut worlds, mut issued) = (self.worlds.watch(), self.issued.watch());
        loop {
            let cut = worlds.borrow_and_update().cut.clone();
            issued.mark_unchanged();
            let serials = self.issued.serials_of(&cut.workloads);
            self.worlds.update(|world| world.replace_cut_serials(serials));
            let changed = tokio::select! {
                changed = worlds.changed() => changed,
                changed = issued.changed() => changed,
            };
            if changed.is_err() {
                return;
            }
        }
    }
}

/// Listens, or says where it cannot.
pub(super) async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("{address} cannot be listened on"))
}
