//! The stream of one sidecar: snapshots down, acknowledgements and reports up. Owns when a stream ends: replaced by a
//! newer one, its svid over, its workload gone, or the control plane stopping; each with its own reason. And the
//! order: who is cut off goes out first on every stream, and before the snapshot of the same revision.
//!
//! The stream of a quarantined sidecar stays open: over it the sidecar hears of its own quarantine, and of its end.
//!
//! A stream is driven by its reader: a sidecar that does not read gets, when it reads again, only the newest snapshot.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::Stream;
use futures_util::stream::unfold;
use kith_identity::SpiffeId;
use kith_mtls::VerifiedPeer;
use kith_policy::Revision;
use kith_proto::v1;
use kith_proto::v1::sync_down::Kind as Down;
use kith_proto::v1::sync_up::Kind as Up;
use kith_runtime::{Clock, Stop};
use tokio::sync::watch;
use tokio::time::timeout;
use tonic::{Request, Response, Status, Streaming};
use tracing::{debug, info, warn};

use super::acks::{Acks, Refused, Registration};
use super::issued::IssuedSvids;
use super::report;
use super::sent::Sent;
use crate::attest::{Attestor, Connection};
use crate::index::{Cut, Unknown, WorkloadId, World, Worlds};
use crate::observed::Observed;
use crate::quarantine::QuarantineList;
use crate::server::Caller;
use crate::snapshot::snapshot_for;
use crate::tapped::TapHub;

/// A refusal's reason is for people; more than this is not one.
const MAX_REASON: usize = 4096;
/// Addresses that one sidecar may ask about: it keeps fewer.
const MAX_SUBSCRIBED: usize = 2048;
/// A sidecar says who it is at once, or is not one.
const HELLO_LIMIT: Duration = Duration::from_secs(5);

/// The `Sync` service.
#[derive(Clone)]
pub(crate) struct SyncService {
    pub(crate) attestor: Arc<Attestor>,
    pub(crate) worlds: Arc<Worlds>,
    pub(crate) acks: Acks,
    pub(crate) issued: IssuedSvids,
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
        let (peer, identity) = (peer.clone(), peer.identity().clone());
        let mut up = request.into_inner();
        // Before anything is registered: a stranger leaves no trace.
        let workload = self.speaker(&peer, caller.connection(), &mut up).await?;
        self.acks.has_svid(&workload, peer.serial(), peer.not_after());
        self.issued.presented(&workload, peer.serial(), peer.not_after());
        let sidecar = SidecarStream {
            registration: self.acks.connect(&workload),
            worlds: self.worlds.watch(),
            watchers: self.tap.watchers(),
            service: self.clone(),
            ends_at,
            up,
            quarantines: None,
            looked_at: None,
            sent: Sent::default(),
            subscribed: BTreeSet::new(),
            watching: false,
            workload,
            identity,
        };
        info!(identity = %sidecar.identity, workload = %sidecar.workload, "Sidecar connected");
        Ok(Response::new(Box::pin(unfold(Some(sidecar), step))))
    }
}

impl SyncService {
    /// Which workload is at the other end: the svid says whose it is, and an identity may have several.
    async fn speaker(
        &self,
        peer: &VerifiedPeer,
        connection: Connection<'_>,
        up: &mut Streaming<v1::SyncUp>,
    ) -> Result<WorkloadId, Status> {
        let token = if self.attestor.asks_speakers() { hello(up).await?.pod_token } else { String::new() };
        Ok(self.attestor.speaker(peer, token, connection, &self.worlds, self.clock.now()).await?)
    }
}

