//! What lies on disk while a mesh runs, and where other processes of the same user find it.
//!
//! ```text
//! $XDG_RUNTIME_DIR/kith/NAME.sock    else /tmp/kith-UID/NAME.sock    answers people
//! STATE/authorities/sealed                                           the control plane's, encrypted
//! ```
//! Owns the check that a folder others could have made is really ours: a foreign folder in /tmp could otherwise
//! answer for a mesh, or read what is said to it.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::services::MeshSpec;

/// The longest path of a unix socket on Linux, without its closing zero.
const MAX_SOCKET_PATH: usize = 107;
const PRIVATE: u32 = 0o700;
/// The folder of the control plane's state: made at the start, removed with everything in it at the end.
const STATE_FOLDER: &str = "authorities";
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
    #[error("the socket's path {} has more than {MAX_SOCKET_PATH} bytes; choose a shorter folder", path.display())]
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

fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LayoutError {
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

    /// The socket of the mesh of this name; the only one when no name is given.
    pub fn find(&self, name: Option<&str>) -> Result<PathBuf, LayoutError> {
        let running = self.running()?;
        match (name, running.as_slice()) {
            (Some(name), _) if running.iter().any(|known| known == name) => Ok(self.socket(name)),
            (Some(name), _) => Err(LayoutError::NoSuchMesh { name: name.to_owned(), running }),
            (None, []) => Err(LayoutError::NoMesh),
            (None, [only]) => Ok(self.socket(only)),
            (None, _) => Err(LayoutError::Several { running }),
        }
    }

    fn socket(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.sock"))
    }

    /// Names of the meshes that run, sorted. The socket of one that was killed remains, and answers nobody.
    fn running(&self) -> Result<Vec<String>, LayoutError> {
        if !exists(&self.0)? {
            return Ok(Vec::new());
        }
        check_private(&self.0)?;
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.0).map_err(io_error("read", &self.0))? {
            let path = entry.map_err(io_error("read", &self.0))?.path();
            let socket = path.extension().is_some_and(|extension| extension == "sock");
            if let Some(name) = path.file_stem().and_then(|name| name.to_str()).filter(|_| socket)
                && UnixStream::connect(&path).is_ok()
            {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
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
fn check_private(path: &Path) -> Result<(), LayoutError> {
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

fn exists(path: &Path) -> Result<bool, LayoutError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(io_error("look at", path)(error)),
    }
}

/// A temporary folder that only this user can enter; removed when dropped.
pub fn temporary(prefix: &str, parent: &Path) -> Result<TempDir, LayoutError> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix).permissions(Permissions::from_mode(PRIVATE));
    builder.tempdir_in(parent).map_err(io_error("make a temporary folder in", parent))
}

/// The files of one mesh.
#[derive(Debug)]
pub(crate) struct MeshFiles {
    authorities: PathBuf,
    state_file: PathBuf,
    admin_socket: PathBuf,
    // Folders that this mesh made; removed at its end when nothing else is in them.
    made: Vec<PathBuf>,
    // Removed with everything in it.
    temporary: Option<TempDir>,
}

impl MeshFiles {
    /// Makes the folders of a mesh.
    pub(crate) fn make(spec: &MeshSpec) -> Result<Self, LayoutError> {
        let mut made = Vec::new();
        let mut folder = |path: &Path| -> Result<(), LayoutError> {
            let new = !exists(path)?;
            make_private(path)?;
            made.extend(new.then(|| path.to_owned()));
            Ok(())
        };
        let (state, temporary) = match &spec.state_dir {
            Some(state) => (state.clone(), None),
            None => {
                let made = temporary(&format!("kith-{}-", spec.name), Path::new("/tmp"))?;
                (made.path().to_owned(), Some(made))
            }
        };
        folder(&state)?;
        let sockets = spec.socket_dir.as_ref().unwrap_or(&state);
        folder(sockets)?;
        let admin_socket = sockets.join(format!("{}.sock", spec.name));
        let authorities = state.join(STATE_FOLDER);
        let state_file = authorities.join(STATE_FILE);
        let files = Self { authorities, state_file, admin_socket, made, temporary };
        files.check_socket(&spec.name)?;
        // Left by a mesh that was killed: sealed with a key that is gone.
        gone(fs::remove_dir_all(&files.authorities), &files.authorities)?;
        make_private(&files.authorities)?;
        Ok(files)
    }

    fn check_socket(&self, name: &str) -> Result<(), LayoutError> {
        if self.admin_socket.as_os_str().len() > MAX_SOCKET_PATH {
            return Err(LayoutError::TooLong { path: self.admin_socket.clone() });
        }
        if UnixStream::connect(&self.admin_socket).is_ok() {
            return Err(LayoutError::Running { name: name.to_owned() });
        }
        Ok(())
    }

    /// The control plane's sealed state.
    pub(crate) fn state_file(&self) -> &Path {
        &self.state_file
    }

    /// The socket that answers people.
    pub(crate) fn admin_socket(&self) -> &Path {
        &self.admin_socket
    }

    /// Removes everything; what is gone already is no error.
    pub(crate) fn remove(&self) -> Result<(), LayoutError> {
        gone(fs::remove_file(&self.admin_socket), &self.admin_socket)?;
        gone(fs::remove_dir_all(&self.authorities), &self.authorities)?;
        if let Some(folder) = &self.temporary {
            gone(fs::remove_dir_all(folder.path()), folder.path())?;
        }
        for path in self.made.iter().rev() {
            match fs::remove_dir(path) {
                // Another mesh of this user has its socket there.
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
                result => gone(result, path)?,
            }
        }
        Ok(())
    }
}

/// What became of a removal; that there was nothing to remove is as good.
fn gone(removed: io::Result<()>, path: &Path) -> Result<(), LayoutError> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", path)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
