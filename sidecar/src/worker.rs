//! One worker: a thread with a current-thread runtime, its own session pool and its own connections to the
//! application. Workers share listeners, the log and the snapshots, and nothing that a call would wait for.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use kith_identity::{BundleSet, SpiffeId};
use kith_mtls::{Credentials, Server, Svid};
use kith_runtime::{Clock, Guard, Limits, Newest, Stop, Stopper, Tasks, serve};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::capture::{self, Applications, Capture};
use crate::control::Subscriptions;
use crate::enforce::{Law, Registry, keep_judging};
use crate::enforced::Enforced;
use crate::identity_log::{Direction, Log};
use crate::inbound::{self, Application, Shares};
use crate::outbound::{self, Balance};
use crate::session::{self, Calls, Pool, SessionNumbers, Streams};

/// Connections that one listener of one worker holds open at once.
const CONNECTIONS: usize = 8_192;
/// Handshakes under way at the inbound port of one worker; the rest of its connections is for those who are through.
const HANDSHAKES: usize = 1_024;
/// How many of those may be of one address: whoever opens more pushes out its own. Behind an address that many pods share,
/// such as a node's where the network hides theirs, it is still more than come at the same moment.
pub(crate) const HANDSHAKES_PER_ADDRESS: usize = HANDSHAKES / 4;
/// Sessions of one identity with one worker. A sidecar of Kith has two for each of its workers, for calls and for
/// streams, and for a while as many that they replace.
const SESSIONS_PER_IDENTITY: usize = 128;
/// How long open calls may take to finish once the process stops.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);
/// After them, how long sessions may take to say that they end.
const CLOSE_LIMIT: Duration = Duration::from_millis(100);

/// What all workers share.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    /// The identity that the svid must carry.
    pub(crate) identity: SpiffeId,
    /// How it is known what a connection is for.
    pub(crate) capture: Capture,
    pub(crate) applications: Applications,
    /// What the workload calls by address.
    pub(crate) subscriptions: Arc<Subscriptions>,
    pub(crate) svid: watch::Receiver<Option<Arc<Svid>>>,
    pub(crate) enforced: watch::Receiver<Arc<Enforced>>,
    pub(crate) bundles: watch::Receiver<Arc<BundleSet>>,
    pub(crate) credentials: Credentials,
    pub(crate) log: Log,
    pub(crate) clock: Clock,
    pub(crate) numbers: Arc<SessionNumbers>,
    /// Open streams that one identity may have with one worker, and connections in the clear that one address may have.
    pub(crate) streams_per_identity: usize,
    pub(crate) stop: Stop,
}

/// The sockets of one worker: duplicates of those that the process bound.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub(crate) inbound: TcpListener,
    /// Each with the destination that it stands for; without one, connections say themselves what they are for.
    pub(crate) outbounds: Vec<(Option<String>, TcpListener)>,
    /// The process is not ready until this worker accepts.
    pub(crate) deaf: Guard,
}

/// What the connections of one worker share.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) shared: Shared,
    pub(crate) server: Server,
    pub(crate) calls: Pool<Calls>,
    pub(crate) streams: Pool<Streams>,
    pub(crate) balance: Balance,
    pub(crate) application: Application,
    pub(crate) law: Law,
    pub(crate) registry: Registry,
    pub(crate) unproven: Newest,
    /// Of sessions.
    pub(crate) shares: Shares,
    /// Of streams, and of connections in the clear.
    pub(crate) stream_shares: Shares,
    pub(crate) tasks: Tasks,
}

