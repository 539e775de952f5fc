//! The stream of a Workload API, from the client's side. Owns the connection, the header that every request has, and which
//! answer means what (Workload Endpoint §3, §6); what a message says is `update`'s.

use std::future::ready;
use std::io;
use std::sync::{Mutex, PoisonError};

use hyper_util::rt::TokioIo;
use kith_proto::spiffe::spiffe_workload_api_client::SpiffeWorkloadApiClient;
use kith_proto::spiffe::{HEADER, X509svidRequest, X509svidResponse};
use kith_runtime::Clock;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status, Streaming};
use tower::service_fn;

use super::update::{Update, UpdateError};
use crate::args::EndpointAddress;

/// Of one message: far more than any workload's chains and bundles.
const MAX_MESSAGE: usize = 16 * 1024 * 1024;

/// Why there is no update.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// Nobody answers there, or not now.
    #[error("the Workload API at {address} does not answer: {reason}")]
    Unreachable {
        /// Where.
        address: String,
        /// Why.
        reason: String,
    },
    /// This user may not use the socket.
    #[error("not permitted to use the Workload API at {address}: {reason}")]
    NotPermitted {
        /// Where.
        address: String,
        /// Why.
        reason: String,
    },
    /// There is no identity for this process, or not yet.
    #[error("the Workload API at {address} has no identity for this process: {reason}")]
    NoIdentity {
        /// Where.
        address: String,
        /// What it said.
        reason: String,
    },
    /// It refuses the request for good.
    #[error("the Workload API at {address} refuses the request ({code:?}): {reason}")]
    Refused {
        /// Where.
        address: String,
        /// The gRPC code.
        code: Code,
        /// What it said.
        reason: String,
    },
    /// A message that cannot be used; the stream goes on.
    #[error("a message of the Workload API at {address} was discarded: {reason}")]
    Discarded {
        /// Where.
        address: String,
        /// What is wrong with it.
        reason: UpdateError,
    },
}

impl FetchError {
    /// Whether another try may end otherwise (Workload Endpoint §6).
    pub(super) fn may_pass(&self) -> bool {
        !matches!(self, Self::Refused { .. })
    }
}

/// A Workload API, connected whenever it is asked.
pub(super) struct WorkloadApi {
    address: EndpointAddress,
    clock: Clock,
    stream: Option<Streaming<X509svidResponse>>,
}

impl WorkloadApi {
    /// Calls nobody yet.
    pub(super) fn at(address: EndpointAddress, clock: Clock) -> Self {
        Self { address, clock, stream: None }
    }

    /// The next state of this workload. After an error it may be asked again, and connects again if it has to. A wait that
    /// is given up loses no message of a stream that is open.
    pub(super) async fn next(&mut self) -> Result<Update, FetchError> {
        if self.stream.is_none() {
            self.stream = Some(self.open().await?);
        }
        let message = match &mut self.stream {
            Some(stream) => stream.message().await,
            None => Ok(None),
        };
        match message {
            Ok(Some(message)) => Update::check(message, self.clock.now())
                .map_err(|reason| FetchError::Discarded { address: self.address.to_string(), reason }),
            Ok(None) => {
                self.stream = None;
                Err(self.unreachable("it ended the stream"))
            }
            Err(status) => {
                self.stream = None;
                Err(self.meaning(&status))
            }
        }
    }

    async fn open(&self) -> Result<Streaming<X509svidResponse>, FetchError> {
        let mut client =
            SpiffeWorkloadApiClient::new(self.connect().await?).max_decoding_message_size(MAX_MESSAGE);
        let mut request = Request::new(X509svidRequest {});
        request.metadata_mut().insert(HEADER, MetadataValue::from_static("true"));
        let answer = client.fetch_x509svid(request).await;
        answer.map(tonic::Response::into_inner).map_err(|status| self.meaning(&status))
    }

    async fn connect(&self) -> Result<Channel, FetchError> {
        // Connected here: the error says what is wrong, which the transport's does not.
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::PermissionDenied => {
                FetchError::NotPermitted { address: self.address.to_string(), reason: error.to_string() }
            }
            _ => self.unreachable(&error.to_string()),
        };
        match &self.address {
            EndpointAddress::Unix(path) => self.over(UnixStream::connect(path).await.map_err(failed)?).await,
            EndpointAddress::Tcp(address) => {
                self.over(TcpStream::connect(address).await.map_err(failed)?).await
            }
        }
    }

    /// A channel that ends with its connection: the next call makes another.
    async fn over<S>(&self, stream: S) -> Result<Channel, FetchError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let once = Mutex::new(Some(stream));
        let connector = service_fn(move |_| {
            let stream = once.lock().unwrap_or_else(PoisonError::into_inner).take();
            ready(stream.map(TokioIo::new).ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected)))
        });
        // The name is never resolved: the connection is there.
        let channel = Endpoint::from_static("http://localhost").connect_with_connector(connector).await;
        channel.map_err(|error| self.unreachable(&error.to_string()))
    }

    fn meaning(&self, status: &Status) -> FetchError {
        let (address, reason) = (self.address.to_string(), status.message().to_owned());
        match status.code() {
            Code::PermissionDenied => FetchError::NoIdentity { address, reason },
            code @ (Code::InvalidArgument | Code::Unimplemented) => {
                FetchError::Refused { address, code, reason }
            }
            code => self.unreachable(&format!("{code:?}: {reason}")),
        }
    }

    /// What is said of one that did not answer.
    pub(super) fn unreachable(&self, reason: &str) -> FetchError {
        FetchError::Unreachable { address: self.address.to_string(), reason: reason.to_owned() }
    }
}
