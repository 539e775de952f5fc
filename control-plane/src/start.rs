//! Wiring: from the supervisor's start message to a control plane that answers, and back to nothing. Every task is
//! one of `tasks`, and ends when the stop begins.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use kith_ca::{Ca, Lifetimes, OpenOptions};
use kith_identity::BundleSet;
use kith_mtls::{Accept, ClientSvid, Credentials, Now, Server};
use kith_proto::convert::{bundle_to_wire, to_millis};
use kith_proto::v1;
use kith_runtime::signals::stop_requested;
use kith_runtime::telemetry::{self, Format};
use kith_runtime::{
    Clock, Health, HealthPort, Limits, Newest, PacketSocket, Readiness, Stop, Stopper, Tasks, drain, serve,
    serve_unix,
};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tonic_health::server::HealthReporter;
use tracing::{error, info};

use crate::admin_socket::{self, SocketFile};
use crate::api::AdminService;
use crate::attest::StatementVerifier;
use crate::config::{Args, Config, LogFormat};
use crate::health::{self, Vitals};
use crate::index::{World, Worlds};
use crate::metrics::{Figures, Metrics};
use crate::observed::Observed;
use crate::own_svid::OwnSvid;
use crate::quarantine::{Ledger, Store};
use crate::server::{ALPN, Connections, MAX_CONNECTIONS, MAX_HANDSHAKES, Routes};
use crate::source::WatchedFolder;
use crate::stream::acks::Acks;
use crate::stream::issue::IssueService;
use crate::stream::issued::IssuedSvids;
use crate::stream::limit::IssueLimit;
use crate::stream::sync::SyncService;
use crate::supervisor::Supervisor;
use crate::tapped::TapHub;

/// The control plane signs and sends; two threads serve thousands of sidecars.
const THREADS: usize = 2;
/// What open calls get to finish in.
const DEADLINE: Duration = Duration::from_secs(3);
const LIMITS: Limits = Limits { connections: MAX_CONNECTIONS };
/// An issuing authority lives for days and is replaced at half its life.
const ISSUING_CHECK: Duration = Duration::from_secs(3600);

/// Runs the control plane until its supervisor goes, or a signal asks it to stop.
pub fn run(args: Args) -> anyhow::Result<()> {
    let Args { log_level, log_format } = args;
    let format = match log_format {
        LogFormat::Auto => Format::Auto,
        LogFormat::Text => Format::Text,
        LogFormat::Json => Format::Json,
    };
    telemetry::init(&log_level, format)?;
    kith_runtime::die_with_parent().context("the end of the supervisor cannot be watched")?;
    kith_runtime::raise_file_limit().context("the limit of open files cannot be raised")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    runtime.block_on(process())
}

async fn process() -> anyhow::Result<()> {
    let mut stop = pin!(stop_requested());
    let supervisor = Supervisor::new(PacketSocket::from_stdin()?);
    let start = tokio::select! {
        biased;
        // First, so that from here on no signal just kills.
        signal = stop.as_mut() => return signal.map(drop).context("signals cannot be received"),
        start = supervisor.start() => start?,
    };
    let plane = ControlPlane::start(Config::from_start(start)?, Clock::system()).await?;
    supervisor.ready(plane.ready()).await?;
    info!(address = %plane.address, "Control plane ready");
    let mut again = None;
    let ended = tokio::select! {
        signal = stop.as_mut() => {
            let signal = signal.context("signals cannot be received")?;
            info!(signal = signal.signal, "Stopping");
            again = Some(signal);
            Ok(())
        }
        ended = supervisor.follow(&plane.services.worlds) => {
            info!("Stopping: the supervisor is gone");
            ended
        }
    };
    let hurry = async {
        match again.as_mut() {
            Some(signal) => signal.again().await,
            None => stop.await.map_or("signal", |signal| signal.signal),
        }
    };
    let cut = plane.stop(hurry).await;
    info!(cut, "Stopped");
    Ok(ended?)
}

/// A control plane that answers on its port and its socket.
pub(crate) struct ControlPlane {
    pub(crate) address: SocketAddr,
    pub(crate) services: Services,
    health: HealthPort,
    stopper: Stopper,
    tasks: Tasks,
}

