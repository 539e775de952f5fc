//! One question: asked within its time, and what it came to. Owns what counts as a success and how a failure is told:
//! the kubelet shows the text to whoever looks at the pod.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::HeaderValue;
use kith_mtls::HandshakeError;
use kith_proto::pod::{Probe, ProbeAction};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::grpc;
use super::http::{self as http_probe, Get};

/// Why a question has no good answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("the application cannot be reached at {address}: {source}")]
    Unreachable { address: SocketAddr, source: io::Error },
    #[error("no TLS with the application: {0}")]
    Tls(HandshakeError),
    #[error("the application broke off: {0}")]
    Broken(#[from] hyper::Error),
    #[error("the application answered {status}: {body}")]
    Status { status: StatusCode, body: String },
    #[error("the probe's {what} cannot be sent: {value:?}")]
    Unsendable { what: &'static str, value: String },
    #[error("the application is {0}")]
    NotServing(&'static str),
    #[error("the application answered gRPC status {code}: {message}")]
    Grpc { code: tonic::Code, message: String },
    #[error("no gRPC with the application: {0}")]
    NoGrpc(#[from] tonic::transport::Error),
}

/// What the kubelet is told. `agent` is how it called itself.
pub(super) async fn ask(
    probe: Arc<Probe>,
    address: IpAddr,
    agent: Option<HeaderValue>,
) -> (StatusCode, String) {
    let limit = Duration::from_secs(probe.timeout_seconds.into());
    match timeout(limit, action(&probe.action, address, agent)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(failure)) => (StatusCode::SERVICE_UNAVAILABLE, failure.to_string()),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, format!("no answer within {} s", limit.as_secs())),
    }
}

async fn action(
    action: &ProbeAction,
    address: IpAddr,
    agent: Option<HeaderValue>,
) -> Result<(StatusCode, String), Failure> {
    let ok = || (StatusCode::OK, "ok".to_owned());
    match action {
        ProbeAction::Http { port, path, https, headers } => {
            let address = SocketAddr::new(address, *port);
            let get = Get { address, path, headers, agent };
            http_probe::get(&get, *https).await
        }
        ProbeAction::Tcp { port } => connect(SocketAddr::new(address, *port)).await.map(|_| ok()),
        ProbeAction::Grpc { port, service } => {
            grpc::check(SocketAddr::new(address, *port), service, agent).await.map(|()| ok())
        }
    }
}

/// From this process the pod's own address is reached without a redirect.
pub(super) async fn connect(address: SocketAddr) -> Result<TcpStream, Failure> {
    TcpStream::connect(address).await.map_err(|source| Failure::Unreachable { address, source })
}
