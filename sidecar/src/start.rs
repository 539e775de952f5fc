//! Wiring: settings in, sockets bound, workers and control tasks started, and all of them waited for.

use std::io::{self, Write};
use std::pin::pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, anyhow};
use futures_util::future::select_all;
use kith_identity::BundleSet;
use kith_mtls::{Credentials, Now};
use kith_proto::pod::IDENTITY_FOLDER;
use kith_runtime::signals::{StopRequested, stop_requested};
use kith_runtime::{Clock, Health, Readiness, Stop, Stopper, Tasks, telemetry};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::capture::{self, OwnAddresses};
use crate::config::{Args, PlatformArgs, Settings};
use crate::control::{Control, Platform, Pod, Subscriptions, Supervisor, keep_svid, keep_synced};
use crate::enforced::Enforced;
use crate::health::{self, Vitals};
use crate::identity_log::{Log, QUEUE_LINES, Writer};
use crate::metrics::{Figures, Metrics};
use crate::probes;
use crate::report::Reports;
use crate::session::SessionNumbers;
use crate::sockets::Bound;
use crate::worker::Shared;
use crate::workload_api::{self, Source};

/// After the workers have drained, what is left of the control tasks ends at once.
const CONTROL_LIMIT: Duration = Duration::from_millis(500);
/// How long the last lines may take to be read. A supervisor that reads nothing must not keep the process.
const LOG_LIMIT: Duration = Duration::from_secs(2);

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    telemetry::init(&args.log_level, telemetry::Format::Auto)?;
    if args.platform.is_none() {
        kith_runtime::die_with_parent().context("asking to end with the supervisor")?;
    }
    let files = kith_runtime::raise_file_limit().context("raising the limit of open files")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(life(args.platform.as_ref(), io::stdout(), files));
    // Without waiting for threads that block: the log's, when nobody reads it.
    runtime.shutdown_background();
    ended
}

/// The whole life of the process; `out` gets the identity log.
async fn life(
    platform: Option<&PlatformArgs>,
    out: impl Write + Send + 'static,
    files: u64,
) -> anyhow::Result<()> {
    let mut stop_signal = pin!(stop_requested());
    let begun = tokio::select! {
        biased;
        // First, so that from here on no signal just kills.
        signal = stop_signal.as_mut() => return signal.map(drop).context("signals cannot be received"),
        begun = Begun::at(platform) => begun?,
    };
    let bound = Bound::bind(&begun.settings)?;
    let (stopper, stop) = Stop::new();
    let (writer, writing) = Writer::start(out, QUEUE_LINES)?;
    let settings = begun.settings.clone();
    let (mut control, mut shared) = wire(begun, &writer, stop);
    shared.streams_per_identity = streams_per_identity(files, settings.workers.get());
    let listening = Readiness::new();
    let workers = bound.start(&settings, &shared, &mut control.judged, &listening, &stopper)?;
    let control = Arc::new(control);
    let health = health(&control, &shared, &settings, listening, writer.clone()).open(bound.health()?)?;
    let (tasks, signals) = (Tasks::new(), Tasks::new());
    if let Some(api) = &settings.workload_api {
        workload_api::serve(api, source(&shared), &tasks, &shared.stop).context("the Workload API")?;
    }
    control.platform.ready(bound.ready()?).await?;
    drop((bound, shared));
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

/// What the platform says at the start.
struct Begun {
    platform: Platform,
    settings: Settings,
}

impl Begun {
    async fn at(platform: Option<&PlatformArgs>) -> anyhow::Result<Self> {
        match platform {
            None => {
                let (supervisor, start) = Supervisor::connect().await?;
                let settings = Settings::read(&start, supervisor.application());
                let settings = settings.context("settings from the supervisor")?;
                Ok(Self { platform: Platform::Supervised(supervisor), settings })
            }
            Some(PlatformArgs::Pod(args)) => {
                let read = args.read(capture::resolvers());
                let (settings, control_plane) = read.context("settings from the pod's environment")?;
                let trust_domain = settings.identity.trust_domain().clone();
                Ok(Self {
                    platform: Platform::Pod(Pod::new(IDENTITY_FOLDER.into(), trust_domain, control_plane)),
                    settings,
                })
            }
        }
    }
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

/// What the application beside this process may have.
fn source(shared: &Shared) -> Source {
    Source {
        identity: shared.identity.clone(),
        svid: shared.svid.clone(),
        bundles: shared.bundles.clone(),
        enforced: shared.enforced.clone(),
        clock: shared.clock.clone(),
    }
}

/// What is told of this process, and when it counts as ready.
fn health(
    control: &Control,
    shared: &Shared,
    settings: &Settings,
    listening: Readiness,
    writer: Writer,
) -> Health {
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
    let address = settings.capture.own().and_then(OwnAddresses::first);
    probes::replayed(health::health(vitals, figures), &settings.probes, address)
}

fn wire(begun: Begun, writer: &Writer, stop: Stop) -> (Control, Shared) {
    let Begun { platform, settings } = begun;
    let (clock, name) = (Clock::system(), settings.identity.to_string());
    let (reports, metrics) = (Arc::new(Reports::default()), Arc::new(Metrics::new()));
    let log = Log::new(name, clock.clone(), writer.clone(), Arc::clone(&reports), Arc::clone(&metrics));
    let subscriptions = Arc::new(Subscriptions::default());
    let (svid, svid_seen) = watch::channel(None);
    let (bundles, bundles_seen) = watch::channel(Arc::new(BundleSet::default()));
    let (enforced, enforced_seen) = watch::channel(Arc::new(Enforced::nothing()));
    let now = Now::new({
        let clock = clock.clone();
        move || clock.now()
    });
    let shared = Shared {
        identity: settings.identity.clone(),
        capture: settings.capture,
        applications: settings.applications,
        subscriptions: Arc::clone(&subscriptions),
        credentials: Credentials::new(svid_seen.clone(), bundles_seen.clone(), now)
            .with_key_exchange(settings.key_exchange),
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
        identity: settings.identity,
        key_exchange: settings.key_exchange,
        platform,
        svid,
        bundles,
        enforced,
        judged: Vec::new(),
        subscriptions,
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
        listened = control.platform.listen() => listened.context("channel to the supervisor"),
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
