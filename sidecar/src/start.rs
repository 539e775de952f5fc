//! Wiring: settings in, sockets bound, workers and control tasks started, and all of them waited for.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, anyhow};
use futures_util::future::select_all;
use kith_identity::BundleSet;
use kith_mtls::{Credentials, Now};
use kith_proto::v1;
use kith_runtime::signals::{StopRequested, stop_requested};
use kith_runtime::{Clock, Guard, Health, Readiness, Stop, Stopper, Tasks, telemetry};
use socket2::{Domain, Socket, Type};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::config::{Args, Settings};
use crate::control::{Control, Supervisor, keep_svid, keep_synced};
use crate::enforced::Enforced;
use crate::health::{self, Vitals};
use crate::identity_log::{Log, QUEUE_LINES, Writer};
use crate::metrics::{Figures, Metrics};
use crate::report::Reports;
use crate::session::SessionNumbers;
use crate::worker::{self, Shared, Sockets};

/// Connections of one port that may wait to be accepted.
const BACKLOG: i32 = 1_024;
/// After the workers have drained, what is left of the control tasks ends at once.
const CONTROL_LIMIT: Duration = Duration::from_millis(500);
/// How long the last lines may take to be read. A supervisor that reads nothing must not keep the process.
const LOG_LIMIT: Duration = Duration::from_secs(2);

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    telemetry::init(&args.log_level, telemetry::Format::Auto)?;
    kith_runtime::die_with_parent().context("asking to end with the supervisor")?;
    let files = kith_runtime::raise_file_limit().context("raising the limit of open files")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(supervised(io::stdout(), files));
    // Without waiting for threads that block: the log's, when nobody reads it.
    runtime.shutdown_background();
    ended
}

/// The whole life of the process; `out` gets the identity log.
async fn supervised(out: impl Write + Send + 'static, files: u64) -> anyhow::Result<()> {
    let mut stop_signal = pin!(stop_requested());
    let (supervisor, start) = tokio::select! {
        biased;
        // First, so that from here on no signal just kills.
        signal = stop_signal.as_mut() => return signal.map(drop).context("signals cannot be received"),
        connected = Supervisor::connect() => connected?,
    };
    let settings = Settings::read(&start).context("settings from the supervisor")?;
    let bound = Bound::bind(&settings)?;
    let clock = Clock::system();
    let (stopper, stop) = Stop::new();
    let reports = Arc::new(Reports::default());
    let metrics = Arc::new(Metrics::new());
    let (writer, writing) = Writer::start(out, QUEUE_LINES)?;
    let name = settings.identity.to_string();
    let log = Log::new(name, clock.clone(), writer.clone(), Arc::clone(&reports), Arc::clone(&metrics));
    let (mut control, mut shared) = wire(&settings, supervisor, log, reports, metrics, clock, stop);
    shared.streams_per_identity = streams_per_identity(files, settings.workers.get());
    let listening = Readiness::new();
    let workers = bound.start(&settings, &shared, &mut control.judged, &listening, &stopper)?;
    let control = Arc::new(control);
    let health = health(&control, &shared, listening, writer.clone()).open(bound.health()?)?;
    control.supervisor.ready(bound.ready()?).await?;
    drop((bound, shared));
    let (tasks, signals) = (Tasks::new(), Tasks::new());
    tasks.spawn(keep_svid(Arc::clone(&control)));
    tasks.spawn(keep_synced(Arc::clone(&control)));
    let ended = wait(&control, stop_signal, &stopper, &signals).await;
    let joined = join(workers).await;
    // Until here the control plane was heard: what it cuts off is cut off in a drain, too.
    control.finished.cancel();
    tasks.finish(CONTROL_LIMIT).await;
    health.close().await;
    signals.cut();
    let (lost, refusals) = (writer.lost(), writer.lost_refusals());
    if lost + refusals > 0 {
        tracing::warn!(lost, refusals, "Identity-log lines were lost: nobody read fast enough");
    }
    drop((control, writer));
    joined.and(ended).and(written(writing).await)
}

