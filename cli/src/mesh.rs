//! The mesh that a verb asks: one on this machine, over its socket, or one in a cluster, through the API server. Owns which
//! of them is meant when nobody says it, and how a connection to either begins.

use std::time::Duration;

use kith_control_plane::kubernetes::{ClusterError, Installation};

use crate::args::{AskArgs, ClusterArgs};
use crate::local::admin::{Admin, AdminError};
use crate::local::layout::{LayoutError, MeshSocket};
use crate::render;
use crate::render::name::Naming;

/// How long one answer may take, with the connection.
const LIMIT: Duration = Duration::from_secs(5);
/// Through an API server, whose client may have to sign in first.
const LIMIT_IN_CLUSTER: Duration = Duration::from_secs(15);

/// Why there is no mesh to ask.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoMesh {
    /// There is neither.
    #[error(
        "no mesh is running here, and no kubeconfig names a cluster (KUBECONFIG, ~/.kube/config); start one with: kith \
         demo, or name a cluster with --kubeconfig"
    )]
    Neither,
    /// On this machine.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// In a cluster.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

/// One that can be asked.
#[derive(Debug, Clone)]
pub(crate) enum Mesh {
    /// On this machine.
    Local(MeshSocket),
    /// In a cluster.
    Cluster(Installation),
}

impl Mesh {
    /// The one that the flags name; without any, the one that runs here, else the one in the kubeconfig's cluster.
    pub(crate) async fn find(args: &AskArgs) -> Result<Self, NoMesh> {
        if args.cluster.is_named() {
            return Ok(Self::Cluster(installation(&args.cluster).await?));
        }
        let here = args.find_socket();
        let named = args.name.is_some() || args.socket.is_some();
        match here {
            Err(LayoutError::NoMesh) if args.cluster.files().is_empty() => Err(NoMesh::Neither),
            Err(LayoutError::NoMesh) => Ok(Self::Cluster(installation(&args.cluster).await?)),
            here => {
                let socket = here?;
                if !named && !args.cluster.files().is_empty() {
                    let name = socket.name();
                    render::report(&format!(
                        "kith: asks the mesh {name:?} of this machine; a cluster is asked with -n kith, or --context"
                    ));
                }
                Ok(Self::Local(socket))
            }
        }
    }

    /// What it is called.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Local(socket) => socket.name(),
            Self::Cluster(installation) => match installation.context() {
                Some(context) => format!("{context}/{}", installation.namespace()),
                None => installation.namespace().to_owned(),
            },
        }
    }

    /// A connection to its control plane.
    pub(crate) async fn connect(&self) -> Result<Admin, AdminError> {
        match self {
            Self::Local(socket) => Admin::connect(socket.path()).await,
            Self::Cluster(installation) => {
                let stream = installation.connect().await?;
                Admin::over(stream, &installation.to_string()).await
            }
        }
    }

    /// What is said of one that does not answer in time.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::Local(socket) => socket.path().display().to_string(),
            Self::Cluster(installation) => installation.to_string(),
        }
    }

    /// How long one answer may take.
    pub(crate) fn limit(&self) -> Duration {
        match self {
            Self::Local(_) => LIMIT,
            Self::Cluster(_) => LIMIT_IN_CLUSTER,
        }
    }

    /// Whether a control plane that did not answer is worth asking again at once.
    pub(crate) fn may_come_back(&self, error: &AdminError) -> Result<bool, LayoutError> {
        match (self, error) {
            (Self::Local(socket), AdminError::Unreachable { .. }) => socket.is_claimed(),
            // The connection was lost: its pod may have been replaced.
            (Self::Cluster(_), AdminError::Unreachable { .. }) => Ok(true),
            _ => Ok(false),
        }
    }

    /// How its workloads are named.
    pub(crate) fn naming(&self) -> Naming {
        match self {
            Self::Local(_) => Naming::Local,
            Self::Cluster(_) => Naming::Cluster,
        }
    }

    /// The installation, where it is one of a cluster.
    pub(crate) fn installation(&self) -> Option<&Installation> {
        match self {
            Self::Local(_) => None,
            Self::Cluster(installation) => Some(installation),
        }
    }
}

/// The installation that the flags mean.
pub(crate) async fn installation(args: &ClusterArgs) -> Result<Installation, NoMesh> {
    let files = args.files();
    if files.is_empty() {
        return Err(NoMesh::Neither);
    }
    Ok(Installation::of(&files, args.context.as_deref(), args.namespace()).await?)
}

#[cfg(test)]
mod tests;
