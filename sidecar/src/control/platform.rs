//! Where the process runs, and so how it proves to the control plane which workload it is: beside a supervisor, or in a
//! pod. Owns the choice; each of the two owns its ways.

use std::net::SocketAddr;

use kith_identity::Bundle;
use kith_identity::svid::KeyHash;
use kith_proto::v1;
use kith_proto::v1::issue_request::Evidence;

use super::pod::{Pod, PodError};
use super::supervisor::{Supervisor, SupervisorError};

/// The two platforms.
#[derive(Debug)]
pub(crate) enum Platform {
    /// Local mode: started by a supervisor, which attests.
    Supervised(Supervisor),
    /// Kubernetes: the kubelet's token attests.
    Pod(Pod),
}

/// What attests this process once, where to take it, and whom to give it to alone. Not to be printed: evidence is a
/// secret.
pub(super) struct Attestation {
    pub(super) evidence: Evidence,
    pub(super) control_plane: Vec<SocketAddr>,
    pub(super) bundle: Bundle,
}

/// What a stream begins with.
pub(super) struct Introduction {
    pub(super) control_plane: Vec<SocketAddr>,
    pub(super) hello: v1::Hello,
}

/// Why this process cannot prove what it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlatformError {
    #[error(transparent)]
    Supervisor(#[from] SupervisorError),
    #[error(transparent)]
    Pod(#[from] PodError),
    #[error("not attested yet, so it is not known where the control plane is")]
    Unattested,
}

impl Platform {
    /// Evidence for a key; fresh each time.
    pub(super) async fn attest(&self, key: KeyHash) -> Result<Attestation, PlatformError> {
        match self {
            Self::Supervised(supervisor) => Ok(supervisor.attest(key).await?),
            Self::Pod(pod) => Ok(pod.attest().await?),
        }
    }

    /// Where the control plane is, and who calls. An identity may have many pods; which of them this is, a token says.
    pub(super) async fn introduce(&self) -> Result<Introduction, PlatformError> {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        match self {
            Self::Supervised(supervisor) => {
                let control_plane = supervisor.control_plane().ok_or(PlatformError::Unattested)?;
                let hello = v1::Hello { version, pod_token: String::new() };
                Ok(Introduction { control_plane: vec![control_plane], hello })
            }
            Self::Pod(pod) => {
                let (control_plane, token) = (pod.control_plane().await?, pod.token()?);
                let hello = v1::Hello { version, pod_token: token.as_str().to_owned() };
                Ok(Introduction { control_plane, hello })
            }
        }
    }

    /// Tells whoever started this process where it listens.
    pub(crate) async fn ready(&self, ready: v1::SidecarReady) -> Result<(), PlatformError> {
        match self {
            Self::Supervised(supervisor) => Ok(supervisor.ready(ready).await?),
            // The kubelet asks.
            Self::Pod(_) => Ok(()),
        }
    }

    /// Ends when whoever started this process is gone. In a pod a signal says so instead.
    pub(crate) async fn listen(&self) -> Result<(), PlatformError> {
        match self {
            Self::Supervised(supervisor) => Ok(supervisor.listen().await?),
            Self::Pod(_) => std::future::pending().await,
        }
    }
}