/// Runs one worker until the process stops and its calls are done, or the drain limit is over.
///
/// `judged` says up to which generation of what is enforced everything open was judged again.
pub(crate) fn run(
    shared: Shared,
    sockets: Sockets,
    judged: watch::Sender<u64>,
    stopper: &Stopper,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move {
        let (tasks, own_connections, drained) = (Tasks::new(), Tasks::new(), CancellationToken::new());
        let stop = shared.stop.clone();
        let worker = Arc::new(Worker::new(shared, tasks.clone(), own_connections.clone(), &drained));
        worker.listen(sockets)?;
        own_connections.spawn(keep_judging(worker.registry.clone(), worker.law.clone(), judged));
        let idle = Arc::clone(&worker);
        own_connections.spawn(async move { idle.application.close_idle().await });
        stop.graceful().await;
        tokio::select! {
            () = tasks.ended() => {}
            () = stop.forced() => {}
            () = tokio::time::sleep(DRAIN_LIMIT) => stopper.force(),
        }
        // Sessions say why they end before they are cut off.
        let cut = tasks.finish(CLOSE_LIMIT).await;
        // What this side opened is kept open for calls to come; there are none any more.
        drained.cancel();
        own_connections.finish(CLOSE_LIMIT).await;
        if cut > 0 {
            tracing::warn!(cut, "Connections were cut at the end of the drain");
        }
        Ok(())
    })
}

impl Worker {
    pub(crate) fn new(
        shared: Shared,
        tasks: Tasks,
        own_connections: Tasks,
        drained: &CancellationToken,
    ) -> Self {
        let server = inbound::server(&shared);
        let law = Law {
            own: shared.identity.clone(),
            enforced: shared.enforced.clone(),
            bundles: shared.bundles.clone(),
            clock: shared.clock.clone(),
        };
        let registry = Registry::default();
        let parts = session::Parts {
            credentials: shared.credentials.clone(),
            svid: shared.svid.clone(),
            law: law.clone(),
            registry: registry.clone(),
            log: shared.log.clone(),
            numbers: Arc::clone(&shared.numbers),
            tasks: own_connections.clone(),
            drained: drained.clone(),
            own_addresses: shared.capture.own().cloned(),
        };
        let (calls, streams) = (Pool::new(parts.clone()), Pool::new(parts));
        let application = Application::new(own_connections);
        let unproven = Newest::new(HANDSHAKES).with_share(HANDSHAKES_PER_ADDRESS);
        let (shares, stream_shares) =
            (Shares::new(SESSIONS_PER_IDENTITY), Shares::new(shared.streams_per_identity));
        Self {
            shared,
            server,
            calls,
            streams,
            balance: Balance::default(),
            application,
            law,
            registry,
            unproven,
            shares,
            stream_shares,
            tasks,
        }
    }

    pub(crate) fn listen(self: &Arc<Self>, sockets: Sockets) -> anyhow::Result<()> {
        let inbound = tokio::net::TcpListener::from_std(sockets.inbound)?;
        self.accept(inbound, |worker, stream, from| async move {
            match worker.shared.capture.inbound(&stream, from) {
                Ok(accepted) => inbound::connection(worker, stream, accepted).await,
                Err(refusal) => capture::refuse(&worker.shared.log, Direction::Inbound, from, refusal),
            }
        });
        for (declared, listener) in sockets.outbounds {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let declared: Option<Arc<str>> = declared.map(Into::into);
            self.accept(listener, move |worker, stream, from| {
                let declared = declared.clone();
                async move {
                    match worker.shared.capture.outbound(&stream, from) {
                        Ok(accepted) => outbound::connection(worker, declared, stream, accepted).await,
                        Err(refusal) => {
                            capture::refuse(&worker.shared.log, Direction::Outbound, from, refusal)
                        }
                    }
                }
            });
        }
        drop(sockets.deaf);
        Ok(())
    }

    fn accept<F, Fut>(self: &Arc<Self>, listener: tokio::net::TcpListener, handle: F)
    where
        F: Fn(Arc<Self>, tokio::net::TcpStream, SocketAddr) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let worker = Arc::clone(self);
        let (stop, tasks) = (self.shared.stop.clone(), self.tasks.clone());
        self.tasks.spawn(async move {
            let each = move |stream, from| handle(Arc::clone(&worker), stream, from);
            serve(listener, Limits { connections: CONNECTIONS }, stop, &tasks, each).await;
        });
    }
}
