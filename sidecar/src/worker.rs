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

use crate::enforce::{Asked, Cut, Entered, InboundCall, Law, Registry, Subject, keep_judging};
use crate::enforced::Enforced;
use crate::identity_log::Log;
use crate::inbound::{self, Application, Shares};
use crate::outbound;
use crate::session::{self, Calls, Pool, SessionNumbers, Streams};

/// Connections that one listener of one worker holds open at once.
const CONNECTIONS: usize = 8_192;
/// Handshakes under way at the inbound port of one worker; the rest of its connections is for those who are through.
const HANDSHAKES: usize = 1_024;
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
    pub(crate) application: SocketAddr,
    pub(crate) svid: watch::Receiver<Option<Arc<Svid>>>,
    pub(crate) enforced: watch::Receiver<Arc<Enforced>>,
    pub(crate) bundles: watch::Receiver<Arc<BundleSet>>,
    pub(crate) credentials: Credentials,
    pub(crate) log: Log,
    pub(crate) clock: Clock,
    pub(crate) numbers: Arc<SessionNumbers>,
    /// Open streams that one identity may have with one worker.
    pub(crate) streams_per_identity: usize,
    pub(crate) stop: Stop,
}

/// The sockets of one worker: duplicates of those that the process bound.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub(crate) inbound: TcpListener,
    pub(crate) outbounds: Vec<(String, TcpListener)>,
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
    pub(crate) application: Application,
    pub(crate) law: Law,
    pub(crate) registry: Registry,
    pub(crate) unproven: Newest,
    /// Of sessions.
    pub(crate) shares: Shares,
    /// Of streams.
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
    fn new(shared: Shared, tasks: Tasks, own_connections: Tasks, drained: &CancellationToken) -> Self {
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
        };
        let (calls, streams) = (Pool::new(parts.clone()), Pool::new(parts));
        let application = Application::new(shared.application, own_connections);
        let unproven = Newest::new(HANDSHAKES);
        let (shares, stream_shares) =
            (Shares::new(SESSIONS_PER_IDENTITY), Shares::new(shared.streams_per_identity));
        Self {
            shared,
            server,
            calls,
            streams,
            application,
            law,
            registry,
            unproven,
            shares,
            stream_shares,
            tasks,
        }
    }

    /// Enters a call to the workload in the registry.
    pub(crate) fn enter_call(
        &self,
        source: &SpiffeId,
        asked: Asked,
        session: &Cut,
    ) -> (Arc<InboundCall>, Entered) {
        let call = Arc::new(InboundCall {
            source: source.clone(),
            destination: self.shared.identity.clone(),
            port: self.shared.application.port(),
            asked,
            session: session.clone(),
        });
        let entered = self.registry.enter(Subject::Call(Arc::clone(&call)));
        (call, entered)
    }

    fn listen(self: &Arc<Self>, sockets: Sockets) -> anyhow::Result<()> {
        let inbound = tokio::net::TcpListener::from_std(sockets.inbound)?;
        self.accept(inbound, inbound::connection);
        for (destination, listener) in sockets.outbounds {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let destination: Arc<str> = destination.into();
            self.accept(listener, move |worker, stream, from| {
                outbound::connection(worker, Arc::clone(&destination), stream, from)
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
