//! What the process says by its exit code, for scripts. The only place that knows which error is which code.

use std::process::ExitCode;

use kith_control_plane::kubernetes::ClusterError;
use kith_policy::document::DocumentError;

use crate::args::UsageError;
use crate::commands::inject::InjectError;
use crate::commands::svid::{FetchError, FolderError, InputError};
use crate::local::admin::AdminError;
use crate::local::layout::LayoutError;
use crate::local::mesh_file::MeshFileError;
use crate::local::{KeptStateError, SpecError, UnusablePolicies};
use crate::mesh::NoMesh;
use crate::render::Closed;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It did what was asked.
    Ok,
    /// It could not.
    Failed,
    /// It could, and the answer is no: denied, or findings.
    Findings,
    /// The command line was wrong.
    Usage,
    /// What it was given was wrong.
    BadInput,
    /// The control plane did not answer.
    Unreachable,
    /// This user may not.
    NotPermitted,
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Findings => 2,
            Self::Usage => 64,
            Self::BadInput => 65,
            Self::Unreachable => 69,
            Self::NotPermitted => 77,
        }
    }

    /// What an error means.
    pub fn of(error: &anyhow::Error) -> Self {
        if error.is::<Closed>() {
            return Self::Ok;
        }
        if let Some(error) = error.downcast_ref::<AdminError>() {
            return match error {
                AdminError::Unreachable { .. } | AdminError::Restarting { .. } => Self::Unreachable,
                AdminError::NotPermitted { .. } => Self::NotPermitted,
                AdminError::Cluster(error) => Self::of_cluster(error),
                AdminError::BadQuestion { .. } | AdminError::UnknownWorkload { .. } => Self::BadInput,
                AdminError::UnknownDenial { .. } | AdminError::Refused { .. } | AdminError::Failed { .. } => {
                    Self::Failed
                }
            };
        }
        if let Some(error) = error.downcast_ref::<LayoutError>() {
            return Self::of_layout(error);
        }
        if let Some(error) = error.downcast_ref::<ClusterError>() {
            return Self::of_cluster(error);
        }
        if let Some(error) = error.downcast_ref::<NoMesh>() {
            return match error {
                NoMesh::Neither => Self::Unreachable,
                NoMesh::Layout(error) => Self::of_layout(error),
                NoMesh::Cluster(error) => Self::of_cluster(error),
            };
        }
        if let Some(error) = error.downcast_ref::<InjectError>() {
            return match error {
                InjectError::NoCluster | InjectError::NoConfiguration { .. } => Self::Unreachable,
                InjectError::Cluster { reason } => Self::of_cluster(reason),
                _ => Self::BadInput,
            };
        }
        if let Some(error) = error.downcast_ref::<KeptStateError>() {
            return match error {
                KeptStateError::Layout(error) => Self::of_layout(error),
                KeptStateError::InUse { .. } => Self::Usage,
                KeptStateError::BadKey { .. } => Self::NotPermitted,
                KeptStateError::NoKey { .. } => Self::BadInput,
                KeptStateError::NoRandomness(_) => Self::Failed,
            };
        }
        if let Some(error) = error.downcast_ref::<FetchError>() {
            return Self::of_fetch(error);
        }
        if let Some(error) = error.downcast_ref::<FolderError>() {
            return match error {
                FolderError::Unsafe { .. } => Self::NotPermitted,
                FolderError::NoFolder(_) | FolderError::Foreign(_) | FolderError::InUse(_) => Self::Usage,
                FolderError::Io { .. } => Self::Failed,
            };
        }
        if let Some(error) = error.downcast_ref::<InputError>() {
            return if error.is_unreachable() { Self::Unreachable } else { Self::BadInput };
        }
        if error.is::<UsageError>() {
            return Self::Usage;
        }
        let bad_input = error.is::<SpecError>()
            || error.is::<MeshFileError>()
            || error.is::<DocumentError>()
            || error.is::<UnusablePolicies>();
        if bad_input { Self::BadInput } else { Self::Failed }
    }
}

impl Exit {
    fn of_fetch(error: &FetchError) -> Self {
        match error {
            FetchError::Unreachable { .. } => Self::Unreachable,
            FetchError::NotPermitted { .. } | FetchError::NoIdentity { .. } => Self::NotPermitted,
            FetchError::Refused { .. } | FetchError::Discarded { .. } => Self::Failed,
        }
    }