async fn hello(up: &mut Streaming<v1::SyncUp>) -> Result<v1::Hello, Status> {
    let first = timeout(HELLO_LIMIT, up.message()).await;
    match first.map_err(|_| Status::deadline_exceeded("the stream did not begin with a hello in time"))?? {
        Some(v1::SyncUp { kind: Some(Up::Hello(hello)) }) => Ok(hello),
        _ => Err(Status::invalid_argument("a stream begins with a hello")),
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
    workload: WorkloadId,
    registration: Registration,
    service: SyncService,
    worlds: watch::Receiver<Arc<World>>,
    watchers: watch::Receiver<usize>,
    ends_at: SystemTime,
    up: Streaming<v1::SyncUp>,
    /// What was sent last of who is cut off, and as of which revision.
    quarantines: Option<(Revision, Arc<QuarantineList>, Arc<Cut>)>,
    /// The newest revision that was compared with what the sidecar has; `None` when it asked about other addresses since.
    looked_at: Option<Revision>,
    sent: Sent,
    subscribed: BTreeSet<SocketAddr>,
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
                    return Err(Status::aborted("a newer stream of the same workload took this one's place"));
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
                    Some(v1::SyncUp { kind: Some(up) }) => self.receive(up)?,
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
        if world.policies.is_some() && self.looked_at != Some(world.revision) {
            let gone = |_| Unknown::Stranger(self.identity.clone());
            let workload = world.workload(&self.workload).map_err(gone)?;
            let snapshot = snapshot_for(&world, workload, &self.subscribed);
            self.looked_at = Some(world.revision);
            if let Some(snapshot) = self.sent.offer(snapshot, world.revision) {
                return Ok(Some(Down::Snapshot(snapshot)));
            }
            self.told_of_what_is_in_force();
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
        let is_sent = |(_, list, cut): &(Revision, Arc<QuarantineList>, Arc<Cut>)| {
            Arc::ptr_eq(list, &world.quarantines) && Arc::ptr_eq(cut, &world.cut)
        };
        if self.quarantines.as_ref().is_some_and(is_sent) {
            return None;
        }
        self.quarantines = Some((world.revision, world.quarantines.clone(), world.cut.clone()));
        Some(v1::Quarantines {
            revision: Some(world.revision.into()),
            identities: world.quarantines.keys().map(ToString::to_string).collect(),
            serials: world.cut.serials.iter().map(ToString::to_string).collect(),
            yourself: world.cut.workloads.contains(&self.workload),
        })
    }

    /// The status counts revisions, and the sidecar is not told those that change nothing for it.
    fn told_of_what_is_in_force(&self) {
        if let Some(revision) = self.sent.in_force() {
            self.registration.acknowledged(revision);
        }
    }

    fn receive(&mut self, up: Up) -> Result<(), Status> {
        let (identity, service) = (&self.identity, &self.service);
        match up {
            Up::Hello(hello) => debug!(%identity, version = hello.version, "Sidecar said hello"),
            Up::Ack(v1::Ack { revision }) => {
                if let Some(revision) = self.known(revision, self.sent.revision()) {
                    debug!(%identity, %revision, "Revision acknowledged");
                    self.registration.acknowledged(revision);
                    self.sent.acknowledged(revision);
                    self.told_of_what_is_in_force();
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
            Up::Subscribe(v1::Subscribe { addresses }) => self.subscribe(&addresses)?,
            // Lines that were on their way when the last watcher left.
            Up::Tap(_) if !self.watching => {}
            Up::Tap(message) => {
                service.tap.publish(identity, &self.workload, message.lines, message.lost);
            }
        }
        Ok(())
    }

    fn subscribe(&mut self, addresses: &[String]) -> Result<(), Status> {
        if addresses.len() > MAX_SUBSCRIBED {
            let text = format!("{} addresses are more than {MAX_SUBSCRIBED}", addresses.len());
            return Err(Status::resource_exhausted(text));
        }
        let read = |text: &String| {
            text.parse().map_err(|_| Status::invalid_argument(format!("{text:?} is not ADDRESS:PORT")))
        };
        let subscribed = addresses.iter().map(read).collect::<Result<_, _>>()?;
        if self.subscribed != subscribed {
            self.subscribed = subscribed;
            self.looked_at = None;
        }
        Ok(())
    }

    fn refused(&self, v1::Refusal { revision, reason, quarantines }: v1::Refusal) {
        let sent = if quarantines { self.quarantines_sent() } else { self.sent.revision() };
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
        self.quarantines.as_ref().map(|(revision, ..)| *revision)
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
