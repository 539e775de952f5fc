//! The stream of one sidecar: snapshots down, acknowledgements and reports up. Owns when a stream ends: replaced by a
//! newer one, its svid over, its workload gone, or the control plane stopping; each with its own reason. And the
//! order: who is cut off goes out first on every stream, and before the snapshot of the same revision.
//!
//! The stream of a quarantined sidecar stays open: over it the sidecar hears of its own quarantine, and of its end.
//!
//! A stream is driven by its reader: a sidecar that does not read gets, when it reads again, only the newest snapshot.

use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::Stream;
use futures_util::stream::unfold;
use kith_identity::SpiffeId;
use kith_policy::Revision;
use kith_proto::v1;
use kith_proto::v1::sync_down::Kind as Down;
use kith_proto::v1::sync_up::Kind as Up;
use kith_runtime::{Clock, Stop};
use tokio::sync::watch;
use tonic::{Request, Response, Status, Streaming};
use tracing::{debug, info, warn};

use super::acks::{Acks, Refused, Registration};
use super::report;
use crate::index::{World, Worlds};
use crate::observed::Observed;
use crate::quarantine::QuarantineList;
use crate::server::Caller;
use crate::snapshot::snapshot_for;
use crate::tapped::TapHub;

/// A refusal's reason is for people; more than this is not one.
const MAX_REASON: usize = 4096;

/// The `Sync` service.
#[derive(Clone)]
pub(crate) struct SyncService {
    pub(crate) worlds: Arc<Worlds>,
    pub(crate) acks: Acks,
    pub(crate) observed: Observed,
    pub(crate) tap: TapHub,
    pub(crate) clock: Clock,
    pub(crate) stop: Stop,
}

#[tonic::async_trait]
impl v1::sync_server::Sync for SyncService {
    type SyncStream = Pin<Box<dyn Stream<Item = Result<v1::SyncDown, Status>> + Send>>;

    async fn sync(
        &self,
        request: Request<Streaming<v1::SyncUp>>,
    ) -> Result<Response<Self::SyncStream>, Status> {
        let caller = Caller::of(&request)?;
        let (peer, ends_at) = caller.session()?;
        let identity = peer.identity().clone();
        // Before anything is registered: a stranger leaves no trace.
        self.worlds.now().workload(&identity)?;
        self.acks.has_svid(&identity, peer.serial(), peer.not_after());
        let sidecar = SidecarStream {
            registration: self.acks.connect(&identity),
            worlds: self.worlds.watch(),
            watchers: self.tap.watchers(),
            service: self.clone(),
            ends_at,
            up: request.into_inner(),
            quarantines: None,
            sent: None,
            watching: false,
            identity,
        };
        info!(identity = %sidecar.identity, "Sidecar connected");
        Ok(Response::new(Box::pin(unfold(Some(sidecar), step))))
    }
}

/// What is to be sent next; the stream is over after a status, which is its last item.
async fn step(
    sidecar: Option<SidecarStream>,
) -> Option<(Result<v1::SyncDown, Status>, Option<SidecarStream>)> {
    let mut sidecar = sidecar?;
    match sidecar.next().await {
        Ok(Some(down)) => Some((Ok(v1::SyncDown { kind: Some(down) }), Some(sidecar))),
        Ok(None) => {
            info!(identity = %sidecar.identity, "Sidecar disconnected");
            None
        }
        Err(status) => {
            info!(identity = %sidecar.identity, reason = status.message(), "Stream ended");
            Some((Err(status), None))
        }
    }
}

/// One sidecar's stream.
struct SidecarStream {
    identity: SpiffeId,
    registration: Registration,
    service: SyncService,
    worlds: watch::Receiver<Arc<World>>,
    watchers: watch::Receiver<usize>,
    ends_at: SystemTime,
    up: Streaming<v1::SyncUp>,
    /// What was sent last of who is cut off, and as of which revision.
    quarantines: Option<(Revision, Arc<QuarantineList>)>,
    sent: Option<Revision>,
    watching: bool,
}

