//! What people ask: on the admin socket, and in a cluster on a port of the loopback. Owns which questions there are; each
//! has a file, and `named` is how people call things in all of them.

mod cut_off;
mod edges;
mod explain;
mod identities;
mod in_force;
mod made_by;
mod named;
#[cfg(test)]
mod pods;
mod port;
mod posture;
mod quarantine;
mod rotate;
mod status;
mod tap;
mod why;

use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::Stream;
use kith_ca::Ca;
use kith_proto::v1;
use kith_runtime::{Clock, Stop};
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use crate::index::Worlds;
use crate::index::cluster::Facts;
use crate::observed::Observed;
use crate::quarantine::Quarantining;
use crate::stream::acks::Acks;
use crate::stream::issued::IssuedSvids;
use crate::tapped::TapHub;

/// Where policies are written.
#[derive(Debug, Clone)]
pub(crate) enum PoliciesFrom {
    /// Files of this folder.
    Folder(String),
    /// Objects of the cluster; each may be wrong by itself.
    Objects(watch::Receiver<Arc<Facts>>),
}

/// The `Admin` service.
#[derive(Clone)]
pub(crate) struct AdminService {
    pub(crate) ca: Arc<Ca>,
    pub(crate) worlds: Arc<Worlds>,
    pub(crate) policies_from: PoliciesFrom,
    pub(crate) policies_error: watch::Receiver<Option<Arc<str>>>,
    pub(crate) quarantining: Quarantining,
    pub(crate) acks: Acks,
    pub(crate) issued: IssuedSvids,
    /// Until when an svid may hold that was issued before this start; `None` when none was.
    pub(crate) earlier_svids_until: Option<SystemTime>,
    pub(crate) observed: Observed,
    pub(crate) tap: TapHub,
    pub(crate) clock: Clock,
    pub(crate) stop: Stop,
}

#[tonic::async_trait]
impl v1::admin_server::Admin for AdminService {
    type TapStream = Pin<Box<dyn Stream<Item = Result<v1::TappedLines, Status>> + Send>>;

    async fn status(&self, _: Request<v1::StatusRequest>) -> Result<Response<v1::StatusResponse>, Status> {
        Ok(Response::new(status::status(self)))
    }

    async fn tap(&self, request: Request<v1::TapRequest>) -> Result<Response<Self::TapStream>, Status> {
        let filter = tap::Filter::new(&self.worlds.now(), request.get_ref())?;
        Ok(Response::new(Box::pin(tap::follow(self, filter))))
    }

    async fn explain(
        &self,
        request: Request<v1::ExplainRequest>,
    ) -> Result<Response<v1::ExplainResponse>, Status> {
        let answer = explain::explain(&self.worlds.now(), request.get_ref(), self.clock.now());
        answer.map(Response::new).map_err(Status::from)
    }

    async fn why(&self, request: Request<v1::WhyRequest>) -> Result<Response<v1::WhyResponse>, Status> {
        let answer = why::why(&self.worlds.now(), &self.observed, &self.issued, &request.get_ref().id);
        answer.map(Response::new).map_err(Status::from)
    }

    async fn edges(&self, _: Request<v1::EdgesRequest>) -> Result<Response<v1::EdgesResponse>, Status> {
        Ok(Response::new(edges::edges(&self.observed)))
    }

    async fn identities(
        &self,
        request: Request<v1::IdentitiesRequest>,
    ) -> Result<Response<v1::IdentitiesResponse>, Status> {
        let answer = identities::identities(self, &request.get_ref().workload);
        answer.map(Response::new).map_err(Status::from)
    }

    async fn rotate(
        &self,
        request: Request<v1::RotateRequest>,
    ) -> Result<Response<v1::RotateResponse>, Status> {
        let answer = rotate::rotate(self, &request.get_ref().workload).await;
        answer.map(Response::new).map_err(Status::from)
    }

    async fn list_quarantines(
        &self,
        _: Request<v1::ListQuarantinesRequest>,
    ) -> Result<Response<v1::ListQuarantinesResponse>, Status> {
        Ok(Response::new(quarantine::list(&self.worlds.now())))
    }

    async fn add_quarantine(
        &self,
        request: Request<v1::AddQuarantineRequest>,
    ) -> Result<Response<v1::QuarantineResponse>, Status> {
        let answer = quarantine::add(self, request.into_inner()).await;
        answer.map(Response::new).map_err(Status::from)
    }

    async fn remove_quarantine(
        &self,
        request: Request<v1::RemoveQuarantineRequest>,
    ) -> Result<Response<v1::QuarantineResponse>, Status> {
        let answer = quarantine::remove(self, request.into_inner()).await;
        answer.map(Response::new).map_err(Status::from)
    }
}

#[cfg(test)]
mod tests;