/// What the rooms of the house share.
#[derive(Clone)]
pub(crate) struct Services {
    pub(crate) ca: Arc<Ca>,
    pub(crate) worlds: Arc<Worlds>,
    pub(crate) policies_error: Arc<watch::Sender<Option<Arc<str>>>>,
    pub(crate) ledger: Ledger,
    pub(crate) acks: Acks,
    pub(crate) issued: IssuedSvids,
    /// Until when an svid may hold that was issued before this start.
    earlier_svids_until: Option<SystemTime>,
    pub(crate) observed: Observed,
    pub(crate) tap: TapHub,
    metrics: Arc<Metrics>,
    pub(crate) clock: Clock,
    pub(crate) stop: Stop,
}

impl ControlPlane {
    /// Opens the authority, reads the policies, listens; in this order, so that whoever can connect is answered
    /// from what is in force.
    pub(crate) async fn start(config: Config, clock: Clock) -> anyhow::Result<Self> {
        let (stopper, stop) = Stop::new();
        let tasks = Tasks::new();
        let Config { trust_domain, policies_folder, instance, statement_key, .. } = &config;
        let verifier = StatementVerifier::new(statement_key.to_vec(), *instance, trust_domain.clone());
        let (trust_domain, policies_folder) = (trust_domain.clone(), policies_folder.clone());
        let (listen, health, admin_path) = (config.listen, config.health, config.admin_socket.clone());
        let watch_policies = config.watch_policies;
        let services = Services::open(config, clock, stop)?;

        let mut folder = WatchedFolder::new(
            policies_folder.clone(),
            trust_domain,
            Arc::clone(&services.worlds),
            Arc::clone(&services.policies_error),
        );
        folder.refresh().await;
        let own_svid = OwnSvid::mint(Arc::clone(&services.ca), services.clock.clone())?;
        let doors = Readiness::new();
        let closed = doors.block("doors");
        let health = services.health(&own_svid, doors).open(bind(health).await?)?;
        let listener = bind(listen).await?;
        let address = listener.local_addr()?;
        let admin = admin_socket::bind(&admin_path).await?;

        let (mesh, people) = services.routes(verifier, policies_folder);
        services.open_mesh_door(&tasks, listener, services.tls(&own_svid), mesh);
        services.open_admin_door(&tasks, admin, people);
        drop(closed);
        if watch_policies {
            services.keep(&tasks, folder.follow());
        }
        services.keep(&tasks, own_svid.renew());
        services.keep(&tasks, services.clone().keep_issuing());
        services.keep(&tasks, services.clone().forget_the_gone());
        Ok(Self { address, services, health, stopper, tasks })
    }

    /// What the supervisor is told.
    pub(crate) fn ready(&self) -> v1::ControlPlaneReady {
        let Services { ca, worlds, policies_error, .. } = &self.services;
        v1::ControlPlaneReady {
            address: self.address.to_string(),
            bundle: Some(bundle_to_wire(ca.bundle())),
            root_sha256: ca.root_sha256(),
            issuing_not_after_ms: to_millis(ca.issuing_not_after()),
            policies: worlds.now().count_policies(),
            policies_error: policies_error.borrow().as_deref().unwrap_or_default().to_owned(),
            health: self.health.address().to_string(),
        }
    }

    /// Where health and metrics are answered.
    #[cfg(test)]
    pub(crate) fn health_address(&self) -> SocketAddr {
        self.health.address()
    }

    /// Ends everything: open calls have until the deadline, or until `hurry`. Says how many tasks were cut off.
    pub(crate) async fn stop(self, hurry: impl Future) -> usize {
        let cut = drain(&self.stopper, &self.tasks, DEADLINE, hurry).await;
        self.health.close().await;
        cut
    }
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("{address} cannot be listened on"))
}

