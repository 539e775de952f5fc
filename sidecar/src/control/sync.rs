//! Keeps the stream open: snapshots down, acknowledgements, refusals and reports up.
//!
//! A lost stream takes nothing away: the last good snapshot stays in force, at most until the svid expires.

use std::sync::Arc;
use std::time::Duration;

use kith_identity::SpiffeId;
use kith_mtls::ClientIdentity;
use kith_policy::Revision;
use kith_proto::v1;
use kith_proto::v1::sync_client::SyncClient;
use kith_proto::v1::{sync_down, sync_up};
use kith_runtime::Backoff;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::channel::connect;
use super::platform::Introduction;
use super::schedule::longest_pause;
use super::{Control, PlatformError, put, serial_of};
use crate::enforced::{self, Enforced};
use crate::identity_log::{Event, Quarantine, QuarantineChange};
use crate::random;

/// How often reports go up.
const REPORT_INTERVAL: Duration = Duration::from_millis(250);
/// Between one list of addresses and the next: an application that calls ever new ones costs no more than this.
const LIST_INTERVAL: Duration = Duration::from_millis(20);
/// Messages that may wait for the network.
const WAITING: usize = 64;
/// How long a stream that this side ends may take for what waits to go up.
const PART_LIMIT: Duration = Duration::from_millis(300);

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
enum StreamEnd {
    #[error("the own svid was renewed")]
    Renewed,
    #[error("the process ends")]
    Finished,
    #[error("there is no svid")]
    NoSvid,
    #[error("{0}")]
    Platform(#[from] PlatformError),
    #[error("the control plane cannot be reached: {0}")]
    Channel(#[from] tonic::transport::Error),
    #[error("the control plane ended the stream: {} ({})", .0.message(), .0.code())]
    Status(#[from] tonic::Status),
    #[error("the control plane closed the stream")]
    Closed,
}

/// Runs until the workers have ended: as long as there is a call, it can be cut off.
pub(crate) async fn keep_synced(control: Arc<Control>) {
    let mut backoff = Backoff::default();
    let mut svid = control.svid.subscribe();
    loop {
        tokio::select! {
            // An error means that the sender is gone, and that is this very process ending.
            found = svid.wait_for(Option::is_some) => if found.is_err() { return },
            () = control.finished.cancelled() => return,
        }
        let end = match stream(&control, &mut backoff).await {
            StreamEnd::Renewed => continue,
            StreamEnd::Finished => return,
            end => end,
        };
        let pause = backoff.next(longest_pause(None), random::fraction());
        tracing::info!(reason = %end, pause = %format!("{pause:.1?}"), "Stream to the control plane ended");
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = control.finished.cancelled() => return,
        }
    }
}

/// One stream, from its start to its end.
async fn stream(control: &Control, backoff: &mut Backoff) -> StreamEnd {
    let mut svid = control.svid.subscribe();
    svid.mark_unchanged();
    let shown = serial_of(&control.svid);
    // Before the list is made that the stream begins with: what changes after it is sent again.
    let mut wanted = control.subscriptions.watch();
    // The control plane says anew on each stream whether somebody watches.
    control.reports.watch(false);
    let opened = tokio::select! {
        opened = open(control) => opened,
        () = control.finished.cancelled() => return StreamEnd::Finished,
    };
    let (mut down, up) = match opened {
        Ok(opened) => opened,
        Err(end) => return end,
    };
    let _connected = control.subscriptions.connected();
    let mut list_due = Instant::now() + LIST_INTERVAL;
    let mut reports = interval(REPORT_INTERVAL);
    reports.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let end = loop {
        tokio::select! {
            message = down.message() => match message {
                Ok(Some(message)) => {
                    backoff.reset();
                    let answer = receive(control, message).await;
                    if let Some(answer) = answer && up.send(answer).await.is_err() { return StreamEnd::Closed }
                }
                Ok(None) => return StreamEnd::Closed,
                Err(status) => return StreamEnd::Status(status),
            },
            changed = changed_since(&mut wanted, list_due) => {
                let list = sync_up::Kind::Subscribe(control.subscriptions.list());
                let sent = up.send(v1::SyncUp { kind: Some(list) }).await;
                if changed.is_err() || sent.is_err() { return StreamEnd::Closed }
                list_due = Instant::now() + LIST_INTERVAL;
            }
            _ = reports.tick() => if report(control, &up).await.is_err() { return StreamEnd::Closed },
            changed = svid.changed() => {
                if changed.is_err() || serial_of(&control.svid) != shown { break StreamEnd::Renewed }
            }
            () = control.finished.cancelled() => break StreamEnd::Finished,
        }
    };
    part(control, down, up).await;
    end
}

/// Sends what waits; what cannot be sent waits on.
async fn report(control: &Control, up: &Up) -> Result<(), StreamEnd> {
    let mut messages = control.reports.take().into_iter();
    while let Some(message) = messages.next() {
        if let Err(unsent) = up.send(message).await {
            control.reports.put_back([unsent.0].into_iter().chain(messages));
            return Err(StreamEnd::Closed);
        }
    }
    Ok(())
}

/// Ends when the list has changed since it was looked at last, and not before this time. What changes meanwhile goes into
/// the same list.
async fn changed_since(
    wanted: &mut watch::Receiver<()>,
    due: Instant,
) -> Result<(), watch::error::RecvError> {
    sleep_until(due).await;
    wanted.changed().await
}

/// A list of nothing is what the control plane begins with.
fn says_something(kind: &sync_up::Kind) -> bool {
    !matches!(kind, sync_up::Kind::Subscribe(list) if list.addresses.is_empty())
}

/// Ends the stream from this side: what waits goes up first. The control plane ends its side when it has read ours.
async fn part(control: &Control, mut down: Streaming<v1::SyncDown>, up: Up) {
    let said = async {
        let told = report(control, &up).await;
        drop(up);
        while told.is_ok() && matches!(down.message().await, Ok(Some(_))) {}
    };
    if tokio::time::timeout(PART_LIMIT, said).await.is_err() {
        tracing::debug!("The control plane did not read the last reports in time");
    }
}

type Up = mpsc::Sender<v1::SyncUp>;

async fn open(control: &Control) -> Result<(Streaming<v1::SyncDown>, Up), StreamEnd> {
    let Introduction { control_plane, hello } = control.platform.introduce().await?;
    let anchors = control.bundles.borrow().as_ref().clone();
    let credentials = control.credentials_with(anchors);
    if credentials.svid().is_none() {
        return Err(StreamEnd::NoSvid);
    }
    let name = SpiffeId::control_plane(control.identity.trust_domain());
    let channel = connect(&control_plane, &name, credentials, ClientIdentity::Svid).await?;
    let (up, waiting) = mpsc::channel(WAITING);
    let first = [sync_up::Kind::Hello(hello), sync_up::Kind::Subscribe(control.subscriptions.list())];
    for kind in first.into_iter().filter(says_something) {
        // The receiver is right here, so there is room.
        let _ = up.try_send(v1::SyncUp { kind: Some(kind) });
    }
    let down = SyncClient::new(channel).sync(ReceiverStream::new(waiting)).await?.into_inner();
    Ok((down, up))
}

/// Acts on one message; says what to answer.
async fn receive(control: &Control, message: v1::SyncDown) -> Option<v1::SyncUp> {
    let kind = match message.kind {
        Some(sync_down::Kind::Snapshot(snapshot)) => take(control, &snapshot).await,
        Some(sync_down::Kind::Quarantines(quarantines)) => cut_off(control, &quarantines).await,
        Some(sync_down::Kind::Watch(watch)) => {
            control.reports.watch(watch.on);
            return None;
        }
        Some(sync_down::Kind::Renew(v1::Renew {})) => {
            control.renew.notify_one();
            return None;
        }
        // A message of a newer control plane that this sidecar cannot read must not pass as understood.
        None => refusal(None, "a message of a kind that this version does not know".to_owned()),
    };
    if matches!(kind, sync_up::Kind::Refusal(_)) {
        control.metrics.snapshot_refused();
    }
    Some(v1::SyncUp { kind: Some(kind) })
}

/// Puts a snapshot in force, or refuses it and keeps the one before. It is acknowledged when every worker has it and
/// has judged again everything that was open under an older one.
async fn take(control: &Control, snapshot: &v1::Snapshot) -> sync_up::Kind {
    let current = control.enforced.borrow().clone();
    match enforced::read(snapshot, &control.identity, &current) {
        Ok(read) => {
            put(&control.bundles, read.bundles.clone());
            match enforce(control, current.with_snapshot(read)).await {
                Ok(()) => sync_up::Kind::Ack(v1::Ack { revision: snapshot.revision }),
                Err(_) => refusal(snapshot.revision, "a worker has ended".to_owned()),
            }
        }
        Err(error) => {
            tracing::error!(%error, "Snapshot refused, the last good one stays in force");
            refusal(snapshot.revision, error.to_string())
        }
    }
}

/// Puts quarantines in force, as far as they can be read.
async fn cut_off(control: &Control, message: &v1::Quarantines) -> sync_up::Kind {
    let current = control.enforced.borrow().clone();
    let mut read = match enforced::read_quarantines(message, &current) {
        Ok(read) => read,
        Err(error) => {
            tracing::error!(%error, "Quarantines refused, those before stay in force");
            return quarantines_refused(message, error.to_string());
        }
    };
    let (unreadable, revision) = (read.unreadable.take(), read.revision);
    let next = current.with_quarantines(read);
    let changes = quarantine_changes(&current, &next, revision);
    let enforced = enforce(control, next).await;
    changes.into_iter().for_each(|change| control.log.write(Event::Quarantine(change)));
    match (enforced, unreadable) {
        (Ok(()), None) => sync_up::Kind::Quarantined(v1::QuarantinesAck { revision: message.revision }),
        (Ok(()), Some(error)) => {
            tracing::error!(error, "Quarantines read in part: nobody is let go");
            quarantines_refused(message, error)
        }
        (Err(_), _) => quarantines_refused(message, "a worker has ended".to_owned()),
    }
}

fn quarantine_changes(before: &Enforced, after: &Enforced, revision: Revision) -> Vec<Quarantine> {
    let (before, after) = (before.quarantines(), after.quarantines());
    let line = |identity: &SpiffeId, change| Quarantine {
        identity: identity.to_string(),
        change,
        revision: revision.to_string(),
    };
    let added = after.iter().filter(|identity| !before.contains(identity));
    let removed = before.iter().filter(|identity| !after.contains(identity));
    let added = added.map(|identity| line(identity, QuarantineChange::Added));
    added.chain(removed.map(|identity| line(identity, QuarantineChange::Removed))).collect()
}

fn refusal(revision: Option<v1::Revision>, reason: String) -> sync_up::Kind {
    sync_up::Kind::Refusal(v1::Refusal { revision, reason, quarantines: false })
}

fn quarantines_refused(message: &v1::Quarantines, reason: String) -> sync_up::Kind {
    sync_up::Kind::Refusal(v1::Refusal { revision: message.revision, reason, quarantines: true })
}

/// Swaps what is enforced, and waits until every worker has it and has judged again.
async fn enforce(control: &Control, next: Enforced) -> Result<(), watch::error::RecvError> {
    let generation = next.generation();
    control.enforced.send_replace(Arc::new(next));
    for worker in &control.judged {
        worker.clone().wait_for(|judged| *judged >= generation).await?;
    }
    Ok(())
}