impl SidecarStream {
    /// Handles what happens until there is something to send. `None`: the sidecar ended the stream.
    async fn next(&mut self) -> Result<Option<Down>, Status> {
        loop {
            // Looked at in every round, so that no flood of reports can hold back a snapshot.
            if let Some(down) = self.due()? {
                return Ok(Some(down));
            }
            tokio::select! {
                biased;
                () = self.service.stop.graceful() => {
                    return Err(Status::unavailable("the control plane stops; connect again"));
                }
                () = self.registration.replaced() => {
                    return Err(Status::aborted("a newer stream of the same identity took this one's place"));
                }
                () = self.service.clock.until(self.ends_at) => {
                    return Err(Status::unauthenticated("svid_expired: an svid of this session ended; connect again"));
                }
                changed = self.worlds.changed() => {
                    changed.map_err(|_| Status::unavailable("the control plane stops; connect again"))?;
                }
                () = self.registration.renewal_asked() => return Ok(Some(Down::Renew(v1::Renew {}))),
                changed = self.watchers.changed() => {
                    changed.map_err(|_| Status::unavailable("the control plane stops; connect again"))?;
                }
                up = self.up.message() => match up? {
                    Some(v1::SyncUp { kind: Some(up) }) => self.receive(up),
                    Some(v1::SyncUp { kind: None }) => {
                        return Err(Status::invalid_argument("a message of a kind that this version does not know"));
                    }
                    None => return Ok(None),
                }
            }
        }
    }

    /// What the sidecar does not have yet.
    fn due(&mut self) -> Result<Option<Down>, Status> {
        let world = self.worlds.borrow_and_update().clone();
        if let Some(quarantines) = self.quarantines_due(&world) {
            return Ok(Some(Down::Quarantines(quarantines)));
        }
        if world.policies.is_some() && self.sent != Some(world.revision) {
            let snapshot = snapshot_for(&world, &self.identity)?;
            self.sent = Some(world.revision);
            return Ok(Some(Down::Snapshot(snapshot)));
        }
        let on = *self.watchers.borrow_and_update() > 0;
        if self.watching != on {
            self.watching = on;
            return Ok(Some(Down::Watch(v1::Watch { on })));
        }
        Ok(None)
    }

    /// Also when nobody is cut off: the sidecar may remember somebody from before.
    fn quarantines_due(&mut self, world: &World) -> Option<v1::Quarantines> {
        if self.quarantines.as_ref().is_some_and(|(_, sent)| Arc::ptr_eq(sent, &world.quarantines)) {
            return None;
        }
        self.quarantines = Some((world.revision, world.quarantines.clone()));
        let identities = world.quarantines.keys().map(ToString::to_string).collect();
        Some(v1::Quarantines { revision: Some(world.revision.into()), identities })
    }

    fn receive(&mut self, up: Up) {
        let (identity, service) = (&self.identity, &self.service);
        match up {
            Up::Hello(hello) => debug!(%identity, version = hello.version, "Sidecar said hello"),
            Up::Ack(v1::Ack { revision }) => {
                if let Some(revision) = self.known(revision, self.sent) {
                    debug!(%identity, %revision, "Revision acknowledged");
                    self.registration.acknowledged(revision);
                }
            }
            Up::Refusal(refusal) => self.refused(refusal),
            Up::Quarantined(v1::QuarantinesAck { revision }) => {
                if let Some(revision) = self.known(revision, self.quarantines_sent()) {
                    debug!(%identity, %revision, "Quarantines acknowledged");
                    self.registration.quarantines_acknowledged(revision);
                }
            }
            Up::Denials(message) => report::denials(&service.observed, identity, message),
            Up::Edges(message) => report::edges(&service.observed, identity, message),
            // Lines that were on their way when the last watcher left.
            Up::Tap(_) if !self.watching => {}
            Up::Tap(message) => service.tap.publish(identity, message.lines, message.lost),
        }
    }

    fn refused(&self, v1::Refusal { revision, reason, quarantines }: v1::Refusal) {
        let sent = if quarantines { self.quarantines_sent() } else { self.sent };
        let what = match revision {
            None => Refused::Message,
            Some(_) => match self.known(revision, sent) {
                None => return,
                Some(revision) if quarantines => Refused::Quarantines(revision),
                Some(revision) => Refused::Snapshot(revision),
            },
        };
        let reason: String = reason.chars().take(MAX_REASON).collect();
        warn!(identity = %self.identity, ?what, reason, "Refused by the sidecar");
        self.registration.refused(what, reason);
    }

    fn quarantines_sent(&self) -> Option<Revision> {
        self.quarantines.as_ref().map(|(revision, _)| *revision)
    }

    /// A revision that this stream has sent, or one before it. An acknowledgement of what nobody sent would make
    /// a status true that is not; it is not believed.
    fn known(&self, revision: Option<v1::Revision>, sent: Option<Revision>) -> Option<Revision> {
        let revision = revision.map(Revision::from);
        let known = revision.filter(|_| revision <= sent);
        if known.is_none() {
            warn!(identity = %self.identity, ?revision, ?sent, "Answer to a revision that was not sent");
        }
        known
    }
}

#[cfg(test)]
mod tests;