impl Services {
    fn open(config: Config, clock: Clock, stop: Stop) -> anyhow::Result<Self> {
        // Before the authority is made: from then on it is an error that the record is missing.
        let quarantines = Store::beside(&config.state_file, &config.trust_domain)?;
        let now = clock.now();
        let ca = Ca::open(OpenOptions {
            path: config.state_file,
            key: config.seal_key,
            trust_domain: config.trust_domain.clone(),
            lifetimes: Lifetimes { svid: config.svid_lifetime, ..Lifetimes::default() },
            now,
        })?;
        let bundles = BundleSet::from_iter([ca.bundle().clone()]);
        let quarantined = quarantines.read(World::first_revision(ca.epoch()))?;
        let world = World {
            quarantines: Arc::new(quarantined),
            ..World::new(ca.epoch(), config.trust_domain, bundles)
        };
        let worlds = Arc::new(Worlds::new(world));
        Ok(Self {
            earlier_svids_until: ca.earlier_svids_until(),
            ca: Arc::new(ca),
            ledger: Ledger::new(quarantines, Arc::clone(&worlds)),
            worlds,
            policies_error: Arc::new(watch::Sender::new(None)),
            acks: Acks::default(),
            issued: IssuedSvids::default(),
            observed: Observed::default(),
            tap: TapHub::new(),
            metrics: Arc::new(Metrics::new()),
            clock,
            stop,
        })
    }

    /// Any workload of our own trust domain may connect; a caller without an svid gets as far as the gate lets it.
    fn tls(&self, own_svid: &OwnSvid) -> Server {
        let world = self.worlds.now();
        // The root stays the same for the whole life of the process.
        let (_, bundles) = watch::channel(Arc::new(world.bundles.clone()));
        let clock = self.clock.clone();
        let credentials = Credentials::new(own_svid.newest(), bundles, Now::new(move || clock.now()));
        Server::new(
            credentials,
            Accept::TrustDomain(world.trust_domain.clone()),
            ClientSvid::Optional,
            &[ALPN],
        )
    }

    /// What is told of this process, and when it counts as ready.
    fn health(&self, own_svid: &OwnSvid, doors: Readiness) -> Health {
        let vitals = Vitals {
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
        };
        health::health(vitals, figures)
    }

    fn routes(&self, verifier: StatementVerifier, policies_folder: PathBuf) -> (Routes, Routes) {
        let health = HealthReporter::new();
        let issuance = IssueService {
            ca: Arc::clone(&self.ca),
            verifier: Arc::new(verifier),
            limit: Arc::new(IssueLimit::default()),
            worlds: Arc::clone(&self.worlds),
            acks: self.acks.clone(),
            issued: self.issued.clone(),
            metrics: Arc::clone(&self.metrics),
            clock: self.clock.clone(),
        };
        let sync = SyncService {
            worlds: Arc::clone(&self.worlds),
            acks: self.acks.clone(),
            observed: self.observed.clone(),
            tap: self.tap.clone(),
            clock: self.clock.clone(),
            stop: self.stop.clone(),
        };
        let admin = AdminService {
            ca: Arc::clone(&self.ca),
            worlds: Arc::clone(&self.worlds),
            policies_folder,
            policies_error: self.policies_error.subscribe(),
            ledger: self.ledger.clone(),
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

    fn open_mesh_door(&self, tasks: &Tasks, listener: TcpListener, tls: Server, routes: Routes) {
        let (connections, stop, own_tasks) =
            (self.connections(tasks, routes), self.stop.clone(), tasks.clone());
        tasks.spawn(async move {
            let handle =
                move |stream, address| connections.clone().serve_sidecar(tls.clone(), stream, address);
            serve(listener, LIMITS, stop, &own_tasks, handle).await;
        });
    }

    fn open_admin_door(&self, tasks: &Tasks, (listener, file): (UnixListener, SocketFile), routes: Routes) {
        let (connections, stop, own_tasks) =
            (self.connections(tasks, routes), self.stop.clone(), tasks.clone());
        tasks.spawn(async move {
            let handle = move |stream| connections.clone().serve_person(stream);
            serve_unix(listener, LIMITS, stop, &own_tasks, handle).await;
            drop(file);
        });
    }

    fn connections(&self, tasks: &Tasks, routes: Routes) -> Connections {
        Connections {
            routes,
            unproven: Newest::new(MAX_HANDSHAKES),
            clock: self.clock.clone(),
            stop: self.stop.clone(),
            tasks: tasks.clone(),
        }
    }

    /// Runs a task that has no end of its own until the stop begins.
    fn keep(&self, tasks: &Tasks, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = stop.graceful() => {}
                () = task => {}
            }
        });
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
            self.acks.retain(|identity| world.workload(identity).is_ok());
            self.issued.retain(|identity| world.workload(identity).is_ok());
            self.observed.retain(|identity| world.workload(identity).is_ok());
        }
    }
}
