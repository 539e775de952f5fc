//! What the control plane answers people, from the asking side: over a socket of this machine, or over any connection that
//! leads there. Owns the connection and what its failures mean; what the answers look like is `render`'s business.

use std::error::Error as _;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use hyper_util::rt::TokioIo;
use kith_control_plane::kubernetes::ClusterError;
use kith_control_plane::kubernetes::innermost;
use kith_proto::v1::admin_client::AdminClient;
use kith_proto::v1::quarantine_target::Of;
use kith_proto::v1::{
    AddQuarantineRequest, EdgesRequest, EdgesResponse, ExplainRequest, ExplainResponse, IdentitiesRequest,
    IdentitiesResponse, ListQuarantinesRequest, ListQuarantinesResponse, QuarantineResponse,
    QuarantineTarget, RemoveQuarantineRequest, RotateRequest, RotateResponse, StatusRequest, StatusResponse,
    TapRequest, TappedLines, WhyRequest, WhyResponse,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Streaming};
use tower::service_fn;

/// Why the control plane did not answer.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Nobody is there.
    #[error("the control plane cannot be reached at {socket}: {reason}")]
    Unreachable {
        /// The socket.
        socket: String,
        /// Why.
        reason: String,
    },
    /// The cluster does not lead to it.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// It is gone for a moment.
    #[error("the mesh {mesh:?} runs, its control plane is restarting")]
    Restarting {
        /// The mesh.
        mesh: String,
    },
    /// This user may not ask.
    #[error("not permitted: {reason}; the mesh belongs to the user who started it")]
    NotPermitted {
        /// Why.
        reason: String,
    },
    /// The question was wrong.
    #[error("{reason}")]
    BadQuestion {
        /// Why.
        reason: String,
    },
    /// The question names a workload that there is not.
    #[error("{reason}")]
    UnknownWorkload {
        /// Which, and which there are.
        reason: String,
    },
    /// The question names a denial that nobody remembers.
    #[error("{reason}")]
    UnknownDenial {
        /// Which.
        reason: String,
    },
    /// It cannot be done, or not now.
    #[error("{reason}")]
    Refused {
        /// Why not.
        reason: String,
    },
    /// Anything else.
    #[error("the control plane failed ({code:?}): {reason}")]
    Failed {
        /// The gRPC code.
        code: Code,
        /// Why.
        reason: String,
    },
}

/// A connection to the control plane of one mesh.
#[derive(Debug, Clone)]
pub struct Admin {
    client: AdminClient<Channel>,
    socket: String,
}

impl Admin {
    /// Connects to a socket.
    pub async fn connect(socket: &Path) -> Result<Self, AdminError> {
        let shown = socket.display().to_string();
        // Asked first with a plain connection: its error says what is wrong, which the transport's does not.
        if let Err(error) = UnixStream::connect(socket).await {
            return Err(match error.kind() {
                io::ErrorKind::PermissionDenied => AdminError::NotPermitted { reason: shown },
                _ => AdminError::Unreachable { socket: shown, reason: error.to_string() },
            });
        }
        let path = socket.to_owned();
        let connector = service_fn(move |_| {
            let path = path.clone();
            async move { UnixStream::connect(path).await.map(TokioIo::new) }
        });
        // The name is never resolved: the connector goes to the socket.
        let endpoint = Endpoint::from_static("http://admin.kith");
        let channel = endpoint.connect_with_connector(connector).await;
        let channel = channel
            .map_err(|error| AdminError::Unreachable { socket: shown.clone(), reason: error.to_string() })?;
        Ok(Self { client: AdminClient::new(channel), socket: shown })
    }

