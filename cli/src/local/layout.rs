//! What lies on disk while a mesh runs, and where other processes of the same user find it.
//!
//! ```text
//! $XDG_RUNTIME_DIR/kith/NAME.sock    else /tmp/kith-UID/NAME.sock    answers people
//!                       NAME.lock                                    held while the mesh runs
//!                       NAME/SERVICE.sock                            the Workload API of one service
//! STATE/authorities/sealed                                           the control plane's, encrypted
//! /tmp/kith-NAME-RANDOM/lock                                         held while its folder is in use
//! ```
//! Owns the check that a folder others could have made is really ours: a foreign folder in /tmp could otherwise
//! answer for a mesh, or read what is said to it.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::claim::{Claim, check_length, remove_empty};
use super::lock::Lock;
use super::services::MeshSpec;

const PRIVATE: u32 = 0o700;
/// In every temporary folder; who holds it uses the folder.
pub(crate) const TEMPORARY_LOCK: &str = "lock";
/// The folder of the control plane's state: made at the start, and unless it is kept removed with everything in it at
/// the end.
pub(crate) const STATE_FOLDER: &str = "authorities";
const STATE_FILE: &str = "sealed";

/// Why a folder or a socket cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// Somebody else's, or open to others.
    #[error("{} is not a private folder of this user ({reason}); remove it or name another one", path.display())]
    NotPrivate {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A mesh of this name runs.
    #[error("a mesh named {name:?} runs already; choose another name with --name")]
    Running {
        /// The name.
        name: String,
    },
    /// No mesh runs.
    #[error("no mesh is running here; start one with: kith demo")]
    NoMesh,
    /// No mesh of this name runs.
    #[error("no mesh named {name:?} is running here; running: {}", list(running))]
    NoSuchMesh {
        /// The name.
        name: String,
        /// Those that do.
        running: Vec<String>,
    },
    /// Several run, and none was chosen.
    #[error("several meshes are running here ({}); choose one with --name", running.join(", "))]
    Several {
        /// Their names.
        running: Vec<String>,
    },
    /// The system's limit.
    #[error("the socket's path {} is longer than the system allows; choose a shorter folder", path.display())]
    TooLong {
        /// The path.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

pub(crate) fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LayoutError {
    move |source| LayoutError::Io { what, path: path.to_owned(), source }
}

/// The folder of this user's admin sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketFolder(PathBuf);

impl SocketFolder {
    /// The folder for this user: in the runtime folder when there is one, else in /tmp.
    pub fn of_user(runtime_folder: Option<&Path>) -> Self {
        match runtime_folder {
            Some(folder) => Self(folder.join("kith")),
            None => Self(PathBuf::from(format!("/tmp/kith-{}", nix::unistd::geteuid()))),
        }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Claims a name for a mesh that is to be started. The last mesh takes the folder away.
    pub fn claim(&self, name: &str) -> Result<Claim, LayoutError> {
        Ok(Claim::take(&self.0, name)?.with_folder())
    }

    /// The socket of the mesh of this name; the only one when no name is given.
    pub fn find(&self, name: Option<&str>) -> Result<MeshSocket, LayoutError> {
        let running = self.running()?;
        match (name, running.as_slice()) {
            (Some(name), _) if running.iter().any(|known| known == name) => Ok(MeshSocket::of(&self.0, name)),
            (Some(name), _) => Err(LayoutError::NoSuchMesh { name: name.to_owned(), running }),
            (None, []) => Err(LayoutError::NoMesh),
            (None, [only]) => Ok(MeshSocket::of(&self.0, only)),
            (None, _) => Err(LayoutError::Several { running }),
        }
    }

    /// Names of the meshes that run, sorted. What one that was killed left is not locked, and answers nobody.
    fn running(&self) -> Result<Vec<String>, LayoutError> {
        if !exists(&self.0)? {
            return Ok(Vec::new());
        }
        check_private(&self.0)?;
        let mut names = BTreeSet::new();
        for entry in fs::read_dir(&self.0).map_err(io_error("read", &self.0))? {
            let path = entry.map_err(io_error("read", &self.0))?.path();
            let of_mesh =
                path.extension().is_some_and(|extension| extension == "sock" || extension == "lock");
            let Some(name) = path.file_stem().and_then(|name| name.to_str()).filter(|_| of_mesh) else {
                continue;
            };
            let socket = MeshSocket::of(&self.0, name);
            if socket.is_claimed()? || socket.answers() {
                names.insert(name.to_owned());
            }
        }
        Ok(names.into_iter().collect())
    }
}

/// Where a mesh answers people, and beside it the lock that tells whether it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeshSocket(PathBuf);

/// What there is of a mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It runs, although its control plane may restart just now.
    Running,
    /// It was stopped in order: nothing is left.
    Stopped,
    /// Something is left of it, and nobody holds the lock.
    Left,
}

impl MeshSocket {
    /// The socket at a path.
    pub fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// The socket of a name in a folder.
    pub(crate) fn of(folder: &Path, name: &str) -> Self {
        Self(folder.join(format!("{name}.sock")))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The name of the mesh, which is that of the socket's file.
    pub fn name(&self) -> String {
        self.0.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Its lock.
    pub(crate) fn lock_path(&self) -> PathBuf {
        self.0.with_extension("lock")
    }

    /// Whether a supervisor lives that claimed it.
    pub fn is_claimed(&self) -> Result<bool, LayoutError> {
        let lock = self.lock_path();
        Lock::is_held(&lock).map_err(io_error("look at", &lock))
    }

    /// Whether somebody listens.
    pub(crate) fn answers(&self) -> bool {
        UnixStream::connect(&self.0).is_ok()
    }

    /// What there is of the mesh.
    pub fn presence(&self) -> Result<Presence, LayoutError> {
        if self.is_claimed()? {
            return Ok(Presence::Running);
        }
        let left = exists(&self.0)? || exists(&self.lock_path())?;
        Ok(if left { Presence::Left } else { Presence::Stopped })
    }
}

/// Makes a folder of mode 0700, or accepts one that is.
pub fn make_private(path: &Path) -> Result<(), LayoutError> {
    match DirBuilder::new().mode(PRIVATE).create(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => check_private(path),
        Err(error) => Err(io_error("make the folder", path)(error)),
    }
}

/// Refuses a folder that is not ours alone. Checked without following a link, which another user could have laid.
pub(crate) fn check_private(path: &Path) -> Result<(), LayoutError> {
    let metadata = fs::symlink_metadata(path).map_err(io_error("look at", path))?;
    let user = nix::unistd::geteuid().as_raw();
    let reason = if !metadata.is_dir() {
        "it is no folder".to_owned()
    } else if metadata.uid() != user {
        format!("it belongs to user {}, not {user}", metadata.uid())
    } else if metadata.mode() & 0o077 != 0 {
        format!("its mode is {:o}, not 700", metadata.mode() & 0o777)
    } else {
        return Ok(());
    };
    Err(LayoutError::NotPrivate { path: path.to_owned(), reason })
}

pub(crate) fn exists(path: &Path) -> Result<bool, LayoutError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(io_error("look at", path)(error)),
    }
}

/// A temporary folder that only this user can enter; removed when dropped. A lock in it tells that it is in use.
#[derive(Debug)]
pub struct Temporary {
    folder: TempDir,
    // Held, never read; dropped after the folder was removed.
    _lock: Lock,
}

impl Temporary {
    /// Makes one.
    pub fn make(prefix: &str, parent: &Path) -> Result<Self, LayoutError> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(prefix).permissions(Permissions::from_mode(PRIVATE));
        let folder = builder.tempdir_in(parent).map_err(io_error("make a temporary folder in", parent))?;
        let lock = folder.path().join(TEMPORARY_LOCK);
        let lock = Lock::make(&lock).map_err(io_error("lock", &lock))?;
        Ok(Self { folder, _lock: lock })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Removes it with everything in it.
    pub fn remove(&self) -> Result<(), LayoutError> {
        gone(fs::remove_dir_all(self.path()), self.path())
    }
}

/// The files of one mesh.
#[derive(Debug)]
pub(crate) struct MeshFiles {
    authorities: PathBuf,
    // Found again by the next mesh, which has its key.
    kept: bool,
    state_file: PathBuf,
    claim: Claim,
    // The folder of the state, when this mesh made it; removed at its end when nothing else is in it.
    made: Option<PathBuf>,
    // Removed with everything in it.
    temporary: Option<Temporary>,
}

impl MeshFiles {
    /// Makes the folders of a mesh, and claims its name where that was not done before.
    pub(crate) fn make(spec: &MeshSpec, claim: Option<Claim>) -> Result<Self, LayoutError> {
        let (state, temporary) = match &spec.state_dir {
            Some(state) => (state.clone(), None),
            None => {
                let made = Temporary::make(&format!("kith-{}-", spec.name), Path::new("/tmp"))?;
                (made.path().to_owned(), Some(made))
            }
        };
        let made = (!exists(&state)?).then(|| state.clone());
        make_private(&state)?;
        let claim = match claim {
            Some(claim) => claim,
            None => Claim::take(spec.socket_dir.as_ref().unwrap_or(&state), &spec.name)?,
        };
        let authorities = state.join(STATE_FOLDER);
        let state_file = authorities.join(STATE_FILE);
        let kept = spec.seal_key.is_some();
        let files = Self { authorities, kept, state_file, claim, made, temporary };
        if !kept {
            // Left by a mesh that was killed: sealed with a key that is gone.
            gone(fs::remove_dir_all(&files.authorities), &files.authorities)?;
        }
        make_private(&files.authorities)?;
        if spec.services.iter().any(|service| service.workload_api) {
            files.claim.make_workload_sockets()?;
        }
        Ok(files)
    }

    /// The socket of the Workload API of a service.
    pub(crate) fn workload_socket(&self, service: &str) -> Result<PathBuf, LayoutError> {
        let socket = self.claim.workload_sockets().join(format!("{service}.sock"));
        check_length(&socket)?;
        Ok(socket)
    }

    /// The control plane's sealed state.
    pub(crate) fn state_file(&self) -> &Path {
        &self.state_file
    }

    /// The socket that answers people.
    pub(crate) fn admin_socket(&self) -> &Path {
        self.claim.socket().path()
    }

    /// Removes everything that is not kept; what is gone already is no error.
    pub(crate) fn remove(&self) -> Result<(), LayoutError> {
        if !self.kept {
            gone(fs::remove_dir_all(&self.authorities), &self.authorities)?;
        }
        self.claim.remove()?;
        if let Some(folder) = &self.temporary {
            folder.remove()?;
        }
        self.made.as_deref().map_or(Ok(()), remove_empty)
    }
}

/// What became of a removal; that there was nothing to remove is as good.
pub(crate) fn gone(removed: io::Result<()>, path: &Path) -> Result<(), LayoutError> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", path)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