/// Each stream is a file, that of its connection to the application. All streams of one identity leave most of the files
/// of the process to others.
fn streams_per_identity(files: u64, workers: usize) -> usize {
    const SHARE: usize = 4;
    usize::try_from(files).unwrap_or(usize::MAX) / SHARE / workers.max(1)
}

/// Waits until the last line is written.
async fn written(writing: JoinHandle<io::Result<()>>) -> anyhow::Result<()> {
    let joined = timeout(LOG_LIMIT, tokio::task::spawn_blocking(|| writing.join())).await;
    let joined = joined.map_err(|_| anyhow!("the identity log was not read to its end"))??;
    match joined.map_err(|_| anyhow!("the log thread panicked"))? {
        // A supervisor that is gone reads no log either.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// What is told of this process, and when it counts as ready.
fn health(control: &Control, shared: &Shared, listening: Readiness, writer: Writer) -> Health {
    let vitals = Vitals {
        identity: shared.identity.clone(),
        svid: shared.svid.clone(),
        enforced: shared.enforced.clone(),
        listening,
        clock: shared.clock.clone(),
        stop: shared.stop.clone(),
    };
    let figures = Figures {
        metrics: Arc::clone(&control.metrics),
        svid: shared.svid.clone(),
        enforced: shared.enforced.clone(),
        writer,
    };
    health::health(vitals, figures)
}

fn wire(
    settings: &Settings,
    supervisor: Supervisor,
    log: Log,
    reports: Arc<Reports>,
    metrics: Arc<Metrics>,
    clock: Clock,
    stop: Stop,
) -> (Control, Shared) {
    let (svid, svid_seen) = watch::channel(None);
    let (bundles, bundles_seen) = watch::channel(Arc::new(BundleSet::default()));
    let (enforced, enforced_seen) = watch::channel(Arc::new(Enforced::nothing()));
    let now = Now::new({
        let clock = clock.clone();
        move || clock.now()
    });
    let shared = Shared {
        identity: settings.identity.clone(),
        application: settings.application,
        credentials: Credentials::new(svid_seen.clone(), bundles_seen.clone(), now),
        bundles: bundles_seen,
        svid: svid_seen,
        enforced: enforced_seen,
        log: log.clone(),
        clock: clock.clone(),
        numbers: Arc::new(SessionNumbers::default()),
        streams_per_identity: 0,
        stop: stop.clone(),
    };
    let control = Control {
        identity: settings.identity.clone(),
        supervisor: Arc::new(supervisor),
        svid,
        bundles,
        enforced,
        judged: Vec::new(),
        reports,
        renew: Notify::new(),
        finished: CancellationToken::new(),
        metrics,
        log,
        clock,
        stop,
    };
    (control, shared)
}

/// Until a signal comes, the supervisor is gone, or a worker is: one that is missing would leave calls unanswered and
/// unjudged. A second signal forces.
async fn wait(
    control: &Control,
    stop_signal: impl Future<Output = io::Result<StopRequested>>,
    stopper: &Stopper,
    signals: &Tasks,
) -> anyhow::Result<()> {
    let ended = tokio::select! {
        requested = stop_signal => {
            let mut requested = requested?;
            let stopper = stopper.clone();
            signals.spawn(async move {
                requested.again().await;
                stopper.force();
            });
            Ok(())
        }
        listened = control.supervisor.listen() => listened.context("channel to the supervisor"),
        () = worker_ended(&control.judged) => Err(anyhow!("a worker has ended")),
    };
    stopper.begin();
    ended
}

async fn worker_ended(judged: &[watch::Receiver<u64>]) {
    let each = judged.iter().cloned().map(|mut seen| {
        Box::pin(async move {
            // An error means that the worker's end is gone.
            while seen.changed().await.is_ok() {}
        })
    });
    select_all(each).await;
}

/// Waits for all of them; the first error is returned after the last has ended.
async fn join(workers: Vec<JoinHandle<anyhow::Result<()>>>) -> anyhow::Result<()> {
    let mut all = Ok(());
    for worker in workers {
        let ended = tokio::task::spawn_blocking(|| worker.join()).await?;
        all = all.and(ended.unwrap_or_else(|_| Err(anyhow!("a worker panicked"))));
    }
    all
}

/// The sockets of the process.
struct Bound {
    inbound: TcpListener,
    outbounds: Vec<(String, TcpListener)>,
    health: TcpListener,
}

impl Bound {
    fn bind(settings: &Settings) -> anyhow::Result<Self> {
        let outbounds = settings.outbounds.iter().map(|outbound| {
            let listener = listen(outbound.listen).with_context(|| {
                format!("outbound port for {} at {}", outbound.destination, outbound.listen)
            })?;
            Ok((outbound.destination.clone(), listener))
        });
        let outbounds = outbounds.collect::<anyhow::Result<_>>()?;
        let inbound =
            listen(settings.inbound).with_context(|| format!("inbound port at {}", settings.inbound))?;
        let health = listen(settings.health).with_context(|| format!("health at {}", settings.health))?;
        Ok(Self { inbound, outbounds, health })
    }

    fn ready(&self) -> anyhow::Result<v1::SidecarReady> {
        let outbounds = self.outbounds.iter().map(|(destination, listener)| {
            Ok(v1::Outbound { destination: destination.clone(), listen: listener.local_addr()?.to_string() })
        });
        let outbounds = outbounds.collect::<io::Result<_>>()?;
        let (inbound, health) = (self.inbound.local_addr()?, self.health.local_addr()?);
        Ok(v1::SidecarReady { inbound: inbound.to_string(), outbounds, health: health.to_string() })
    }

    fn health(&self) -> io::Result<tokio::net::TcpListener> {
        tokio::net::TcpListener::from_std(self.health.try_clone()?)
    }

    /// Starts the workers. They accept from duplicates of one socket rather than from sockets that share a port
    /// (`SO_REUSEPORT`): nobody else of this user can then join in and take connections.
    fn start(
        &self,
        settings: &Settings,
        shared: &Shared,
        judged: &mut Vec<watch::Receiver<u64>>,
        listening: &Readiness,
        stopper: &Stopper,
    ) -> anyhow::Result<Vec<JoinHandle<anyhow::Result<()>>>> {
        let start = |number: usize| {
            let name = format!("worker-{number}");
            let (shared, sockets) = (shared.clone(), self.duplicate(listening.block(&*name))?);
            let (done, seen) = watch::channel(0);
            let stopper = stopper.clone();
            judged.push(seen);
            let thread = std::thread::Builder::new().name(name);
            Ok(thread.spawn(move || worker::run(shared, sockets, done, &stopper))?)
        };
        (0..settings.workers.get()).map(start).collect()
    }

    fn duplicate(&self, deaf: Guard) -> io::Result<Sockets> {
        let outbounds = self.outbounds.iter().map(|(name, socket)| Ok((name.clone(), socket.try_clone()?)));
        let outbounds = outbounds.collect::<io::Result<_>>()?;
        Ok(Sockets { inbound: self.inbound.try_clone()?, outbounds, deaf })
    }
}

/// The port can be taken again right after a restart. The standard library's listeners have 128 places, and who finds
/// none waits a second.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_worker_that_ends_is_noticed_while_the_others_run() {
        let (running, seen) = watch::channel(0);
        let (ending, other) = watch::channel(0);
        let judged = [seen, other];
        tokio::join!(biased; worker_ended(&judged), async {
            running.send_replace(1);
            drop(ending);
        });
        assert!(running.receiver_count() > 0);
    }

    #[tokio::test]
    async fn a_worker_that_fails_is_told_after_all_have_ended() {
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let failed = std::thread::spawn(|| Err(anyhow!("no socket")));
        let other = std::thread::spawn(move || Ok(wait.recv()?));
        go.send(()).unwrap();
        assert_eq!(join(vec![failed, other]).await.unwrap_err().to_string(), "no socket");
    }
}
