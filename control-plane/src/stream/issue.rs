//! `Issue`: evidence and a CSR in, an svid out. Owns the order of the checks. The name comes from the evidence, the
//! key from the CSR, and both must be what the evidence bound together.

use std::sync::Arc;
use std::time::SystemTime;

use kith_ca::{Ca, CsrError, IssueError, SubjectKey};
use kith_identity::SpiffeId;
use kith_proto::convert::{bundle_to_wire, to_millis};
use kith_proto::v1;
use kith_proto::v1::issue_request::Evidence;
use kith_runtime::Clock;
use tokio::time::Instant;
use tonic::{Request, Response, Status};
use tracing::{info, warn};

use super::acks::Acks;
use super::issued::IssuedSvids;
use super::limit::{IssueLimit, TooOften};
use crate::attest::{Attested, Attestor, Connection, NotAttested};
use crate::index::{WorkloadId, Worlds};
use crate::metrics::Metrics;
use crate::server::Caller;

/// The `Issuance` service.
#[derive(Clone)]
pub(crate) struct IssueService {
    pub(crate) ca: Arc<Ca>,
    pub(crate) attestor: Arc<Attestor>,
    pub(crate) limit: Arc<IssueLimit>,
    pub(crate) worlds: Arc<Worlds>,
    pub(crate) acks: Acks,
    pub(crate) issued: IssuedSvids,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Clock,
}

/// Why no svid was issued. The texts go to the caller: they say what to change, and nothing about others.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotIssued {
    #[error(transparent)]
    NotAttested(#[from] NotAttested),
    #[error("{0} is reserved for the control plane, and never granted")]
    Reserved(SpiffeId),
    #[error("the connection is {connected}'s, the evidence is for {attested}")]
    OtherPeer { connected: SpiffeId, attested: SpiffeId },
    #[error("{0} is quarantined: no svid is issued to it or over its connections until that is lifted")]
    Quarantined(SpiffeId),
    #[error(
        "this workload ({0}) is quarantined, or its node is: no svid is issued to it until that is lifted"
    )]
    WorkloadQuarantined(WorkloadId),
    #[error(transparent)]
    TooOften(#[from] TooOften),
    #[error("the csr is refused: {0}")]
    Csr(#[from] CsrError),
    #[error("the evidence for {0} is over another key than the csr's")]
    OtherKey(SpiffeId),
    #[error("no svid was issued: {0}")]
    Issue(#[from] IssueError),
}

#[tonic::async_trait]
impl v1::issuance_server::Issuance for IssueService {
    async fn issue(&self, request: Request<v1::IssueRequest>) -> Result<Response<v1::IssueResponse>, Status> {
        let caller = Caller::of(&request)?;
        let issued = self.grant(caller.connection(), request.into_inner(), self.clock.now()).await;
        self.metrics.count(&issued);
        issued.map(Response::new).map_err(|error| {
            warn!(%error, "Issuance refused");
            Status::from(error)
        })
    }
}

impl IssueService {
    /// Signing takes microseconds, so it is done here and now rather than on a thread of its own.
    async fn grant(
        &self,
        connection: Connection<'_>,
        request: v1::IssueRequest,
        now: SystemTime,
    ) -> Result<v1::IssueResponse, NotIssued> {
        let peer = connection.peer;
        // First, so that evidence which comes over such a connection is not used up.
        if let Some(peer) = peer {
            self.refuse_quarantined(peer.identity())?;
        }
        let Attested { workload, identity, key_hash } =
            self.attest(request.evidence, connection, now).await?;
        if let Some(peer) = peer.filter(|peer| *peer.identity() != identity) {
            return Err(NotIssued::OtherPeer { connected: peer.identity().clone(), attested: identity });
        }
        // Only the attested workload pays: nobody can use up another's share (C14).
        self.limit.take(&workload, Instant::now())?;
        let key = SubjectKey::from_csr(&request.csr)?;
        if key_hash.is_some_and(|only| only != key.key_hash()) {
            return Err(NotIssued::OtherKey(identity));
        }
        let issued = self.ca.issue(&identity, &key, now)?;
        let key_hash = key.key_hash();
        self.acks.has_svid(&workload, &issued.serial, issued.not_after);
        self.issued.record(&workload, &issued, key_hash);
        info!(%identity, %workload, serial = %issued.serial, %key_hash, "Svid issued");
        Ok(v1::IssueResponse {
            chain: issued.chain,
            bundle: Some(bundle_to_wire(self.ca.bundle())),
            renew_from_ms: to_millis(issued.renew_from),
            renew_until_ms: to_millis(issued.renew_until),
        })
    }

    /// The evidence is used up even when a later check fails: it was good for one try.
    async fn attest(
        &self,
        evidence: Option<Evidence>,
        connection: Connection<'_>,
        now: SystemTime,
    ) -> Result<Attested, NotIssued> {
        let attested = self.attestor.attest(evidence, connection, &self.worlds, now).await?;
        // Whatever attested it: the control plane mints its own in process.
        if attested.identity.is_reserved() {
            return Err(NotIssued::Reserved(attested.identity));
        }
        // After the evidence was looked at, which may have taken a while.
        self.refuse_quarantined(&attested.identity)?;
        match self.worlds.now().cut.workloads.contains(&attested.workload) {
            true => Err(NotIssued::WorkloadQuarantined(attested.workload)),
            false => Ok(attested),
        }
    }

    /// Whatever the evidence: it says who asks, and not whether they may.
    fn refuse_quarantined(&self, identity: &SpiffeId) -> Result<(), NotIssued> {
        match self.worlds.now().is_quarantined(identity) {
            true => Err(NotIssued::Quarantined(identity.clone())),
            false => Ok(()),
        }
    }
}

impl From<NotIssued> for Status {
    fn from(error: NotIssued) -> Self {
        let text = error.to_string();
        match error {
            NotIssued::NotAttested(error) => error.into(),
            NotIssued::TooOften(_) => Self::resource_exhausted(text),
            NotIssued::OtherPeer { .. }
            | NotIssued::OtherKey(_)
            | NotIssued::Reserved(_)
            | NotIssued::Quarantined(_)
            | NotIssued::WorkloadQuarantined(_) => Self::permission_denied(text),
            NotIssued::Csr(_) => Self::invalid_argument(text),
            NotIssued::Issue(_) => Self::failed_precondition(text),
        }
    }
}

#[cfg(test)]
mod tests;