    /// Asks over a connection; when it is lost, everything asked over it is unreachable. `place` is told then.
    pub async fn over<S>(stream: S, place: &str) -> Result<Self, AdminError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let once = Mutex::new(Some(stream));
        let connector = service_fn(move |_| {
            // The transport would connect anew; whoever asks does that, and finds the control plane again first.
            let stream = once.lock().unwrap_or_else(PoisonError::into_inner).take();
            std::future::ready(
                stream.map(TokioIo::new).ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected)),
            )
        });
        let channel = Endpoint::from_static("http://admin.kith").connect_with_connector(connector).await;
        let channel = channel.map_err(|error| AdminError::Unreachable {
            socket: place.to_owned(),
            reason: innermost(&error),
        })?;
        Ok(Self { client: AdminClient::new(channel), socket: place.to_owned() })
    }

    /// The state of the mesh.
    pub async fn status(&mut self) -> Result<StatusResponse, AdminError> {
        let answer = self.client.status(StatusRequest {}).await;
        self.answer(answer)
    }

    /// Identity-log lines, from now on.
    pub async fn tap(&mut self, request: TapRequest) -> Result<Tap, AdminError> {
        let answer = self.client.tap(request).await;
        let lines = self.answer(answer)?;
        Ok(Tap { lines, admin: self.clone() })
    }

    /// What would become of a call, and why.
    pub async fn explain(&mut self, request: ExplainRequest) -> Result<ExplainResponse, AdminError> {
        let answer = self.client.explain(request).await;
        self.answer(answer)
    }

    /// What a denial id stands for.
    pub async fn why(&mut self, id: &str) -> Result<WhyResponse, AdminError> {
        let answer = self.client.why(WhyRequest { id: id.to_owned() }).await;
        // What is not found here is no workload.
        self.answer(answer).map_err(|error| match error {
            AdminError::UnknownWorkload { reason } => AdminError::UnknownDenial { reason },
            error => error,
        })
    }

    /// Who called whom.
    pub async fn edges(&mut self) -> Result<EdgesResponse, AdminError> {
        let answer = self.client.edges(EdgesRequest {}).await;
        self.answer(answer)
    }

    /// The identities of the mesh; of one workload, or with an empty name of all.
    pub async fn identities(&mut self, workload: &str) -> Result<IdentitiesResponse, AdminError> {
        let answer = self.client.identities(IdentitiesRequest { workload: workload.to_owned() }).await;
        self.answer(answer)
    }

    /// A new svid for a workload, now.
    pub async fn rotate(&mut self, workload: &str) -> Result<RotateResponse, AdminError> {
        let answer = self.client.rotate(RotateRequest { workload: workload.to_owned() }).await;
        self.answer(answer)
    }

    /// Who is cut off.
    pub async fn quarantines(&mut self) -> Result<ListQuarantinesResponse, AdminError> {
        let answer = self.client.list_quarantines(ListQuarantinesRequest {}).await;
        self.answer(answer)
    }

    /// Cuts somebody off, or with `dry_run` says what that would hit.
    pub async fn add_quarantine(
        &mut self,
        request: AddQuarantineRequest,
    ) -> Result<QuarantineResponse, AdminError> {
        let answer = self.client.add_quarantine(request).await;
        self.answer(answer)
    }

    /// Lets somebody in again, or with `dry_run` says whom.
    pub async fn remove_quarantine(
        &mut self,
        request: RemoveQuarantineRequest,
    ) -> Result<QuarantineResponse, AdminError> {
        let answer = self.client.remove_quarantine(request).await;
        self.answer(answer)
    }

    fn answer<T>(&self, answer: Result<tonic::Response<T>, tonic::Status>) -> Result<T, AdminError> {
        answer.map(tonic::Response::into_inner).map_err(|status| self.error(&status))
    }

    fn error(&self, status: &tonic::Status) -> AdminError {
        let reason = status.message().to_owned();
        match status.code() {
            _ if is_broken_off(status) => AdminError::Unreachable { socket: self.socket.clone(), reason },
            Code::Unavailable => AdminError::Unreachable { socket: self.socket.clone(), reason },
            Code::PermissionDenied | Code::Unauthenticated => AdminError::NotPermitted { reason },
            Code::InvalidArgument => AdminError::BadQuestion { reason },
            Code::NotFound => AdminError::UnknownWorkload { reason },
            Code::FailedPrecondition | Code::DeadlineExceeded | Code::ResourceExhausted => {
                AdminError::Refused { reason }
            }
            code => AdminError::Failed { code, reason },
        }
    }
}

/// Whether the connection failed, not the control plane: its own statuses arrive without a cause, those that are
/// made on this side have the error of the transport as theirs.
fn is_broken_off(status: &tonic::Status) -> bool {
    let mut causes = std::iter::successors(status.source(), |&cause| cause.source());
    causes.any(|cause| {
        cause.is::<tonic::transport::Error>() || cause.is::<hyper::Error>() || cause.is::<io::Error>()
    })
}

/// Whom a quarantine of a workload's name, or of an identity, means.
pub fn named(workload: &str) -> QuarantineTarget {
    QuarantineTarget { of: Some(Of::Workload(workload.to_owned())) }
}

/// Lines that arrive while somebody watches.
#[derive(Debug)]
pub struct Tap {
    lines: Streaming<TappedLines>,
    admin: Admin,
}

impl Tap {
    /// The next lines; `None` when the control plane ended the stream.
    pub async fn next(&mut self) -> Result<Option<TappedLines>, AdminError> {
        self.lines.message().await.map_err(|status| self.admin.error(&status))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_counts_as_broken_off_by_its_cause_and_never_by_its_text() {
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        assert!(is_broken_off(&tonic::Status::from_error(Box::new(reset))));
        let told = tonic::Status::unknown("transport error: connection reset");
        assert!(!is_broken_off(&told));
        assert!(!is_broken_off(&tonic::Status::from_error("something else".into())));
    }
}
