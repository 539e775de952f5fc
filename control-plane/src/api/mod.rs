//! What people ask, on the admin socket. Owns the names that people use for workloads; each method has a file.

mod explain;
mod status;
mod tap;

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::Stream;
use kith_ca::Ca;
use kith_proto::v1;
use kith_runtime::{Clock, Stop};
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use crate::index::{Workload, World, Worlds};
use crate::observed::Observed;
use crate::stream::acks::Acks;
use crate::tapped::TapHub;

/// The `Admin` service.
#[derive(Clone)]
pub(crate) struct AdminService {
    pub(crate) ca: Arc<Ca>,
    pub(crate) worlds: Arc<Worlds>,
    pub(crate) policies_folder: PathBuf,
    pub(crate) policies_error: watch::Receiver<Option<Arc<str>>>,
    pub(crate) acks: Acks,
    pub(crate) observed: Observed,
    pub(crate) tap: TapHub,
    pub(crate) clock: Clock,
    pub(crate) stop: Stop,
}

#[tonic::async_trait]
impl v1::admin_server::Admin for AdminService {
    type TapStream = Pin<Box<dyn Stream<Item = Result<v1::TapLines, Status>> + Send>>;

    async fn status(&self, _: Request<v1::StatusRequest>) -> Result<Response<v1::StatusResponse>, Status> {
        Ok(Response::new(status::status(self)))
    }

    async fn tap(&self, request: Request<v1::TapRequest>) -> Result<Response<Self::TapStream>, Status> {
        let filter = tap::Filter::new(&self.worlds.now(), request.get_ref())?;
        Ok(Response::new(Box::pin(tap::follow(self.tap.subscribe(), filter, self.stop.clone()))))
    }

    async fn explain(
        &self,
        request: Request<v1::ExplainRequest>,
    ) -> Result<Response<v1::ExplainResponse>, Status> {
        let answer = explain::explain(&self.worlds.now(), request.get_ref(), self.clock.now());
        answer.map(Response::new).map_err(Status::from)
    }
}

/// The workload that a person means: its name, or its identity.
fn find<'a>(world: &'a World, name: &str) -> Option<&'a Workload> {
    world.workloads().find(|workload| workload.name == name || workload.identity.as_str() == name)
}

/// The names to choose from, for an error.
fn names(world: &World) -> String {
    let names: Vec<_> = world.workloads().map(|workload| workload.name.as_str()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests;
