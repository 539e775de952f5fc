//! Which services are behind which door. Each door has only its own: what the gate should ever let through by mistake
//! is not there to answer.

use http::{Request, Response};
use hyper::body::Incoming;
use kith_proto::v1::admin_server::AdminServer;
use kith_proto::v1::issuance_server::IssuanceServer;
use kith_proto::v1::sync_server::SyncServer;
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tower::Service;

use super::{Door, MAX_MESSAGE, MAX_QUESTION};
use crate::api::AdminService;
use crate::stream::issue::IssueService;
use crate::stream::sync::SyncService;

/// The services of one door.
#[derive(Clone)]
pub(crate) enum Routes {
    /// For sidecars.
    Mesh { issuance: IssuanceServer<IssueService>, sync: SyncServer<SyncService>, health: Health },
    /// For people.
    Admin { admin: AdminServer<AdminService>, health: Health },
}

type Health = HealthServer<HealthService>;

impl Routes {
    pub(crate) fn mesh(issuance: IssueService, sync: SyncService, health: HealthReporter) -> Self {
        Self::Mesh {
            issuance: IssuanceServer::new(issuance)
                .max_decoding_message_size(MAX_QUESTION)
                .max_encoding_message_size(MAX_MESSAGE),
            sync: SyncServer::new(sync)
                .max_decoding_message_size(MAX_MESSAGE)
                .max_encoding_message_size(MAX_MESSAGE),
            health: health_server(health),
        }
    }

    pub(crate) fn admin(admin: AdminService, health: HealthReporter) -> Self {
        Self::Admin {
            admin: AdminServer::new(admin)
                .max_decoding_message_size(MAX_MESSAGE)
                .max_encoding_message_size(MAX_MESSAGE),
            health: health_server(health),
        }
    }

    /// Which door these are behind.
    pub(crate) fn door(&self) -> Door {
        match self {
            Self::Mesh { .. } => Door::Mesh,
            Self::Admin { .. } => Door::Admin,
        }
    }

    /// Hands the request to its service; the service answers methods that it does not have.
    pub(crate) async fn call(self, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let service =
            path.strip_prefix('/').and_then(|path| path.split_once('/')).map(|(service, _)| service);
        match (self, service.unwrap_or_default()) {
            (Self::Mesh { mut issuance, .. }, IssuanceServer::<IssueService>::NAME) => {
                always(issuance.call(request).await)
            }
            (Self::Mesh { mut sync, .. }, SyncServer::<SyncService>::NAME) => {
                always(sync.call(request).await)
            }
            (Self::Admin { mut admin, .. }, AdminServer::<AdminService>::NAME) => {
                always(admin.call(request).await)
            }
            (Self::Mesh { mut health, .. } | Self::Admin { mut health, .. }, Health::NAME) => {
                always(health.call(request).await)
            }
            _ => Status::unimplemented("there is no such service").into_http(),
        }
    }
}

/// Answers whoever asks, as `Issue` does.
fn health_server(health: HealthReporter) -> Health {
    HealthServer::new(HealthService::from_health_reporter(health)).max_decoding_message_size(MAX_QUESTION)
}

fn always(answer: Result<Response<Body>, std::convert::Infallible>) -> Response<Body> {
    answer.unwrap_or_else(|never| match never {})
}
