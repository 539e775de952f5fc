//! The health check of a gRPC server: `grpc.health.v1.Health/Check`. Owns the call and what its answer means.

use std::net::SocketAddr;

use http::header::HeaderValue;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::ask::{Failure, connect};

/// The answer is some twenty bytes long.
const MAX_ANSWER_BYTES: usize = 4 * 1024;

/// Good when the service says that it serves; with an empty name, the server as a whole.
pub(super) async fn check(
    address: SocketAddr,
    service: &str,
    agent: Option<HeaderValue>,
) -> Result<(), Failure> {
    // For the reason alone: what follows only says that there is no transport.
    drop(connect(address).await?);
    let mut endpoint = Endpoint::from_shared(format!("http://{address}"))?;
    if let Some(agent) = agent {
        endpoint = endpoint.user_agent(agent)?;
    }
    let channel = endpoint.connect().await?;
    let mut client = HealthClient::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES);
    let asked = client.check(HealthCheckRequest { service: service.to_owned() }).await;
    let answer = asked.map_err(|status| Failure::Grpc {
        code: status.code(),
        message: status.message().chars().take(256).collect(),
    })?;
    match answer.into_inner().status() {
        ServingStatus::Serving => Ok(()),
        other => Err(Failure::NotServing(other.as_str_name())),
    }
}