    fn of_cluster(error: &ClusterError) -> Self {
        match error {
            ClusterError::Unreachable { .. }
            | ClusterError::NotInstalled { .. }
            | ClusterError::NotReady { .. } => Self::Unreachable,
            ClusterError::NotPermitted { .. } | ClusterError::Unauthenticated => Self::NotPermitted,
            ClusterError::Client(_) | ClusterError::Refused { .. } => Self::BadInput,
            ClusterError::Failed { .. } => Self::Failed,
        }
    }

    fn of_layout(error: &LayoutError) -> Self {
        match error {
            LayoutError::NoMesh | LayoutError::NoSuchMesh { .. } => Self::Unreachable,
            LayoutError::Several { .. } | LayoutError::Running { .. } => Self::Usage,
            LayoutError::NotPrivate { .. } => Self::NotPermitted,
            LayoutError::TooLong { .. } => Self::BadInput,
            LayoutError::Io { .. } => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use anyhow::Context as _;

    use super::*;
    use crate::local::mesh_file::MeshFile;

    fn unanswered(of: fn(String, String) -> FetchError) -> anyhow::Error {
        of(String::new(), String::new()).into()
    }

    #[test]
    fn errors_have_the_documented_codes_also_behind_a_context() {
        let unreachable = AdminError::Unreachable { socket: String::new(), reason: String::new() };
        for (error, code) in [
            (anyhow::anyhow!("anything"), 1),
            (AdminError::BadQuestion { reason: String::new() }.into(), 65),
            (AdminError::UnknownDenial { reason: String::new() }.into(), 1),
            (AdminError::Refused { reason: String::new() }.into(), 1),
            (unreachable.into(), 69),
            (AdminError::Restarting { mesh: String::new() }.into(), 69),
            (LayoutError::NoMesh.into(), 69),
            (AdminError::UnknownWorkload { reason: String::new() }.into(), 65),
            (UsageError::SlowStory { seconds: 61 }.into(), 64),
            (LayoutError::Running { name: String::new() }.into(), 64),
            (AdminError::NotPermitted { reason: String::new() }.into(), 77),
            (LayoutError::Several { running: vec![] }.into(), 64),
            (SpecError::SvidSeconds { seconds: 1 }.into(), 65),
            (MeshFile::parse("kith.yaml", "").unwrap_err().into(), 65),
            (MeshFile::read(Path::new("/nonexistent")).unwrap_err().into(), 65),
            (UnusablePolicies { reason: String::new() }.into(), 65),
            (KeptStateError::InUse { path: PathBuf::new() }.into(), 64),
            (KeptStateError::Layout(LayoutError::TooLong { path: PathBuf::new() }).into(), 65),
            (NoMesh::Neither.into(), 69),
            (NoMesh::Layout(LayoutError::Several { running: vec![] }).into(), 64),
            (AdminError::Cluster(ClusterError::Unauthenticated).into(), 77),
            (ClusterError::NotInstalled { namespace: String::new() }.into(), 69),
            (NoMesh::Cluster(ClusterError::Unreachable { reason: String::new() }).into(), 69),
            (ClusterError::Refused { reason: String::new() }.into(), 65),
            (unanswered(|address, reason| FetchError::Unreachable { address, reason }), 69),
            (unanswered(|address, reason| FetchError::NoIdentity { address, reason }), 77),
            (unanswered(|address, reason| FetchError::NotPermitted { address, reason }), 77),
            (FolderError::Unsafe { path: PathBuf::new(), reason: String::new() }.into(), 77),
            (FolderError::NoFolder(PathBuf::new()).into(), 64),
            (FolderError::Foreign(PathBuf::new()).into(), 64),
            (FolderError::InUse(PathBuf::new()).into(), 64),
            // A closed pipe is how a reader says that it has seen enough.
            (Closed.into(), 0),
        ] {
            assert_eq!(Exit::of(&error).code(), code, "{error}");
            let error = Err::<(), _>(error).context("while asking").unwrap_err();
            assert_eq!(Exit::of(&error).code(), code, "{error}");
        }
    }
}
